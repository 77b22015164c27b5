"""`understudy status`."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from understudy.cli.completing import machine_names
from understudy.cli.session import Session, asking
from understudy.cli.status_details import details
from understudy.cli.status_words import headline, job_line, reasons, table_of, worst_first
from understudy.cli.stopping import pause, until_stopped
from understudy.engine import Health, Job, JobQuery, MachineStatus, ServiceHealth, Value
from understudy.engine.units import count
from understudy.errors import UnderstudyError

CODES: dict[Health, int] = {"normal": 0, "warning": 1, "critical": 2}
REFRESH_SECONDS = 2.0


class Shown(Value, frozen=True):
    """The answer under --json."""

    service: ServiceHealth
    machines: tuple[MachineStatus, ...]
    jobs: tuple[Job, ...]
    """Those that have not ended."""


@click.command("status")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=machine_names)
@click.option("--watch", is_flag=True, help="Stay, and show what changes; with --json a document each time.")
@asking
async def command(session: Session, names: tuple[str, ...], watch: bool) -> None:
    """Show how the machines of this host are: is every one protected, and how old is its newest point?

    A line a machine, the worst first: its health, the age of its newest point of what is allowed (RPO), that point and when it was frozen,
    when the next cycle begins, and what runs. Below: why a health is not normal, and what to do. Of machines that are named, all that
    is known is told.

    \b
    Exit codes of this command:
      0  every health is normal
      1  one is warning: the promise is at risk
      2  one is critical: the promise is broken, or a person is needed
      3  there is no machine of this name
     10  the vault has been away since the daemon began, so that nothing is known of a machine that is named
     17  the daemon does not answer, so that nothing is known
    """
    if watch:
        await until_stopped(lambda stop: _watch(session, names, stop))
        return
    shown = await _asked(session, names)
    session.output.document(shown)
    for part in _said(session, shown, bool(names)):
        session.output.show(part)
    raise click.exceptions.Exit(CODES[worst(shown)])


async def _watch(session: Session, names: tuple[str, ...], stop: asyncio.Event) -> None:
    """The screen is drawn anew in its place; nothing scrolls away."""
    if session.output.as_json or not session.output.is_screen:
        while not stop.is_set():
            shown = await _asked(session, names)
            session.output.document(shown)
            for part in _said(session, shown, bool(names)):
                session.output.show(part)
            await pause(REFRESH_SECONDS, stop)
        return
    seen: Shown | None = None
    with Live(console=session.output.out, auto_refresh=False, screen=True) as live:
        while not stop.is_set():
            last = Text(f"{_clock()}, looked at every {REFRESH_SECONDS:g} s; Ctrl-C ends", style="dim")
            try:
                seen = await _asked(session, names)
            except UnderstudyError as error:
                if not error.retryable:
                    raise
                last = Text(f"{_clock()}: {error.message}; {'what is above is old' if seen else 'trying again'}", style="bold red")
            parts = [] if seen is None else _said(session, seen, bool(names), session.output.out.height - 2)
            live.update(Group(*parts, Text(), last), refresh=True)
            await pause(REFRESH_SECONDS, stop)


async def _asked(session: Session, names: tuple[str, ...]) -> Shown:
    async with session.daemon.opened() as service:
        health = await service.health()
        machines = tuple([await service.status(name) for name in names]) if names else await service.statuses()
        jobs = await service.jobs(JobQuery(states=("running", "waiting", "pending"), limit=1000))
    return Shown(service=health, machines=machines, jobs=jobs)


def _clock() -> str:
    return f"{datetime.now():%H:%M:%S}"


def worst(shown: Shown) -> Health:
    """Of the daemon and of the machines that are shown."""
    return max((shown.service.health, *(machine.health for machine in shown.machines)), key=lambda health: CODES[health])


def _said(session: Session, shown: Shown, in_detail: bool, most: int | None = None) -> list[RenderableType]:
    return parts_of(shown, in_detail=in_detail, bars=session.output.out.encoding.startswith("utf"), most=most)


def parts_of(shown: Shown, *, in_detail: bool, bars: bool, most: int | None = None) -> list[RenderableType]:
    """`most`: lines that there is room for. Then machines that are normal give way, never those that are not."""
    service, now = shown.service, shown.service.now
    machines = worst_first(shown.machines)
    parts: list[RenderableType] = [headline(service, machines)]
    told = reasons(service, machines, in_detail=in_detail)
    elsewhere = [] if in_detail else [Text(job_line(job)) for job in shown.jobs if job.machine not in {machine.id for machine in machines}]
    below = [*([Text(), *told] if told else []), *([Text(), *elsewhere] if elsewhere else [])]
    if not machines and any(reason.code == "unread" for reason in service.reasons):
        # Some are protected, but which is in the vault.
        return [*parts, *below]
    if not machines:
        return [*parts, Text(), Text("no machine is protected from this host; next: understudy protect --help"), *below]
    if in_detail:
        for machine in machines:
            jobs = [job for job in shown.jobs if job.machine == machine.id]
            parts += [Text(), *details(machine, jobs, now, bars=bars)]
        return [*parts, *below]
    shown_here = machines if most is None else _fitting(machines, most - 4 - len(below))
    parts += [Text(), table_of(shown_here, shown.jobs, now)]
    if len(shown_here) < len(machines):
        parts.append(Text(f"and {count(len(machines) - len(shown_here), 'more machine')}, normal", style="dim"))
    return [*parts, *below]


def _fitting(machines: Sequence[MachineStatus], lines: int) -> Sequence[MachineStatus]:
    """All that are not normal, and of the others as many as there are lines for."""
    bad = sum(machine.health != "normal" for machine in machines)
    return machines if len(machines) <= lines else machines[: max(bad, lines - 1)]
