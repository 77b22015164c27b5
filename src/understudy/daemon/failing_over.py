"""Failovers on this site, as the daemon does them: with its engine, its replicas and its schedule."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

from understudy import engine
from understudy.config.values import Config
from understudy.daemon.lending import Lending
from understudy.daemon.machines import Machines
from understudy.daemon.served import ServedEngine
from understudy.daemon.stand_in import StandIn
from understudy.engine import OnProgress, QemuSource
from understudy.errors import Busy, Conflict, Fenced, InvalidRequest, NotFound, SourceUnavailable, UnderstudyError
from understudy.failover import deed as deeds
from understudy.failover import operations
from understudy.failover.health.subject import plain
from understudy.failover.networks.guest import give_addresses
from understudy.failover.networks.mapping import plan_networks
from understudy.failover.phase import phase_of
from understudy.failover.readiness.checking import links_examined
from understudy.failover.site import Prepared
from understudy.failover.steps import POLL, Steps
from understudy.failover.stopped_file import write_stopped
from understudy.failover.table import allowed
from understudy.finish import finish
from understudy.hypervisor.protocol import Addresses, Finding, Status
from understudy.local.claims import expect_claim, is_ours
from understudy.local.defining import started_from
from understudy.local.machine_file import read_source, write_source
from understudy.programs import ended
from understudy.replica.naming import epoch_of
from understudy.replica.replicas import Replicas
from understudy.vault import kinds
from understudy.vault.log.authority import UNPLANNED
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.state import MachineState
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault

FENCE_SECONDS = 120.0
SHORTEST = 5
"""Seconds without the vault: with fewer a machine would be paused between two looks at it."""


Arms = Callable[[MachineLog, str, int], AbstractAsyncContextManager[None]]
"""See to it that a machine which listens there (its QMP socket) is paused after so many seconds without the vault, durably, as of when its
log was read, while that comes to say so."""


class FailingOver:
    """Implements `failover.site.FailoverSite`, and offers the operations. `arms` is set before the first request."""

    arms: Arms

    def __init__(
        self,
        served: ServedEngine,
        machines: Machines,
        stand_in: StandIn,
        replicas: Replicas,
        lending: Lending,
        config: Callable[[], Config],
    ) -> None:
        self._engine = served
        self._machines = machines
        self._stand_in = stand_in
        self._replicas = replicas
        self._lending = lending
        self._config = config
        self._waits: dict[str, asyncio.Event] = {}
        """By machine whose former primary's isolation is waited for: whether that is overruled."""

    @property
    def name(self) -> str:
        return self._engine.site.name

    @property
    def replicas(self) -> Replicas:
        return self._replicas

    @property
    def lender(self) -> Lending:
        return self._lending

    async def log_of(self, machine: str) -> tuple[Vault, MachineLog]:
        vault, log = await self._engine.log_of(machine)
        return vault, await vault.find(log.machine_id)

    @asynccontextmanager
    async def own(self, vault: Vault, log: MachineLog) -> AsyncIterator[Path]:
        async with self._machines.aside(log.machine_id):
            with ExitStack() as stack:
                try:
                    directory = stack.enter_context(self._engine.site.own(vault.id, log))
                except Busy as error:
                    waits = f"understudy failover cancel {log.state.name}"
                    hint = f"`understudy jobs` tells what is under way; one that waits for a site that has died is taken back: {waits}"
                    raise Busy(error.message, hint=hint) from None
                yield directory

    async def is_ours(self, vault: Vault, log: MachineLog) -> bool:
        return await asyncio.to_thread(is_ours, vault.id, log.state, self._engine.site)

    async def prepare(self, vault: Vault, log: MachineLog, entry: PointEntry) -> Prepared:
        definition, _ = await started_from(vault, log, entry)
        mapped = plan_networks(definition, await self._stand_in.mapping(vault, log, entry), "failover")
        findings = [*mapped.findings, *await links_examined(mapped, runs_here=log.state.site == self.name)]
        return Prepared(mapped.definition, mapped.networks, mapped.addresses, findings)

    async def forget_standby(self, vault: Vault, log: MachineLog, run: str, images: Mapping[str, str]) -> None:
        await self._lending.forget(vault, log, run, images)

    async def give_addresses(self, run: str, addresses: Mapping[str, Addresses], *, agent: bool) -> Sequence[Finding]:
        given = await give_addresses(self._stand_in.hypervisor, run, addresses, agent=agent)
        return [Finding("addresses", "warn" if one.way == "failed" else "pass", f"{one.mac} {one.words}") for one in given]

    async def fence(self, log: MachineLog) -> str:
        command = self._config().failover.fence
        if not command:
            return ""
        hint = "see to the primary by hand, then overrule it: --force"
        told = {"UNDERSTUDY_MACHINE": log.state.name, "UNDERSTUDY_MACHINE_ID": log.machine_id, "UNDERSTUDY_SITE": log.state.site}
        try:
            done = await ended(command, told, FENCE_SECONDS)
        except TimeoutError:
            raise SourceUnavailable(f"the fence command did not end within {FENCE_SECONDS:g} s", hint=hint) from None
        except OSError as error:
            raise SourceUnavailable(f"the fence command {command[0]} cannot be run: {error.strerror}", hint=hint) from None
        words = plain(done.said, 300)
        if done.status:
            raise SourceUnavailable(f"the fence command ended with {done.how}: {words}".removesuffix(": "), hint=hint)
        return f"the fence command answered for site {log.state.site!r}: {words}".removesuffix(": ")

    async def follow(self, vault: Vault, log: MachineLog, directory: Path, run: str) -> None:
        qmp, agent = self._replicas.sockets(run)
        # What it was shut down for when it was here before is over: it is not to be set going for that.
        await asyncio.to_thread(write_stopped, directory, "")
        if not await self.is_ours(vault, log):
            await asyncio.to_thread(partial(expect_claim, vault.id, log, self._engine.site, adopt=True))
            await finish(log.claim(self.name))
        await asyncio.to_thread(write_source, directory, QemuSource(qmp=str(qmp), agent=str(agent)))

    async def isolate(self, log: MachineLog, run: str, seconds: int) -> None:
        # By looks at its log it goes on again if it is paused meanwhile.
        await self._machines.follow(log.machine_id)
        try:
            async with self._machines.aside(log.machine_id):
                await self._isolate(log, str(self._replicas.sockets(run)[0]), seconds)
        except UnderstudyError as error:
            hint = f"it is replicated from here on, and not isolated yet: understudy isolation {log.state.name} {seconds}s"
            error.hint = f"{error.hint}; {hint}" if error.hint else hint
            raise

    async def _isolate(self, log: MachineLog, qmp: str, seconds: int) -> None:
        epoch = log.state.epoch

        def still(state: MachineState) -> None:
            if state.epoch != epoch:
                # It would be of whoever took the machine, and who does not know of it.
                raise Fenced(f"machine {state.name!r} was failed over to site {state.site!r} meanwhile")

        # First: others go by the record, and this host may be cut off before its next look at it.
        async with self.arms(log, qmp, seconds):
            await finish(log.append(kinds.Isolation(after=seconds), still))

    async def fail_over(self, request: engine.FailOver, progress: OnProgress, *, again: bool = False) -> engine.FailedOver:
        forced = request.force and request.mode == UNPLANNED
        waits = self._waits.get(await self._engine.id_of(request.machine)) if forced and self._waits else None
        if waits is None:
            return await operations.fail_over(self, request, progress, again=again)
        waits.set()
        while True:
            # What is under way goes on at once: its end is this one's, too.
            with suppress(Busy):
                return await operations.fail_over(self, request, progress, again=again)
            await asyncio.sleep(POLL)

    @contextmanager
    def waits(self, log: MachineLog) -> Iterator[Callable[[], bool]]:
        overruled = self._waits[log.machine_id] = asyncio.Event()
        try:
            yield overruled.is_set
        finally:
            del self._waits[log.machine_id]

    async def change_point(self, request: engine.ChangePoint, progress: OnProgress) -> engine.FailedOver:
        return await operations.change_point(self, request, progress)

    async def cancel(self, request: engine.CancelFailover, progress: OnProgress, *, again: bool = False) -> engine.FailedOver:
        return await operations.cancel(self, request, progress, again=again)

    async def commit(self, request: engine.CommitFailover, progress: OnProgress, *, again: bool = False) -> engine.FailedOver:
        return await operations.commit(self, request, progress, again=again)

    async def start(self, request: engine.StartAgain, progress: OnProgress) -> engine.FailedOver:
        return await operations.start(self, request, progress)

    async def reprotect(self, request: engine.Reprotect, progress: OnProgress, *, again: bool = False) -> engine.FailedOver:
        done = await operations.reprotect(self, request, progress, again=again)
        _, log = await self._engine.log_of(request.machine)
        await self._machines.follow(log.machine_id)
        return done

    async def drop_run(self, machine: str, run: str) -> engine.Authority:
        _, log = await self._engine.log_of(machine)
        replicas = await self._replicas.find()
        if run in replicas.unread:
            raise replicas.unread[run]
        found = replicas.known.get(run)
        if found is None or found[0].machine != log.machine_id:
            raise NotFound(f"{log.state.name!r} has no run {run!r} here", hint=f"understudy failover show {log.state.name}")
        if not found[1].kept:
            raise Conflict(f"run {run!r} of {log.state.name!r} was not given up", hint="only what was kept aside can be dropped")
        await self._replicas.remove(run)
        return await self.authority(log.machine_id)

    async def set_isolation(self, machine: str, seconds: int) -> engine.Authority:
        """`Conflict` unless this site is the machine's primary; `InvalidRequest` for less than `SHORTEST`."""
        vault, log = await self.log_of(machine)
        if not await self.is_ours(vault, log):
            raise _not_paused_here(log.state, self.name)
        source = await asyncio.to_thread(read_source, self._engine.site.directory(vault.id, log.machine_id))
        if seconds and not isinstance(source, QemuSource):
            raise Conflict(
                f"{log.state.name!r} is followed as block devices: there is no VM that could be paused", hint="protect it by --qmp"
            )
        if 0 < seconds < SHORTEST:
            raise InvalidRequest(
                f"{seconds} s is too short: the vault is looked at every few seconds",
                hint=f"{SHORTEST} s or more, and what a slow answer takes",
            )
        if seconds != log.state.authority.isolation:
            await self._isolate(log, source.qmp if isinstance(source, QemuSource) else "", seconds)
            # The next look at it goes by what was read last: that is not from before this.
            await self._engine.watched(log.machine_id)
        return await self.authority(log.machine_id)

    async def authority(self, machine: str) -> engine.Authority:
        vault, log = await self._engine.log_of(machine)
        state, directory = log.state, self._engine.site.directory(vault.id, log.machine_id)
        steps = Steps(self, vault, log, directory, lambda _: None)
        deed, primary = await steps.deed(), await steps.is_primary()
        replicas = await self._replicas.find()
        runs = replicas.known
        standing = await steps.standing() or deed
        present = runs.get(standing.run) if standing is not None else None
        # In the midst of a change or a cancellation it is that which is said again.
        stands = present is not None and present[1].vm.status is not Status.RUNNING and not steps.is_unended(deed)
        return engine.Authority(
            machine=state.name,
            id=state.id,
            phase=phase_of(state),
            epoch=state.epoch,
            site=state.site,
            primary=primary,
            newest=state.newest.seq if state.newest else None,
            allowed=_possible(allowed(phase_of(state), primary=primary), stands=stands, begun=await steps.begun_only() is not None),
            under_way=_under_way(deed),
            isolation_seconds=state.authority.isolation,
            failover=_failover(state),
            requests=tuple(
                engine.SiteRequest(
                    id=asked.id.hex(),
                    action=asked.action,
                    site=asked.site,
                    by=asked.by,
                    at=asked.at,
                    outcome=asked.outcome,
                    text=asked.text,
                )
                for asked in state.authority.requests
            ),
            stood_down=tuple(
                engine.StoodDown(site=stood.site, epoch=stood.epoch, running=stood.running, text=stood.text, at=stood.at)
                for stood in state.authority.stood
            ),
            runs=tuple(
                engine.ReplicaState(
                    run=run, status=now.vm.status.value, reason=now.vm.reason, point=order.point, below=now.below, kept=now.kept
                )
                for run, (order, now) in runs.items()
                if order.machine == state.id
            )
            + tuple(
                engine.ReplicaState(run=run, status="unknown", reason=error.message, point="", below=(), kept=False)
                for run, error in replicas.unread.items()
                if epoch_of(run, state.id) is not None
            ),
        )


