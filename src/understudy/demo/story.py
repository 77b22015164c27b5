"""The demonstration itself: a guest writes, understudy follows, both are killed, and the guest comes back and checks itself."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from understudy.demo.command import Command, Follower
from understudy.demo.console import Verdict
from understudy.demo.guest import Guest
from understudy.demo.machine import GuestDisk
from understudy.demo.report import Cycle, Failover, Point, Report, report
from understudy.demo.stage import Stage, set_up
from understudy.errors import SourceUnavailable

MACHINE = "demo"
_INITIAL_PATIENCE = 180.0


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
class _Replication:
    """What ``understudy replicate`` has told so far."""

    audience: Audience
    cycles: list[Cycle] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    killed_at: int = 0

    def take(self, document: dict[str, Any]) -> None:
        if document.get("event") == "retry":
            self.audience.say(f"a cycle is tried again: {document['error']['message']}")
        elif document.get("event") == "cycle":
            cycle = msgspec.convert(document, Cycle)
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
    async with set_up(keep) as stage:
        command = _command(stage.work, audience)
        async with await stage.start("write", await stage.make_disks()) as guest:
            await guest.wait_for("ack")
            audience.say(f"a guest runs under {stage.accelerator}, and writes numbered records to two disks in turn")
            replication = await _replicate(command, guest, seconds, audience)
            noticed_at = time.time_ns()
        audience.say(f"the guest and its replication were killed; it had acknowledged {guest.newest} records")
        recovered = await _recover(stage, command, audience)
        await command.ask("verify", f"{MACHINE}@{recovered.point.number}", answer=dict[str, Any])
    failover = Failover(replication.killed_at, noticed_at, recovered.restored_at, recovered.up_at)
    return report(str(stage.accelerator), replication.cycles, recovered.point, failover, guest.acknowledged, recovered.verdict)


def _command(work: Path, audience: Audience) -> Command:
    settings = {
        "UNDERSTUDY_VAULT": f"file://{work / 'vault'}",
        "UNDERSTUDY_KEY_FILE": str(work / "operator.key"),
        "UNDERSTUDY_STATE_DIR": str(work / "state"),
    }
    return Command(settings, audience.command)


async def _replicate(command: Command, guest: Guest, seconds: float, audience: Audience) -> _Replication:
    """Protect the guest and follow it until, as when a host dies, QEMU and the replication are killed."""
    await command.ask("vault", "create", answer=dict[str, Any])
    await command.ask("protect", MACHINE, "--qmp", str(guest.qmp), "--disk", "vda=disk0", "--disk", "vdb=disk1", answer=dict[str, Any])
    replication = _Replication(audience)
    async with Follower(await command.start("replicate", MACHINE, "--every", "1s"), replication.take) as follower:
        try:
            async with asyncio.timeout(_INITIAL_PATIENCE):
                await follower.watch(replication.begun)
        except TimeoutError:
            raise SourceUnavailable(f"the initial replication did not end within {_INITIAL_PATIENCE:.0f} seconds") from None
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, over.set)
        await follower.watch(over)
        replication.killed_at = time.time_ns()
        await guest.kill()
    return replication


async def _recover(stage: Stage, command: Command, audience: Audience) -> _Recovered:
    """From the vault alone: choose the newest point, restore its disks, boot them, and have the guest check itself."""
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
