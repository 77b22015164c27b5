"""The steps of a failover. Each looks first whether it was done; killed anywhere, the operation is said again and goes on."""

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from understudy import engine
from understudy.durable import remove
from understudy.engine import FailoverOperation, Look, Progress
from understudy.engine.drills import LATEST_PROCESSED
from understudy.errors import Busy, Conflict, Fenced, NotFound, StoreUnavailable, TargetFailed, UnderstudyError
from understudy.failover import deed as deeds
from understudy.failover.choosing import Choosing
from understudy.failover.deed import Deed, Moved, NotBegun, unended
from understudy.failover.looks import about_point, about_standby, look_of
from understudy.failover.networks.seed import write_seed
from understudy.failover.phase import phase_of
from understudy.failover.site import Prepared
from understudy.failover.table import OPERATIONS, must_be_allowed
from understudy.finish import finish
from understudy.hypervisor.protocol import Status
from understudy.replica.earlier import end_earlier, given_up
from understudy.replica.naming import run_named
from understudy.replica.values import StartReplica
from understudy.vault import kinds
from understudy.vault.log.authority import CANCEL, PLANNED, UNPLANNED, stands_still
from understudy.vault.log.state import MachineState
from understudy.vault.maps.points import PointEntry

POLL = 0.5
"""Seconds between two looks at a log that another site is to write to."""
MARGIN = 15.0
"""Seconds that a primary which was cut off has beyond its time: it gives up a cycle first, and its clock may be slower."""


