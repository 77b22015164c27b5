"""The operations themselves, each a sequence of steps. `again`: this one may have come to its end before, and been ended unheard."""

import msgspec

from understudy import engine
from understudy.engine import Look, OnProgress, Progress
from understudy.errors import Conflict, NotFound
from understudy.failover.asking import shut_down_there, take_back, withdrawn
from understudy.failover.deed import Deed, Moved, after, new_deed
from understudy.failover.phase import SHUTDOWN, STANDBY, phase_of
from understudy.failover.site import FailoverSite
from understudy.failover.steps import Steps
from understudy.finish import finish
from understudy.hypervisor.protocol import Status
from understudy.replica.values import StartReplica
from understudy.vault import kinds
from understudy.vault.log.authority import CANCEL, CHANGE, PLANNED
from understudy.vault.log.machine_log import MachineLog

ANEW = 8
"""Times that the newest point is looked for again."""


async def fail_over(site: FailoverSite, request: engine.FailOver, progress: OnProgress, *, again: bool = False) -> engine.FailedOver:
    """Planned or unplanned: the machine runs here when this returns."""
    if request.mode == PLANNED and request.point:
        raise Conflict("a planned failover goes on from the point that it makes", hint="an unplanned one may be from any point")
    vault, log = await site.log_of(request.machine)
    async with site.own(vault, log) as directory:
        steps = Steps(site, vault, log, directory, progress)
        before = await steps.deed()
        # What may run here of an earlier time must not run beside it.
        left = before.run if before is not None else ""
        wanted = new_deed(request.mode, wanted=request.point, reason=request.reason, force=request.force, left=left)
        deed = await steps.begun(wanted, again=again)
        if request.mode == PLANNED:
            deed = await shut_down_there(steps, await steps.admissible(deed))
        else:
            if before is not None and before.id != deed.id and before.request and not before.done:
                # The primary has died in the midst of its shutdown; should it come back, it shall not go on with that.
                await take_back(steps, before)
                deed = await steps.keep(deed)
            deed = await steps.fenced(await steps.admissible(deed))
        deed = await steps.isolated(await _recorded(steps, deed))
        deed = await steps.left(deed)
        return steps.result(await steps.started(deed))


async def _recorded(steps: Steps, deed: Deed) -> Deed:
    """Decided, and in the log. A primary that is alive makes point after point: which is the newest is decided anew then, a few times."""
    for _ in range(ANEW):
        try:
            return await steps.recorded(await steps.decided(deed))
        except Moved as error:
            found = Look(what="source", verdict="warn", words=error.message, hint="it runs the machine until it hears of this")
            others = tuple(look for look in deed.findings if look.what != found.what)
            # It was given up, with all that hung on it.
            deed = await steps.keep(deed, point="", epoch=0, site="", order=None, addresses={}, findings=(*others, found))
    return await steps.recorded(await steps.decided(deed))


async def change_point(site: FailoverSite, request: engine.ChangePoint, progress: OnProgress) -> engine.FailedOver:
    vault, log = await site.log_of(request.machine)
    async with site.own(vault, log) as directory:
        steps = Steps(site, vault, log, directory, progress)
        await log.settle()
        try:
            steps.entry_of(request.point)
        except NotFound:
            # That nothing is to be changed is the better answer, where it is one.
            await steps.must_be_allowed("change-point")
            raise
        last = await steps.standing()
        deed = await steps.begun(after(last, CHANGE, wanted=request.point))
        deed = await steps.decided(deed)
        # The one that runs must not run on under an epoch that has ended.
        deed = await steps.isolated(await steps.recorded(await steps.left(deed)))
        return steps.result(await steps.started(deed))


async def cancel(site: FailoverSite, request: engine.CancelFailover, progress: OnProgress, *, again: bool = False) -> engine.FailedOver:
    """Before its record a failover is given up, and a primary that was asked to shut down told to go on; after it the machine goes back to
    where it was."""
    vault, log = await site.log_of(request.machine)
    await log.settle()
    asked = [asked for asked in log.state.authority.requests if asked.action == SHUTDOWN]
    if phase_of(log.state) == "failing_over" and not (again and all(site.name not in (one.by, one.site) for one in asked)):
        # Whoever is in the midst of it, here or elsewhere, finds that it is not wanted any more.
        await withdrawn(log)
        return _at_home(log)
    async with site.own(vault, log) as directory:
        steps = Steps(site, vault, log, directory, progress)
        ended = await steps.standing()
        if again and ended is not None and (ended.mode, ended.done) == (CANCEL, True):
            return steps.result(ended)
        if await steps.taken_back() and phase_of(log.state) != "failed_over":
            return _at_home(log)
        entry, last = log.state.authority.failover, await steps.standing()
        if entry is not None and not entry.committed and all(kept.point.id != entry.head for kept in log.state.points):
            raise Conflict(
                f"the point that the copy at {entry.before!r} goes on from is not kept any more",
                hint="commit, reprotect, and fail back instead",
            )
        newest = log.state.claims[-1].site if log.state.claims else ""
        if entry is not None and not entry.committed and newest not in ("", entry.before):
            # It had it by a failover that nobody replicated from: what ran there was ended for good when the machine was taken.
            raise Conflict(
                f"nothing is left at {entry.before!r} that could go on: the machine was not replicated from there yet when it was taken",
                hint="choose another point, or commit; then fail over as usual",
            )
        deed = await steps.begun(after(last, CANCEL))
        if not deed.point:
            if entry is None:
                raise NotFound(f"machine {log.state.name!r} was never failed over")
            deed = await steps.keep(deed, point=entry.head.hex(), epoch=deed.since + 1, site=entry.before)
        deed = await steps.recorded(await steps.left(deed))
        return steps.result(await steps.keep(deed, done=True))


