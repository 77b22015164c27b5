"""The daemon's life: begin, run, reload, drain, end."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from understudy.config.key import connection_of
from understudy.config.load import load
from understudy.config.values import ApiConfig, Config
from understudy.daemon.certificate import Certificate, read_certificate
from understudy.daemon.drilling import Drilling
from understudy.daemon.failing_over import FailingOver
from understudy.daemon.ground import SiteGround
from understudy.daemon.immutability import Holding
from understudy.daemon.lending import Lending
from understudy.daemon.logs import set_up
from understudy.daemon.machines import Machines
from understudy.daemon.maintenance import Maintenance
from understudy.daemon.notify import Notifier
from understudy.daemon.pacing import Pacing
from understudy.daemon.peers import serve_peers
from understudy.daemon.plan_operations import ReadinessOf
from understudy.daemon.plans import Plans
from understudy.daemon.pulse import Pulse
from understudy.daemon.readiness import ReadinessUpkeep
from understudy.daemon.reload import Reload
from understudy.daemon.runner import Runner
from understudy.daemon.running import Condition, Running
from understudy.daemon.runs_here import RunsHere
from understudy.daemon.seconds import Seconds
from understudy.daemon.sentinel import Sentinel
from understudy.daemon.served import ServedEngine
from understudy.daemon.service import DaemonService
from understudy.daemon.slots import Slots
from understudy.daemon.sockets import listening
from understudy.daemon.stand_in import StandIn
from understudy.daemon.standbys import Standbys
from understudy.daemon.work import Doer
from understudy.engine import Connection, EventQuery, Service
from understudy.errors import StateFailed
from understudy.failover.drill.files import DrillFiles
from understudy.failover.drill.operation import Drills, Tools
from understudy.finish import first_failure
from understudy.heap import LASTING, bound
from understudy.hypervisor.protocol import Hypervisor
from understudy.jobs.journal import Journal
from understudy.local.ownership import owned
from understudy.local.parts import Parts
from understudy.local.site import DAEMON
from understudy.replica.replicas import Replicas
from understudy.store.protocol import ObjectStore, Pace

DRAIN = 45.0
"""Seconds for cycles to come to their end by themselves once a stop was asked for; then they are given up."""
JOBS_DRAIN = 10.0


class Assembly(NamedTuple):
    """What the composition root joins: stores and sources, whose stores keep to a pace; the API, whose users may change; and what
    runs machines here, by the state directory, and from points; opens what other sites are served; and raises `InvalidRequest` for what is
    no store's address."""

    parts: Callable[[Path, Pace], Parts]
    make_app: Callable[[Service, ApiConfig], web.Application]
    renew_app: Callable[[web.Application, ApiConfig], None]
    hypervisor: Callable[[Path, Callable[[], Sequence[Path]]], Hypervisor]
    replicas: Callable[[Connection, Hypervisor], Replicas]
    open_store: Callable[[str, Path], ObjectStore]
    checked_address: Callable[[str], object]


class Asked(NamedTuple):
    """What is asked of the daemon from outside, by signals or by a test."""

    stop: asyncio.Event
    reload: asyncio.Event


async def serve(path: Path, assembly: Assembly, asked: Asked, notifier: Notifier) -> None:
    """Until a stop is asked for. `Busy` if another daemon has this state directory; a fault of our own ends it with its exception."""
    config = await asyncio.to_thread(load, path, assembly.checked_address)
    set_up(config.log)
    directory = Path(config.state_dir) / DAEMON
    with owned(directory, "this host's state directory"):
        journal = Journal(directory / "jobs.sqlite")
        await journal.open()
        try:
            await _serve(path, config, assembly, asked, notifier, journal)
        finally:
            await journal.close()


