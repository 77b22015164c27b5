"""A process that dies at any of its QMP commands, and the one that comes after it."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pytest

from tests.source.conformance import Contents, covers, padded, whole
from tests.source.machine import MACHINE, METHODS, MIB, Machine, blockdev
from understudy import extents as ext
from understudy.errors import SourceUnavailable, UnderstudyError
from understudy.model import BLOCK_SIZE, Tracked
from understudy.qemu.session import QmpSession
from understudy.source.protocol import DiskSnapshot
from understudy.source.qemu import QemuSource
from understudy.source.qemu_method import BREAK_SNAPSHOT, FLEECING, PUSH, Wanted

SIZE = 2 * MIB


class Killed(BaseException):
    """No cleaning up gets through to QEMU after this."""


@contextmanager
def death_after(monkeypatch: pytest.MonkeyPatch, machine: Machine, commands: int) -> Iterator[list[str]]:
    """Every command after the first `commands` is never sent, but for the test's own session. Gives what was sent."""
    sent: list[str] = []
    execute = QmpSession.execute

    async def mortal(self: QmpSession, command: str, arguments: Any = None) -> Any:
        if self is not machine.control:
            if len(sent) >= commands:
                raise Killed
            sent.append(command)
        return await execute(self, command, arguments)

    with monkeypatch.context() as patch:
        patch.setattr(QmpSession, "execute", mortal)
        yield sent


async def hang_up(source: QemuSource) -> None:
    """What the kernel does for a dead process."""
    session = source._session
    if session is not None:
        await session.close()
    freeze = source._freeze
    if freeze is not None and freeze.view is not None:
        await freeze.view.end("its process died")
    source._lifeline.close()
    await source._keeper.close()


@pytest.fixture
async def machine(start_machine, short_directory) -> Machine:
    return await start_machine(blockdev(short_directory, "vda", "raw", SIZE), blockdev(short_directory, "vdb", "raw", SIZE))


