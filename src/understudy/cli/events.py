"""`understudy events`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

import click
from rich.text import Text

from understudy.cli.completing import machine_names
from understudy.cli.session import Session, asking
from understudy.cli.stopping import pause, until_stopped
from understudy.cli.words import local_time
from understudy.engine import Event, EventQuery
from understudy.errors import DaemonUnavailable

T = TypeVar("T")

_STYLES = {"info": "", "warning": "yellow", "error": "bold red"}
AGAIN_SECONDS = 2.0


@click.command("events")
@click.argument("machine", metavar="[NAME]", required=False, shell_complete=machine_names)
@click.option("kinds", "--kind", multiple=True, help="Only events of this kind, such as machine.health or request; may be repeated.")
@click.option("--cycles", is_flag=True, help="Tell each cycle that made a point, too.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Begin with so many of the newest.")
@click.option("--follow", is_flag=True, help="Stay, and show those to come.")
@asking
async def command(session: Session, machine: str | None, kinds: tuple[str, ...], cycles: bool, limit: int, follow: bool) -> None:
    """Show what happened, oldest first: of machine NAME, or of all. With --json each event is a line.

    Who asked for what are those of the kind `request`.
    """
    query = EventQuery(machine=machine, kinds=kinds, without=() if cycles or kinds else ("machine.cycle",), limit=limit)
    await until_stopped(lambda stop: _told(session, query, follow, stop))


async def _told(session: Session, query: EventQuery, follow: bool, stop: asyncio.Event) -> None:
    async with session.daemon.opened() as service:
        names = {status.id: status.name for status in await service.statuses()}
        wanted = {query.machine, *(identity for identity, name in names.items() if name == query.machine)}
        last = max((event.id for event in await service.events(EventQuery(limit=1))), default=0)
        found = await service.events(query)
        for event in found:
            _tell(session, event, names)
            last = max(last, event.id)
        if not follow:
            if not found:
                session.output.say("no event")
            return
        told = ""
        while not stop.is_set():
            # A daemon that is restarted goes on where this reader was.
            try:
                async for item in _until(service.follow(last), stop):
                    if not isinstance(item, Event):
                        continue
                    last, told = item.id, ""
                    if (query.machine is None or item.machine in wanted) and _is_wanted(item, query):
                        _tell(session, item, names)
            except DaemonUnavailable as error:
                if error.message != told:
                    session.output.warn(error.message)
                told = error.message
            await pause(AGAIN_SECONDS, stop)


def _is_wanted(event: Event, query: EventQuery) -> bool:
    return event.kind in query.kinds if query.kinds else event.kind not in query.without


async def _until(items: AsyncGenerator[T, None], stop: asyncio.Event) -> AsyncIterator[T]:
    """What comes before a stop is asked for."""
    stopped = asyncio.ensure_future(stop.wait())
    coming = asyncio.ensure_future(anext(items))
    try:
        while True:
            await asyncio.wait({stopped, coming}, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                return
            try:
                item = coming.result()
            except StopAsyncIteration:
                return
            coming = asyncio.ensure_future(anext(items))
            yield item
    finally:
        stopped.cancel()
        coming.cancel()
        await asyncio.wait({coming})
        if not coming.cancelled():
            coming.exception()
        await items.aclose()


def _tell(session: Session, event: Event, names: dict[str, str]) -> None:
    session.output.document(event)
    name = names.get(event.machine, event.machine[:8]) if event.machine else ""
    machine = f"{name}: " if name and name not in event.message else ""
    by = f" ({event.actor})" if event.actor else ""
    line = Text(f"{local_time(event.at)[:-4]}  {event.kind:<16}  ", style="dim")
    line.append(f"{machine}{event.message}{by}", style=_STYLES[event.severity] or "not dim")
    session.output.show(line)