async def _serve(path: Path, config: Config, assembly: Assembly, asked: Asked, notifier: Notifier, journal: Journal) -> None:
    condition = Condition(config, time.time_ns())
    slots = Slots(config.limits)
    pacing = Pacing(lambda machine: machines.policy_of(machine), lambda: condition.config.limits.rate)
    connection = connection_of(config)
    engine = ServedEngine(connection, assembly.parts(Path(connection.state_dir), pacing))
    async with asyncio.TaskGroup() as tasks:
        machines = engine.scheduled = Machines(engine, slots, journal, config, tasks)
        standbys = engine.standing = Standbys(engine, journal, tasks)
        copying = Pacing(lambda _: None, lambda: condition.config.limits.second_rate)
        copies = assembly.parts(Path(config.state_dir), copying).open_store
        seconds = Seconds(engine, machines, copies, lambda: condition.config.maintenance.every, journal)
        hypervisor = assembly.hypervisor(Path(config.state_dir), lambda: [Path(path) for path in condition.config.failover.files_from])
        stand_in = StandIn(engine, journal, lambda: condition.config, hypervisor)
        readiness = ReadinessUpkeep(stand_in)
        replicas = assembly.replicas(connection, hypervisor)
        lending = engine.lends = Lending(engine, replicas, journal)
        failing_over = FailingOver(engine, machines, stand_in, replicas, lending, lambda: condition.config)
        files = DrillFiles(Path(config.state_dir) / "drills")
        drills = Drills(files, SiteGround(engine, stand_in, lending), Tools(replicas, hypervisor))
        plans = Plans(engine, journal, Path(config.state_dir), config.site, ReadinessOf(stand_in.check, failing_over.authority))
        runner = plans.runner = Runner(journal, Doer(engine, machines.cycle, failing_over, drills, plans), tasks)
        pulse = Pulse(notifier, journal, machines.look)
        drilling = Drilling(engine, journal, files, drills)
        runs_here = RunsHere(engine, replicas, journal)
        running = Running(
            condition,
            engine,
            machines,
            runner,
            plans,
            journal,
            slots,
            pulse,
            stand_in,
            readiness,
            failing_over,
            drilling,
            standbys,
            seconds,
            runs_here,
        )
        service, maintenance = DaemonService(running), Maintenance(running)
        await runner.recover()
        await plans.recover()
        tcp = config.api.tcp
        certificate = Certificate(await asyncio.to_thread(read_certificate, tcp)) if tcp else None
        reading = partial(load, path, assembly.checked_address)
        reload = Reload(reading, condition, machines, slots, journal, lambda api: assembly.renew_app(app, api), certificate)
        background = [tasks.create_task(work, name=name) for name, work in (("events", journal.run()), ("pulse", pulse.run()))]
        sentinel = Sentinel(engine, machines, journal, replicas, runs_here)
        failing_over.arms = sentinel.isolation.arm
        holding = Holding(engine, machines, journal, lambda: condition.vault is None)
        keeping = (
            *(("maintenance", maintenance.run()), ("readiness", readiness.run())),
            *(("sentinel", sentinel.run()), ("second vaults", seconds.run())),
            *(("peers", serve_peers(config, assembly.open_store, journal)), ("immutability", holding.run())),
        )
        upkeep = [tasks.create_task(work, name=name) for name, work in keeping]
        try:
            app = assembly.make_app(service, config.api)
            async with listening(app, config.api, certificate):
                await _tell_of_the_last(journal)
                journal.tell("daemon.started", "info", f"understudy serves {config.vault.url} as site {config.site}")
                notifier.ready()
                await _until_stopped(asked, notifier, reload)
                notifier.stopping()
                journal.tell("daemon.stopping", "info", "the daemon stops: cycles come to their end")
                _cancel(upkeep)
                machines.stop()
                if not await machines.stopped(DRAIN):
                    journal.tell("daemon.gave-up", "warning", f"cycles of more than {DRAIN:g} s were given up; the next ones carry them")
                await standbys.stop()
                await runner.stop(JOBS_DRAIN)
        finally:
            _cancel([*background, *upkeep])
            machines.cancel()
            standbys.cancel()
            runner.end()
    await engine.close()
    journal.tell("daemon.stopped", "info", "the daemon has stopped")


async def _tell_of_the_last(journal: Journal) -> None:
    """Whether the daemon before this one said that it had stopped. Nothing where nobody can know it any more."""
    with suppress(StateFailed):
        for last in await journal.events(EventQuery(kinds=("daemon.started", "daemon.stopped"), limit=1)):
            if last.kind == "daemon.started":
                message = (
                    "the daemon before this one did not stop in order: it was killed, or its host went down; what it had begun goes on"
                )
                journal.tell("daemon.unclean", "warning", message, data={"began": last.at})


def _cancel(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()


async def _until_stopped(asked: Asked, notifier: Notifier, reload: Callable[[], Awaitable[None]]) -> None:
    stop = asyncio.create_task(asked.stop.wait())
    try:
        while not stop.done():
            again = asyncio.create_task(asked.reload.wait())
            await asyncio.wait([stop, again], return_when=asyncio.FIRST_COMPLETED)
            again.cancel()
            if asked.reload.is_set():
                asked.reload.clear()
                notifier.reloading()
                await reload()
                notifier.ready()
    finally:
        stop.cancel()


async def run(path: Path, assembly: Assembly) -> None:
    """`serve` as a process: signals ask, systemd listens."""
    bound(LASTING)
    loop = asyncio.get_running_loop()
    asked = Asked(asyncio.Event(), asyncio.Event())
    for number, event in {signal.SIGTERM: asked.stop, signal.SIGINT: asked.stop, signal.SIGHUP: asked.reload}.items():
        loop.add_signal_handler(number, event.set)
    try:
        await serve(path, assembly, asked, Notifier.of_environment())
    except BaseExceptionGroup as group:
        raise first_failure(group) from group
