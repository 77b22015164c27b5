"""`understudy status`."""

import asyncio
import time

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from understudy.cli.completing import machine_names
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.status_words import headline, reasons, table_of
from understudy.cli.stopping import pause, until_stopped
from understudy.cli.words import local_time
from understudy.engine import Health, MachineStatus, ServiceHealth, Value
from understudy.errors import DaemonUnavailable

CODES: dict[Health, int] = {"normal": 0, "warning": 1, "critical": 2}
REFRESH_SECONDS = 2.0


class Shown(Value, frozen=True):
    """The answer under --json."""

    service: ServiceHealth
    machines: tuple[MachineStatus, ...]


@click.command("status")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=machine_names)
@click.option("--watch", is_flag=True, help="Stay, and show what changes; with --json a document each time.")
@common
async def command(session: Session, names: tuple[str, ...], watch: bool) -> None:
    """Show how the machines of this host are, or those named: is every one protected, and how old is its newest point?

    \b
    Exit codes of this command:
      0  every health is normal
      1  one is warning: the promise is at risk
      2  one is critical: the promise is broken, or a person is needed
      3  there is no machine of this name
     17  the daemon does not answer, so that nothing is known
    """
    session.must_have_daemon()
    if watch:
        await until_stopped(lambda stop: _watch(session, names, stop))
        return
    shown = await _asked(session, names)
    session.output.document(shown)
    for part in _parts(shown):
        session.output.show(part)
    raise click.exceptions.Exit(CODES[worst(shown)])


async def _watch(session: Session, names: tuple[str, ...], stop: asyncio.Event) -> None:
    """The screen is drawn anew in its place; nothing scrolls away."""
    if session.output.as_json or not session.output.is_screen:
        while not stop.is_set():
            shown = await _asked(session, names)
            session.output.document(shown)
            for part in _parts(shown):
                session.output.show(part)
            await pause(REFRESH_SECONDS, stop)
        return
    with Live(console=session.output.out, auto_refresh=False, screen=True) as live:
        while not stop.is_set():
            try:
                view: RenderableType = Group(*_parts(await _asked(session, names)))
            except DaemonUnavailable as error:
                view = Text(f"{local_time(time.time_ns())[:-4]}  {error.message}", style="bold red")
            live.update(view, refresh=True)
            await pause(REFRESH_SECONDS, stop)


async def _asked(session: Session, names: tuple[str, ...]) -> Shown:
    async with session.daemon.opened() as service:
        health = await service.health()
        machines = tuple([await service.status(name) for name in names]) if names else await service.statuses()
    return Shown(service=health, machines=machines)


def worst(shown: Shown) -> Health:
    """Of the daemon and of the machines that are shown."""
    return max((shown.service.health, *(machine.health for machine in shown.machines)), key=lambda health: CODES[health])


def _parts(shown: Shown) -> list[RenderableType]:
    now = shown.service.now
    told = reasons(shown.service, shown.machines)
    parts: list[RenderableType] = [headline(shown.service), Text()]
    if not shown.machines:
        return [*parts, Text("no machine is protected from this host; next: understudy protect --help"), *told]
    return [*parts, table_of(shown.machines, now), *([Text(), *told] if told else [])]
