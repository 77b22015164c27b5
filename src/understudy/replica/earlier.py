"""Runs of a machine as itself from before it was failed over anew: only the newest may be alive, on whichever site that is."""

from understudy.replica.replicas import Replicas


async def end_earlier(replicas: Replicas, machine: str, spare: str, before: int | None = None) -> tuple[str, ...]:
    """The machine's runs, but for `spare`, have no process here any more, and what they wrote is kept aside. Returns those that there were.

    `before`: only what was started before this epoch; a later run may have been started since that was looked up. Idempotent.
    """
    ended = []
    for run, (order, now) in (await replicas.find()).items():
        if order.machine == machine and order.track and not now.kept and run != spare and (before is None or _epoch_of(run) < before):
            await replicas.end(run, None)
            await replicas.keep(run)
            ended.append(run)
    return tuple(ended)


def _epoch_of(run: str) -> int:
    """A run is named for the machine and the epoch that its start began."""
    return int(run.rpartition("-")[2])
