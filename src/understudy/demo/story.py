"""The demonstration itself: a guest writes, a daemon follows it, the guest is killed, and comes back and checks itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from understudy.demo.command import Command, Follower
from understudy.demo.console import Verdict
from understudy.demo.daemon import Daemon, serving
from understudy.demo.machine import GuestDisk
from understudy.demo.report import Cycle, Failover, Point, Report, report
from understudy.demo.stage import Stage, set_up
from understudy.errors import SourceUnavailable

MACHINE = "demo"
_INITIAL_PATIENCE = 180.0
_FOLLOWED = ("machine.cycle", "machine.failed", "machine.health")


class Audience(Protocol):
    """Whoever watches."""

    def say(self, text: str) -> None:
        """What happens now, in a sentence."""
        ...

    def command(self, line: str) -> None:
        """An understudy command that is run."""
        ...

    def cycle(self, cycle: Cycle) -> None:
        """A recovery point was made."""
        ...


class _Points(msgspec.Struct, frozen=True):
    points: tuple[Point, ...]


@dataclass
class _Events:
    """What ``understudy events`` has told so far."""

    audience: Audience
    cycles: list[Cycle] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, event: dict[str, Any]) -> None:
        if event["kind"] != "machine.cycle":
            self.audience.say(f"  {event['message']}")
            return
        cycle = msgspec.convert(event["data"], Cycle)
        self.cycles.append(cycle)
        self.audience.cycle(cycle)
        self.begun.set()


@dataclass(frozen=True)
class _Recovered:
    """A point that was brought back, when, and what its guest found."""

    point: Point
    restored_at: int
    up_at: int
    verdict: Verdict


async def demonstrate(audience: Audience, *, seconds: float, keep: Path | None) -> Report:
    """Play it once: the guest is followed for ``seconds`` after the initial replication.

    Raises `UnderstudyError` if it could not be played; cancelled, it ends what it started and leaves nothing behind. Whether all
    came back that had to is in the report's ``problems``.
    """
    audience.say("preparing a guest")
    async with set_up(keep) as stage, _served(stage, audience) as (daemon, command):
        async with await stage.start("write", await stage.make_disks()) as guest:
            await guest.wait_for("ack")
            audience.say(f"a guest runs under {stage.accelerator}, and writes numbered records to two disks in turn")
            await command.ask(
                "protect", MACHINE, "--qmp", str(guest.qmp), "--disk", "vda=disk0", "--disk", "vdb=disk1", answer=dict[str, Any]
            )
            events = _Events(audience)
            words = [word for kind in _FOLLOWED for word in ("--kind", kind)]
            async with Follower(await command.start("events", MACHINE, "--follow", *words), events.take) as follower:
                await _followed(daemon, follower, events, seconds)
                await _show_status(command, audience)
                killed_at = time.time_ns()
                await guest.kill()
                noticed_at = time.time_ns()
                audience.say(f"the guest was killed; it had acknowledged {guest.newest} records")
                recovered = await _recover(stage, command, audience)
                await command.ask("verify", f"{MACHINE}@{recovered.point.number}", answer=dict[str, Any])
        await _show_status(command, audience)
        await daemon.stop()
    failover = Failover(killed_at, noticed_at, recovered.restored_at, recovered.up_at)
    return report(str(stage.accelerator), events.cycles, recovered.point, failover, guest.acknowledged, recovered.verdict)


@asynccontextmanager
async def _served(stage: Stage, audience: Audience) -> AsyncIterator[tuple[Daemon, Command]]:
    """A new vault, the daemon that has it, and commands that ask the daemon."""
    settings = {"UNDERSTUDY_SOCKET": str(stage.runtime / "api.sock")}
    command = Command(settings, audience.command)
    here = ("--key-file", str(stage.work / "operator.key"), "--state-dir", str(stage.work / "state"))
    await command.ask("vault", "create", f"file://{stage.work / 'vault'}", *here, answer=dict[str, Any])
    async with serving(command, stage.work, stage.runtime) as daemon:
        yield daemon, command


async def _followed(daemon: Daemon, follower: Follower, events: _Events, seconds: float) -> None:
    """Points come by themselves, until `seconds` after the first one."""
    over = asyncio.Event()

    async def watch() -> None:
        try:
            async with asyncio.timeout(_INITIAL_PATIENCE):
                await follower.watch(events.begun)
        except TimeoutError:
            raise SourceUnavailable(f"the initial replication did not end within {_INITIAL_PATIENCE:.0f} seconds") from None
        asyncio.get_running_loop().call_later(seconds, over.set)
        await follower.watch(over)

    watching = asyncio.create_task(watch())
    watching.add_done_callback(lambda _: over.set())
    try:
        await daemon.outlives(over)
        await watching
    finally:
        watching.cancel()


async def _show_status(command: Command, audience: Audience) -> None:
    for line in await command.shown("status"):
        audience.say(f"  {line}" if line else "")


async def _recover(stage: Stage, command: Command, audience: Audience) -> _Recovered:
    """Choose the newest point, restore its disks, boot them, and have the guest check itself."""
    listing = await command.ask("points", MACHINE, answer=_Points)
    point = max(listing.points, key=lambda point: point.number)
    images = stage.work / "restored"
    images.mkdir()
    await command.ask("restore", f"{MACHINE}@{point.number}", "--to", str(images), answer=dict[str, Any])
    restored_at = time.time_ns()
    async with await stage.start("check", [GuestDisk(images / f"{disk}.raw", "raw") for disk in ("vda", "vdb")]) as guest:
        up = await guest.wait_for("up")
        audience.say("the restored guest is up, and checks its file systems and every record")
        verdict = await guest.verdict()
        await guest.ended()
    return _Recovered(point, restored_at, up.at, verdict)
