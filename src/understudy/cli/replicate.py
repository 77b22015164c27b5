"""`understudy replicate`."""

import asyncio
import errno
import random
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

import click
import msgspec

from understudy.cli.completing import machine_names
from understudy.cli.failures import failure_document
from understudy.cli.pacing import backoff, next_due
from understudy.cli.progress import shown
from understudy.cli.session import Session
from understudy.cli.session import command as common
from understudy.cli.stopping import pause, until_stopped
from understudy.cli.words import local_time, size
from understudy.engine import Cycle, Engine, GroupCycle, GroupReplication, Replication
from understudy.engine.units import duration, seconds_of
from understudy.errors import Busy, InvalidRequest, OutputFailed, OverQuota, UnderstudyError
from understudy.model import BLOCK_SIZE

ATTEMPTS = 5
"""How often a single cycle (no --every) is tried before its error stands."""


@click.command("replicate")
@click.argument("name", metavar="[NAME]", required=False, shell_complete=machine_names)
@click.option("--group", metavar="GROUP", help="All machines of a group, frozen at one instant.")
@click.option("--every", metavar="INTERVAL", help="Go on, with a cycle each INTERVAL (500ms, 1s, 5m), until SIGINT or SIGTERM.")
@click.option("--cycles", type=click.IntRange(min=1), help="Stop after so many cycles.")
@click.option("--app-consistent", is_flag=True, help="Freeze the guest's file systems by its agent, run hooks; see `protect --agent`.")
@click.option("--app-every", type=click.IntRange(min=1), metavar="N", help="So for every Nth point only, beginning with the first.")
@common
async def command(
    session: Session,
    name: str | None,
    group: str | None,
    every: str | None,
    cycles: int | None,
    app_consistent: bool,
    app_every: int | None,
) -> None:
    """Make one recovery point of machine NAME, or one each interval.

    Failures that may pass (the vault or the VM cannot be reached) are reported and tried again, with growing pauses;
    without --every a few times only. Anything else ends the command with its error.
    """
    if (name is None) == (group is None):
        raise InvalidRequest("name a machine or a group to replicate", hint="NAME, or --group GROUP")
    interval = None if every is None else seconds_of(every)
    wanted = cycles or (1 if interval is None else None)
    rhythm = app_every or (1 if app_consistent else 0)
    await until_stopped(_Follower(session, name, group, interval, wanted, rhythm).run, stays=interval is not None)


class _Follower:
    """One run of the command: its cycles and its failures in a row."""

    def __init__(
        self, session: Session, name: str | None, group: str | None, interval: float | None, wanted: int | None, rhythm: int
    ) -> None:
        self._out = session.output
        self._engine = session.opener()
        self._name = name
        self._group = group
        self._interval = interval
        self._wanted = wanted
        self._rhythm = rhythm
        self._made = 0
        self._failures = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Cycle until enough are made or a stop is asked for; opens everything anew where it could not be opened."""
        while not self._finished(stop):
            try:
                async with self._engine() as engine, self._opened(engine) as replication:
                    await self._cycles(replication, stop)
            except UnderstudyError as error:
                await self._survive(error, stop)

    def _opened(self, engine: Engine) -> AbstractAsyncContextManager[Replication | GroupReplication]:
        if self._group is not None:
            return engine.replicate_group(self._group)
        assert self._name is not None
        return engine.replicate(self._name)

    async def _cycles(self, replication: Replication | GroupReplication, stop: asyncio.Event) -> None:
        clock = asyncio.get_running_loop().time
        while not self._finished(stop):
            started = clock()
            try:
                with shown(self._out) as progress:
                    cycle = await replication.cycle(progress, self._rhythm > 0 and self._made % self._rhythm == 0)
            except UnderstudyError as error:
                await self._survive(error, stop)
                continue
            self._made += 1
            self._failures = 0
            with _though_unheard():
                if isinstance(cycle, GroupCycle):
                    self._tell_group(cycle)
                else:
                    self._tell(cycle)
            if self._interval is not None and not self._finished(stop):
                await pause(next_due(started, self._interval, clock()) - clock(), stop)

    def _finished(self, stop: asyncio.Event) -> bool:
        return stop.is_set() or self._made == self._wanted

    async def _survive(self, error: UnderstudyError, stop: asyncio.Event) -> None:
        """Wait after a failure that may pass; any other is raised again. An owner on this host does not go away by waiting, nor does a
        quota grow: who follows the machine waits for somebody, a single cycle does not."""
        self._failures += 1
        single = self._interval is None and (self._failures >= ATTEMPTS or isinstance(error, OverQuota))
        if not error.retryable or isinstance(error, Busy) or single:
            raise error
        seconds = backoff(self._failures, random.random())
        which = {"machine": self._name} if self._group is None else {"group": self._group}
        with _though_unheard():
            self._out.document({"event": "retry", **which, "error": failure_document(error), "retry_seconds": seconds})
            if not self._out.as_json:
                self._out.warn(f"{error.message}; trying again in {duration(seconds)}")
        await pause(seconds, stop)

    def _tell_group(self, cycle: GroupCycle) -> None:
        self._out.document({"event": "group-cycle", **msgspec.structs.asdict(cycle)})
        for member in cycle.members:
            self._say(member, f"{member.machine}: ")
        self._out.say(f"group {cycle.group}, instant {cycle.instant[:8]}: paused for {duration(cycle.paused_seconds)}")

    def _tell(self, cycle: Cycle) -> None:
        self._out.document({"event": "cycle", **msgspec.structs.asdict(cycle)})
        self._say(cycle)

    def _say(self, cycle: Cycle, whose: str = "") -> None:
        changed, scanned = size(cycle.changed_blocks * BLOCK_SIZE), size(cycle.scanned_blocks * BLOCK_SIZE)
        what = f"{cycle.cause} ({cycle.reason})" if cycle.reason else cycle.cause
        self._out.say(
            f"{whose}point {cycle.number} ({cycle.point[:8]}) at {local_time(cycle.frozen_at)}: {what} by {cycle.method}, "
            f"{changed} changed of {scanned}, {size(cycle.stored_bytes)} stored, {duration(cycle.seconds)}, "
            f"RPO {duration(cycle.rpo_seconds)}{_held(cycle)}"
        )
        if cycle.downgrade and not self._out.as_json:
            self._out.warn(f"{whose}point {cycle.number} is crash-consistent only: {cycle.downgrade}")


@contextmanager
def _though_unheard() -> Iterator[None]:
    """A log on a full disk takes no more words: the machine is replicated all the same."""
    try:
        yield
    except OutputFailed:
        return
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise


def _held(cycle: Cycle) -> str:
    """What the freeze cost the guest, and gave."""
    app = ", app-consistent" if cycle.consistency == "app" else ""
    frozen = f", file systems frozen for {duration(cycle.quiesced_seconds)}" if cycle.quiesced_seconds else ""
    paused = f", VM paused for {duration(cycle.paused_seconds)}" if cycle.paused_seconds else ""
    return app + frozen + paused
