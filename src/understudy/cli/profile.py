"""`understudy profile`: the deployment planner."""

import asyncio
import os

import click

from understudy.cli.completing import machine_names
from understudy.cli.profile_words import advice, table_of, what_was_seen
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.stopping import until_stopped
from understudy.engine import QemuSource
from understudy.engine.needs import Needs, needs_of
from understudy.engine.profiling import Profile, Profiled, checked_profile
from understudy.engine.units import duration, line_of, seconds_of
from understudy.errors import InvalidRequest


@click.command("profile")
@click.argument("name", metavar="[NAME]", required=False, shell_complete=machine_names)
@click.option("--qmp", metavar="SOCKET", help="A VM that is not protected, by the QMP socket of its QEMU.")
@click.option("--for", "period", default="10m", show_default=True, metavar="TIME", help="Watch for so long.")
@click.option("--every", default="10s", show_default=True, metavar="TIME", help="The shortest interval that is told of.")
@click.option("--bandwidth", metavar="RATE", help="What the line to the vault carries, such as 100Mbit: say which RPO that gives.")
@click.option("--no-watch", is_flag=True, help="Go by what the machine's points tell, at once.")
@common
async def command(
    session: Session, name: str | None, qmp: str | None, period: str, every: str, bandwidth: str | None, no_watch: bool
) -> None:
    """Say which interval, line and storage machine NAME (or a VM, by --qmp) needs, by how much its disks change.

    QEMU counts for a while what is written, in records of this command's own that are gone at its end; replication goes on beside it,
    and no disk is read. Written twice within an interval counts once, so that longer intervals need less. How its data compress
    is known from the machine's points. Watch for an hour that is as busy as they get.

    What begins with ≤ was not counted: it is a bound, as if nothing were written twice.
    """
    if (name is None) == (qmp is None):
        raise InvalidRequest("name a machine, or a VM's socket", hint="NAME, or --qmp SOCKET")
    if qmp is not None and no_watch:
        raise InvalidRequest("--no-watch goes with a machine's name: only points tell without a watch", hint="leave out one of the two")
    line = None if bandwidth is None else line_of(bandwidth)
    request = checked_profile(Profile(machine=name or "", seconds=seconds_of(period), every=seconds_of(every)))
    if qmp is not None:
        needs = needs_of(qmp, await _vm_watched(session, _absolute(qmp), request), (), None, line)
    else:
        assert name is not None
        needs = await _machine_needs(session, name, None if no_watch else request, line)
    out = session.output
    out.document(needs)
    out.say(what_was_seen(needs))
    if needs.intervals:
        out.table(table_of(needs))
    out.say(advice(needs), style="bold")


async def _machine_needs(session: Session, name: str, request: Profile | None, line: float | None) -> Needs:
    async with session.engine() as engine:
        watched: Profiled | None = None
        if request is not None:
            _told(session, request, name)
            # Progress is counted in seconds here, which the line for bytes would call bytes.
            watched = await engine.profile(request, lambda progress: None)
        points = (await engine.points(name)).points
        policy = (await engine.retention(name)).policy
    return needs_of(name, watched, points, policy, line)


async def _vm_watched(session: Session, source: QemuSource, request: Profile) -> Profiled:
    """A first signal ends the watch early, and what was counted by then counts."""
    # Imported when it runs: the command line's other commands need none of it.
    from understudy.app import profile_vm

    seen: list[Profiled] = []

    async def watch(stop: asyncio.Event) -> None:
        seen.append(await profile_vm(source, request, lambda progress: None, stop))

    _told(session, request, "it")
    await until_stopped(watch)
    if not seen:
        raise click.Abort
    return seen[0]


def _absolute(qmp: str) -> QemuSource:
    return QemuSource(qmp=os.path.abspath(qmp))


def _told(session: Session, request: Profile, what: str) -> None:
    if session.output.err.is_terminal:
        session.output.note(f"watching {what} for {duration(request.seconds)}")
