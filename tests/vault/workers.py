"""What the processes do that tests race against each other, or kill."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults import Action, Fault, FaultyStore
from tests.vault.worlds import QUICK, UNLOCK, a_point
from understudy.errors import Fenced, SecondWriter
from understudy.store.file import FileStore
from understudy.vault import kinds
from understudy.vault.vault import Vault

DURABLE = ("fsync", "rename", "link", "unlink", "mkdir")


def acknowledge(root: Path, who: str, what: str) -> None:
    """In a file, at once: it must be known even if the next instruction is the last."""
    fd = os.open(root / f"acknowledged-{who}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, f"{what}\n".encode())
    os.close(fd)


def acknowledged(root: Path, who: str) -> list[str]:
    path = root / f"acknowledged-{who}"
    return path.read_text().split() if path.exists() else []


async def opened(root: Path, state: str, *faults: Fault) -> Vault:
    return await Vault.open(FaultyStore(FileStore(root / "vault"), list(faults)), UNLOCK, root / state, patience=QUICK)


async def append_points(root: Path, machine: str, first: int, count: int, *faults: Fault) -> None:
    """As a daemon does: settle, claim, then one point after the other."""
    log = await (await opened(root, "state", *faults)).find(machine)
    await log.settle()
    await log.claim("site-a")
    for number in range(first, first + count):
        await log.append(a_point(number.to_bytes(16, "big")))
        acknowledge(root, "state", str(number))


def die_before_durable_step(step: int, root: Path, machine: str, first: int, count: int) -> None:
    """Killed before the `step`th system call that makes anything durable, in the store or in local state."""
    left = step

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return counted

    for name in DURABLE:
        setattr(os, name, dying(getattr(os, name)))
    asyncio.run(append_points(root, machine, first, count))


def die_at_creation(step: int, after: bool, root: Path, machine: str, first: int, count: int) -> None:
    """Killed before the `step`th object is created, or after it was."""
    fault = Fault(Action.DIE_AFTER if after else Action.DIE_BEFORE, "create", skip=step - 1)
    asyncio.run(append_points(root, machine, first, count, fault))


def race_for_points(root: Path, state: str, who: str, machine: str, tries: int, steps: int) -> None:
    """Claim, append until another writer shows up, claim again; end when fenced."""

    async def run() -> None:
        log = await (await opened(root, state)).find(machine)
        for turn in range(tries):
            try:
                await log.claim("site-a")
                for step in range(steps):
                    point = a_point(f"{who}-{turn}-{step}".encode().ljust(16, b".")[:16])
                    await log.append(point)
                    acknowledge(root, who, point.id.decode())
            except SecondWriter:
                acknowledge(root, f"{who}-second-writer", str(turn))
            except Fenced:
                acknowledge(root, f"{who}-fenced", str(turn))
                return

    asyncio.run(run())


def race_holds(root: Path, state: str, machine: str, count: int) -> None:
    """An operator's records, in between."""

    async def run() -> None:
        log = await (await opened(root, state)).find(machine)
        for number in range(count):
            await log.append(kinds.Hold(id=number.to_bytes(16, "big"), point=bytes(16), reason="race"))
            acknowledge(root, "holds", str(number))

    asyncio.run(run())
