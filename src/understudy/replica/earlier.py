"""Runs of a machine as itself from before it was failed over anew: only the newest may be alive, on whichever site that is."""

from understudy.replica.naming import epoch_of
from understudy.replica.replicas import Replicas


async def end_earlier(replicas: Replicas, machine: str, spare: str, before: int | None = None) -> tuple[str, ...]:
    """The machine's runs, but for `spare`, have no process here any more, and what they wrote is kept aside. Returns those that there were.

    `before`: only what was started before this epoch; a later run may have been started since that was looked up. Of a run whose record
    cannot be read no process is left either, and nothing else of it is touched. Idempotent.
    """

    def meant(run: str) -> bool:
        epoch = epoch_of(run, machine)
        return run != spare and epoch is not None and (before is None or epoch < before)

    ended, found = [], await replicas.find()
    for run in filter(meant, found.unread):
        await replicas.end(run, None)
    for run, (order, now) in found.known.items():
        if order.machine == machine and order.track and not now.kept and meant(run):
            await replicas.end(run, None)
            await replicas.keep(run)
            ended.append(run)
    return tuple(ended)


async def given_up(replicas: Replicas, run: str) -> bool:
    """Whether it was ended so: it is not started again."""
    found = (await replicas.find()).known.get(run)
    return found is not None and found[1].kept
