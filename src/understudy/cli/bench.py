"""`understudy bench`."""

import asyncio
import os

import click
from rich.table import Table

from understudy.cli.bench_words import about_to, shown, table_of, verdict
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.stopping import until_stopped
from understudy.engine import Progress
from understudy.engine.capacity import LEAST_SECONDS, MOST_SECONDS, Bench, Capacity


@click.command("bench")
@click.option("--disk", metavar="PATH", help="A disk image or block device to read; else a scratch file in the state directory.")
@click.option(
    "--seconds",
    type=click.FloatRange(LEAST_SECONDS, MOST_SECONDS),
    default=20.0,
    show_default=True,
    metavar="N",
    help="Measure for about so long in all.",
)
@click.option("--leave", is_flag=True, help="Store objects also where they cannot be deleted again, and leave them there.")
@common
async def command(session: Session, disk: str | None, seconds: float, leave: bool) -> None:
    """Say what this host, a disk and the vault named by --vault can do: which churn they carry, and which RPO that gives.

    Reads the disk, and encodes what is on it; flushes a file in the state directory; stores objects and gets them in the vault's store,
    below `.probe/`, which is no part of a vault, and deletes them. No key is needed, nor a vault there. No VM is looked at.
    """
    request = _request(session, disk, seconds, leave)
    out = session.output
    out.note(about_to(request))
    found = await _measured(session, request)
    out.document(found)
    for part in shown(found):
        if isinstance(part, Table):
            out.table(part)
        else:
            out.say(part)
    out.table(table_of(found))
    out.say(verdict(found), style="bold")
    if found.measured.storing is not None and found.measured.storing.left:
        out.warn(f"{len(found.measured.storing.left)} objects could not be deleted again and stay: {found.measured.storing.left[0]} …")


def _request(session: Session, disk: str | None, seconds: float, leave: bool) -> Bench:
    path = None if disk is None else os.path.abspath(disk)
    return Bench(state_dir=session.state_dir, vault=session.vault, disk=path, seconds=seconds, leave=leave)


async def _measured(session: Session, request: Bench) -> Capacity:
    """A first signal ends it, and what was stored is removed."""
    # Imported when it runs: the command line's other commands need none of it.
    from understudy.app import bench

    seen: list[Capacity] = []

    def told(progress: Progress) -> None:
        if session.output.err.is_terminal:
            session.output.note(f"{progress.phase} …")

    async def measure(stop: asyncio.Event) -> None:
        work, stopped = asyncio.create_task(bench(request, told)), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait([work])
        if not work.cancelled():
            seen.append(work.result())

    await until_stopped(measure)
    if not seen:
        raise click.Abort
    return seen[0]