class Steps(Choosing):
    """Of one machine that this host's process owns for as long as they last."""

    async def must_be_allowed(self, operation: FailoverOperation) -> None:
        await self.log.settle()
        state = self.log.state
        primary = await self.is_primary()
        must_be_allowed(operation, state.name, phase_of(state), state.site, primary=primary)

    async def is_primary(self) -> bool:
        """By its own claim, or by a failover that this host remembers: another one may have the same name."""
        state = self.log.state
        if state.site != self.site.name:
            return False
        if state.authority.failover is not None and not state.writer:
            return await self.standing() is not None
        return await self.site.is_ours(self.vault, self.log)

    async def standing(self) -> Deed | None:
        """That of the failover by which the machine is here; None if it came here in another way, or this host does not remember it."""
        deed = await self.deed()
        if deed is None or self.is_recorded(deed):
            return deed
        return deed.standing if deed.standing is not None and self.is_recorded(deed.standing) else None

    async def deed(self) -> Deed | None:
        return await asyncio.to_thread(deeds.read, self.directory)

    async def keep(self, deed: Deed, **fields: object) -> Deed:
        """The deed with these fields, durably."""
        return await asyncio.to_thread(deeds.write, self.directory, msgspec.structs.replace(deed, **fields))

    async def begun(self, wanted: Deed, *, again: bool = False) -> Deed:
        """The deed that is under way, if it is the same; else `wanted`, if the table allows it, and it is not of long ago (`again`)."""
        await self.log.settle()
        deed = await self.deed()
        if deed is not None and not deed.done:
            same = (deed.mode, deed.wanted) == (wanted.mode, wanted.wanted)
            if await self._overtaken(deed):
                if same and deed.since != self.log.state.epoch:
                    # Who asked did not know of it.
                    hint = f"see where it is: understudy failover show {self.name}; said again, it is meant as things are now"
                    raise Fenced(f"machine {self.name!r} was failed over by another site meanwhile", hint=hint)
            elif same:
                return await self.keep(deed, force=deed.force or wanted.force)
            # As long as nothing was asked for or decided, nothing was done; and what the log knows of is for the table to judge.
            elif not self.is_recorded(deed) and (deed.point or (deed.request and wanted.mode != UNPLANNED)):
                raise unended(self.name, deed)
        standing = await self.standing()
        if (
            standing is not None
            and (standing.done, standing.mode, standing.wanted) == (True, wanted.mode, wanted.wanted)
            and phase_of(self.log.state) == "failed_over"
            and not await given_up(self.site.replicas, standing.run)
        ):
            # It is done, and whoever says it again, perhaps since he did not hear of it, is told how it ended.
            return standing
        if again:
            words = f"the daemon ended before it began with {self.name!r}: nothing was done"
            raise NotBegun(words, hint="say it again, if it is meant still")
        await self.must_be_allowed(OPERATIONS[wanted.mode])
        if standing is not None:
            wanted = msgspec.structs.replace(wanted, standing=msgspec.structs.replace(standing, standing=None))
        return await self.keep(wanted, since=self.log.state.epoch)

    async def must_have_ended(self) -> None:
        """`Conflict` if a change of what runs here was decided, and the log does not know of it yet: what ran may be ended already. One
        that came to no decision did nothing, and is given up."""
        deed = await self.deed()
        if deed is not None and not deed.done and not self.is_recorded(deed) and not await self._overtaken(deed):
            if self.is_unended(deed):
                raise unended(self.name, deed)
            await self.given_up(deed)

    def is_unended(self, deed: Deed | None) -> bool:
        """Whether it was decided, and the log does not know of it."""
        return deed is not None and bool(deed.point) and not (deed.done or self.is_recorded(deed))

    async def _overtaken(self, deed: Deed) -> bool:
        """Whether nothing of it counts any more: another failover came first, or its primary is not to be shut down any more."""
        await self.log.refresh()
        state = self.log.state
        asked = next((asked for asked in state.authority.requests if asked.id.hex() == deed.request), None)
        withdrawn = asked is not None and asked.outcome in ("failed", "cancelled")
        over = (withdrawn or state.epoch != deed.since) and not self.is_recorded(deed)
        if over:
            await self.given_up(deed)
        return over

    async def begun_only(self) -> Deed | None:
        """That which was begun here, and the log does not know of; None if there is none."""
        deed = await self.deed()
        return None if deed is None or deed.done or deed.mode == CANCEL or self.is_recorded(deed) else deed

    async def taken_back(self) -> bool:
        """What was begun here, and the log does not know of, is given up. Whether there was anything."""
        await self.log.settle()
        deed = await self.begun_only()
        if deed is not None:
            await self.given_up(deed)
        return deed is not None

    async def given_up(self, deed: Deed) -> None:
        """It has come to nothing."""
        if deed.run:
            await self.site.lender.take_back(self.vault, self.log, deed.run)
        deed = await self.keep(deed, done=True)
        if deed.order is not None and deed.order.seed:
            await asyncio.to_thread(remove, Path(deed.order.seed))

    def is_recorded(self, deed: Deed) -> bool:
        entry = self.log.state.authority.failover
        return entry is not None and entry.id.hex() == deed.id

    async def admissible(self, deed: Deed) -> Deed:
        """What forbids a start here is told while the machine still runs where it is."""
        if deed.request or deed.point:
            return deed
        try:
            async with self.site.lender.still(self.log):
                entry = await self.wanted(deed)
            await self.prepared(entry, force=deed.force)
        except UnderstudyError:
            await self.keep(deed, done=True)
            raise
        return await self.keep(deed, processed=entry.point.id.hex()) if deed.wanted == LATEST_PROCESSED else deed

    async def fenced(self, deed: Deed) -> Deed:
        """Whatever this site was given to make sure that the primary does not run the machine has done so."""
        if deed.point:
            return deed
        self.progress(Progress(phase="fence"))
        try:
            words = await self.site.fence(self.log)
        except UnderstudyError as error:
            if not deed.force:
                await self.keep(deed, done=True)
                raise
            hint = f"make sure that {self.log.state.site!r} does not run it"
            return await self.keep(deed, findings=(Look(what="fence", verdict="warn", words=error.message, hint=hint),))
        return await self.keep(deed, findings=(Look(what="fence", verdict="pass", words=words),) if words else ())

    async def prepared(self, entry: PointEntry, *, force: bool) -> Prepared:
        """`Conflict` with everything that forbids a start here, unless it is forced."""
        prepared = await self.site.prepare(self.vault, self.log, entry)
        fails = [finding for finding in prepared.findings if finding.verdict == "fail"]
        if fails and not force:
            words = "; ".join(finding.words for finding in fails)
            raise Conflict(f"{self.name!r} cannot be started here as it should be: {words}", hint=fails[0].hint)
        return prepared

    async def decided(self, deed: Deed) -> Deed:
        """From here on it is known what is started, and under which epoch."""
        if deed.point:
            return deed
        self.progress(Progress(phase="prepare"))
        async with self.site.lender.still(self.log):
            return await self._decide(deed)

    async def _decide(self, deed: Deed) -> Deed:
        await self.log.refresh()
        epoch = deed.since + 1
        run = run_named(self.log.machine_id, epoch)
        deed = await self.keep(deed, lent=run)
        entry, why = await self.brought(deed, run)
        prepared = await self.prepared(entry, force=deed.force)
        lent = await self.site.lender.lend(self.vault, self.log, entry, run)
        state = self.log.state
        seed = self.directory / f"seed-{run}.iso"
        if prepared.addresses:
            await asyncio.to_thread(write_seed, seed, prepared.definition.uuid, prepared.addresses)
        order = StartReplica(
            run=run,
            machine=state.id,
            point=entry.point.id.hex(),
            definition=prepared.definition,
            networks=dict(prepared.networks),
            below=dict(lent.images),
            seed=str(seed) if prepared.addresses else "",
            track=True,
        )
        return await self.keep(
            deed,
            point=entry.point.id.hex(),
            epoch=epoch,
            site=self.site.name,
            order=order,
            addresses=dict(prepared.addresses),
            findings=(
                *deed.findings,
                *(look_of(finding) for finding in prepared.findings),
                *about_point(entry, state, deed.mode),
                *about_standby(entry, lent, why),
            ),
        )

    async def recorded(self, deed: Deed) -> Deed:
        """The log says that the machine is at `deed.site` from here on."""
        # An append that is in doubt may be this very one.
        await self.log.settle()
        if not self.is_recorded(deed):
            self.progress(Progress(phase="record"))
            id_, point = bytes.fromhex(deed.id), bytes.fromhex(deed.point)
            body = kinds.Failover(epoch=deed.epoch, site=deed.site, point=point, mode=deed.mode, reason=deed.reason, id=id_)
            try:
                await finish(self.log.append(body, lambda state: self._unmoved(state, deed)))
            except (Fenced, Conflict):
                await self.given_up(deed)
                raise
        if not deed.recorded:
            entry = self.log.state.authority.failover  # As the record found it: what was set since this was decided counts, too.
            isolated, isolation = entry.waits_for if entry is not None and deed.mode == UNPLANNED else ("", 0)
            deed = await self.keep(deed, recorded=time.monotonic(), boot=deeds.boot_id(), isolated=isolated, isolation=isolation)
        return deed

    def _unmoved(self, state: MachineState, deed: Deed) -> None:
        """Right before the record's slot: what was decided must still be the newest, where that was meant."""
        newest = state.newest.point.id.hex() if state.newest else ""
        wanted = any(asked.id.hex() == deed.request and asked.outcome == "done" for asked in state.authority.requests)
        if deed.mode == PLANNED and (not wanted or state.authority.final.hex() != deed.point):
            raise Conflict(f"machine {state.name!r} runs on at {state.site!r}: its shutdown was taken back", hint="begin again")
        if deed.mode == UNPLANNED and not deed.wanted and newest != deed.point:
            hint = f"name a point: understudy failover unplanned {state.name}@POINT"
            raise Moved(f"machine {state.name!r} got a newer point meanwhile: site {state.site!r} is alive", hint=hint)

    async def isolated(self, deed: Deed) -> Deed:
        """The former primary has paused the machine, as far as it was told to when it is cut off."""
        if not deed.isolation or deed.force or deed.running_at:
            return deed
        if deed.boot != deeds.boot_id():  # That clock has begun anew.
            deed = await self.keep(deed, recorded=time.monotonic(), boot=deeds.boot_id())
        most = deed.isolation + MARGIN
        with self.site.waits(self.log) as overruled:
            while (left := deed.recorded + most - time.monotonic()) > 0:
                if overruled() or stands_still(self.log.state.authority, deed.isolated):
                    break
                self.progress(Progress(phase="wait for isolation", done=round(most - left), total=round(most)))
                await asyncio.sleep(min(left, POLL))
                with suppress(StoreUnavailable):  # It is the time that counts; the log is read again before the start.
                    await self.log.refresh()
        return deed

    async def started(self, deed: Deed) -> Deed:
        """The machine runs here."""
        assert deed.order is not None
        await self.log.refresh()
        if not self.is_recorded(deed):
            await self.given_up(deed)
            raise Fenced(f"machine {self.name!r} was failed over by another site meanwhile; it was not started here")
        self.progress(Progress(phase="start"))
        order = deed.order
        try:
            state = await self.site.replicas.start(order, self.progress)
        except UnderstudyError as error:
            deed = await self._without_standby(deed, error)
            assert deed.order is not None
            state = await self.site.replicas.start(deed.order, self.progress)
        if not deed.below:
            await self.site.lender.take_back(self.vault, self.log, deed.run)
        if state.vm.status is not Status.RUNNING:
            raise TargetFailed(
                f"{self.name!r} was started here and is {state.vm.status.value}: {state.vm.reason or 'no reason is known'}",
                hint=f"see its console, say it again, or choose another point: understudy failover change-point {self.name}@POINT",
            )
        deed = await self.keep(deed, running_at=deed.running_at or time.time_ns())
        if deed.addresses:
            self.progress(Progress(phase="addresses"))
            found = await self.site.give_addresses(deed.run, deed.addresses, agent=order.definition.agent)
            deed = await self.keep(deed, findings=(*deed.findings, *(look_of(finding) for finding in found)))
        return await self.keep(deed, done=True)

    async def _without_standby(self, deed: Deed, error: UnderstudyError) -> Deed:
        """Decided anew: the machine starts from the vault. Raises `error` if it does so already, or its guest has run."""
        order = deed.order
        if order is None or not order.below or isinstance(error, Busy):
            raise error
        with suppress(NotFound):
            if (await self.site.replicas.state(order.run)).begun:
                raise error
        words = f"it did not start from this site's standby image ({error.message}); it starts from the vault"
        look = Look(what="standby", verdict="warn", words=words, hint=f"look after it: understudy standby verify {self.name}")
        kept = (*(known for known in deed.findings if known.what != look.what), look)
        # It is given back only when what was begun from it is gone.
        return await self.keep(deed, order=msgspec.structs.replace(order, below={}), findings=kept)

    async def left(self, deed: Deed) -> Deed:
        """Nothing runs here of what was started here before; what that wrote is kept aside."""
        self.progress(Progress(phase="stop"))
        # Not the one that is remembered alone: an attempt that came to nothing in between has forgotten which that was.
        ended = await end_earlier(self.site.replicas, self.log.machine_id, deed.run)
        for run in {*ended, deed.left} - {"", deed.run}:
            # One that never came to be may have been lent images all the same.
            await self.site.lender.take_back(self.vault, self.log, run)
        return deed

    def result(self, deed: Deed) -> engine.FailedOver:
        entry = self.entry_of(deed.point) if deed.point else None
        started = bool(deed.running_at)
        # The newest point may have been made since: its primary was alive.
        rpo = 0.0 if deed.mode == PLANNED else max(0.0, (deed.asked_at - entry.point.frozen_at) / 1e9) if entry else None
        return engine.FailedOver(
            machine=self.name,
            mode=deed.mode,
            epoch=deed.epoch or self.log.state.epoch,
            site=deed.site or self.log.state.site,
            point=deed.point,
            number=entry.seq if entry else 0,
            run=deed.run,
            rpo_seconds=rpo if started else None,
            rto_seconds=(deed.running_at - deed.asked_at) / 1e9 if started else None,
            findings=deed.findings,
        )