def _at_home(log: MachineLog) -> engine.FailedOver:
    """Its failover has come to nothing."""
    return engine.FailedOver(machine=log.state.name, mode=CANCEL, epoch=log.state.epoch, site=log.state.site, point="", number=0)


async def commit(site: FailoverSite, request: engine.CommitFailover, progress: OnProgress, *, again: bool = False) -> engine.FailedOver:
    vault, log = await site.log_of(request.machine)
    async with site.own(vault, log) as directory:
        steps = Steps(site, vault, log, directory, progress)
        if again and await _accepted(steps):
            return _of_it(steps, await _present(steps))
        await steps.must_be_allowed("commit")
        deed = await _present(steps)
        await site.replicas.drain(deed.run, progress)
        await site.forget_standby(vault, log, deed.run, deed.below)
        progress(Progress(phase="record"))
        await finish(log.append(kinds.Commit(epoch=deed.epoch)))
        return _of_it(steps, deed)


async def start(site: FailoverSite, request: engine.StartAgain, progress: OnProgress) -> engine.FailedOver:
    vault, log = await site.log_of(request.machine)
    async with site.own(vault, log) as directory:
        steps = Steps(site, vault, log, directory, progress)
        await steps.must_be_allowed("start")
        deed = await _present(steps)
        state = await site.replicas.state(deed.run)
        if state.vm.alive and state.vm.status is not Status.RUNNING:
            # What stands still since it shut down, or failed, is ended first; what its disks hold stays.
            await site.replicas.end(deed.run, None)
        await site.replicas.start(_order(deed), progress)
        return _of_it(steps, deed)


async def reprotect(site: FailoverSite, request: engine.Reprotect, progress: OnProgress, *, again: bool = False) -> engine.FailedOver:
    """Replication from here goes on by itself when this returns, and what kept the machine from running twice holds here, too."""
    vault, log = await site.log_of(request.machine)
    async with site.own(vault, log) as directory:
        steps = Steps(site, vault, log, directory, progress)
        # Once it is followed it is protected with its first point, maybe before this can end.
        if not (again and await _accepted(steps)):
            await steps.must_be_allowed("reprotect")
        deed = await _present(steps)
        progress(Progress(phase="follow"))
        entry = log.state.authority.failover
        asked = [asked for asked in log.state.authority.requests if asked.action == STANDBY]
        if entry is not None and entry.before and not asked:
            # It is not waited for: that site may be away for long, and does it when it returns.
            body = kinds.Request(id=bytes.fromhex(deed.id), action=STANDBY, site=entry.before, by=site.name)
            await finish(log.append(body))
        await site.follow(vault, log, directory, deed.run)
        isolation = (entry.isolation or entry.unheard_for) if entry is not None else 0
        if isolation and not log.state.authority.isolation:
            await site.isolate(log, deed.run, isolation)
        return _of_it(steps, deed)


async def _accepted(steps: Steps) -> bool:
    """Whether this site is the primary by a failover that is committed."""
    await steps.log.settle()
    entry, standing = steps.log.state.authority.failover, await steps.standing()
    return entry is not None and bool(entry.committed) and standing is not None and await steps.is_primary()


def _of_it(steps: Steps, deed: Deed) -> engine.FailedOver:
    """Of what was done to a machine that is here: what its failover found and lost was told with that."""
    return msgspec.structs.replace(steps.result(deed), rpo_seconds=None, rto_seconds=None, findings=())


def _order(deed: Deed) -> StartReplica:
    assert deed.order is not None
    return deed.order


async def _present(steps: Steps) -> Deed:
    """The deed by which the machine runs here."""
    await steps.must_have_ended()
    deed = await steps.standing()
    if deed is None and await steps.is_primary():
        # It came back here by a cancellation, from a failover that went on from a run of this host's.
        last = await steps.deed()
        found = await steps.site.replicas.find()
        there = {*found.known, *found.unread}
        deed = next((one for one in (last, last.standing if last else None) if one is not None and one.run in there), None)
    if deed is None or not deed.run:
        raise NotFound(f"this host does not know how {steps.name!r} was started here", hint="its state directory was lost or replaced")
    return deed