def _not_paused_here(state: MachineState, site: str) -> Conflict:
    """It is its primary that pauses a machine, once that replicates it."""
    if state.site == site:
        words = f"{state.name!r} is not replicated from here yet: nobody would pause it"
        return Conflict(words, hint=f"first `understudy reprotect {state.name}`, which also takes over its former site's isolation")
    words = f"site {state.site!r} is the primary of {state.name!r}, and it is there that it would be paused"
    return Conflict(words, hint=f"say it at {state.site!r}: understudy isolation {state.name} SPAN; the other sites hear of it")


def _possible(table: Sequence[engine.FailoverOperation], *, stands: bool, begun: bool) -> tuple[engine.FailoverOperation, ...]:
    """`stands`: what was started here does not run; `begun`: there is what the log does not know of, and can be given up."""
    found = tuple(one for one in table if one != "start" or stands)
    return (*found, "cancel") if begun and "cancel" not in found else found


def _under_way(deed: deeds.Deed | None) -> str:
    if deed is None or deed.done:
        return ""
    stage = "started" if deed.recorded else "decided" if deed.point else "asked for" if deed.request else "begun"
    return f"a failover ({deed.mode}) was {stage} and has not ended"


def _failover(state: MachineState) -> engine.FailoverEntry | None:
    entry = state.authority.failover
    if entry is None:
        return None
    return engine.FailoverEntry(
        epoch=entry.epoch,
        site=entry.site,
        before=entry.before,
        point=entry.point.hex(),
        mode=entry.mode,
        reason=entry.reason,
        at=entry.at,
        committed_at=entry.committed,
    )