async def disturb(machine: Machine) -> None:
    """Something small somewhere, so that no two contents are alike."""
    for name in ("vda", "vdb"):
        await machine.write(name, secrets.randbelow(SIZE // 4096) * 4096, 4096, 1 + secrets.randbelow(255))


async def cycle(source: QemuSource, machine: Machine, base: str | None, at_base: Contents | None) -> tuple[str, Contents]:
    """A whole, checked cycle."""
    point, before = secrets.token_hex(16), await machine.contents()
    snapshot = await source.freeze(point, base)
    await disturb(machine)
    for disk in snapshot.disks:
        if at_base is not None:
            changes = await disk.changed()
            assert isinstance(changes, Tracked), changes
            assert covers(changes.extents, at_base[disk.info.name], before[disk.info.name])
            if not machine.partial:
                assert (await whole(disk) == padded(before[disk.info.name])).all()
    await source.release(True)
    return point, before


async def expect_only(machine: Machine, point: str | None) -> None:
    expected = [f"{node}:understudy-{MACHINE[:12]}-{point}" for node in ("vda-format", "vdb-format")] if point else []
    left = await machine.leftovers(lasting=False)
    # A record's witness stays as long as it.
    assert sorted(name for name in left if not (point and "understudy-size-" in name)) == expected


async def read(disk: DiskSnapshot) -> None:
    changes = await disk.changed()
    with suppress(SourceUnavailable):  # only what changed may have been copied
        await disk.allocated()
        await whole(disk)
    if isinstance(changes, Tracked):
        await disk.read_into(changes.extents, np.empty(ext.total(changes.extents) * BLOCK_SIZE, np.uint8))


async def commands_before_release(source: QemuSource, machine: Machine, base: str, sent: list[str]) -> int:
    await disturb(machine)
    snapshot = await source.freeze(secrets.token_hex(16), base)
    for disk in snapshot.disks:
        await read(disk)
    before = len(sent)
    await source.release(False)
    return before


@pytest.mark.parametrize(
    ("method", "fate"), [(FLEECING, True), *((method, method != PUSH) for method in METHODS if method != FLEECING), (FLEECING, False)]
)
async def test_death_at_every_command_of_a_cycle(machine, monkeypatch, method, fate):
    machine.wanted = Wanted(method, allow_pause=True)
    source = machine.source()
    await source.recover(None)
    base, at_base = await cycle(source, machine, None, None)
    commands = 0
    if fate:
        # What comes before the release is the same for both.
        with death_after(monkeypatch, machine, 1000) as sent:
            commands = await commands_before_release(source, machine, base, sent)
    while True:
        await disturb(machine)
        point, before = secrets.token_hex(16), await machine.contents()
        committed = False
        with death_after(monkeypatch, machine, commands) as sent, suppress(Killed):
            snapshot = await source.freeze(point, base)
            await disturb(machine)
            for disk in snapshot.disks:
                await read(disk)
            committed = fate
            await source.release(fate)
        alive = len(sent) < commands
        await hang_up(source)
        if committed:
            base, at_base = point, before
        source = machine.source()
        await source.recover(base)
        await expect_only(machine, base)
        base, at_base = await cycle(source, machine, base, at_base)
        if alive:
            break
        commands += 1
    assert commands > {FLEECING: 40, BREAK_SNAPSHOT: 40, PUSH: 30}[method]
    await source.remove()
    await expect_only(machine, None)
    await source.close()


@pytest.mark.parametrize("committed", [True, False])
async def test_death_at_every_command_of_a_recovery(machine, monkeypatch, committed):
    source = machine.source()
    await source.recover(None)
    base, at_base = await cycle(source, machine, None, None)
    commands = 0
    while True:
        await disturb(machine)
        point, before = secrets.token_hex(16), await machine.contents()
        await source.freeze(point, base)
        await disturb(machine)
        await hang_up(source)
        if committed:
            base, at_base = point, before
        source = machine.source()
        with death_after(monkeypatch, machine, commands) as sent, suppress(Killed):
            await source.recover(base)
        alive = len(sent) < commands
        await hang_up(source)
        source = machine.source()
        await source.recover(base)
        await expect_only(machine, base)
        base, at_base = await cycle(source, machine, base, at_base)
        if alive:
            break
        commands += 1
    assert commands > 10
    await source.remove()
    await expect_only(machine, None)
    await source.close()


PROCESS = """
import asyncio, secrets, sys
from pathlib import Path
import numpy as np
from understudy.source.qemu import QemuSource
async def main(machine, qmp, directory, base):
    source = QemuSource(machine, qmp, Path(directory))
    await source.recover(base)
    while True:
        snapshot = await source.freeze(secrets.token_hex(16), base)
        for disk in snapshot.disks:
            await disk.allocated()
            await disk.read_into(np.array([[0, 512]]), np.empty(512 * 4096, np.uint8))
        print("cycle", flush=True)
        await source.release(False)
asyncio.run(main(*sys.argv[1:]))
"""


async def test_sigkill_at_random_moments(machine):
    source = machine.source()
    await source.recover(None)
    base, at_base = await cycle(source, machine, None, None)
    for _ in range(8):
        await source.close()
        await disturb(machine)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROCESS, MACHINE, machine.qmp, str(machine.state), base, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        await process.stdout.readline()
        await asyncio.sleep(secrets.randbelow(100) / 1000)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        await process.stdout.read()
        source = machine.source()
        for attempt in range(50):
            # QEMU may not have noticed yet that its one client is gone.
            try:
                await source.recover(base)
                break
            except UnderstudyError:
                assert attempt < 49
                await asyncio.sleep(0.02)
        await expect_only(machine, base)
        base, at_base = await cycle(source, machine, base, at_base)
    await source.remove()
    await expect_only(machine, None)
    await source.close()
