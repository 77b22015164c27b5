"""A running QEMU, protected by its QMP socket: the installed command follows it, is killed, and leaves it as it was."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.installed import Host
from tests.source.machine import MIB, Machine, blockdev
from understudy.model import Bytes


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="us-") as name:
        directory = Path(name)
        machine = Machine(directory, [blockdev(directory, "vda", "raw", 8 * MIB), blockdev(directory, "vdb", "qcow2", 5 * MIB)])
        await machine.start()
        yield machine
        await machine.kill()


@pytest.fixture
def host(tmp_path: Path, machine: Machine) -> Host:
    return Host(machine.directory, tmp_path / "vault", tmp_path / "key")


async def done(host: Host, *words: str) -> Any:
    return await asyncio.to_thread(host.run_installed, *words)


async def restored(host: Host, which: str, target: Path) -> dict[str, bytes]:
    answer = await done(host, "restore", which, "--to", str(target))
    return {disk["name"]: await asyncio.to_thread(Path(disk["path"]).read_bytes) for disk in answer["disks"]}


def as_bytes(contents: dict[str, Bytes]) -> dict[str, bytes]:
    return {name: content.tobytes() for name, content in contents.items()}


async def test_a_vm_is_followed_killed_restored_and_left(machine: Machine, host: Host, tmp_path: Path) -> None:
    await done(host, "vault", "create")
    await machine.write("vda", 0, MIB, 1)
    found = (await done(host, "protect", "web", "--qmp", machine.qmp))["found"]
    assert (found["kind"], [disk["size"] for disk in found["disks"]]) == ("qemu", [8 * MIB, 5 * MIB])
    assert (await done(host, "replicate", "web"))["cause"] == "initial"

    await machine.write("vdb", 2 * MIB, 65536, 2)
    with host.start("replicate", "web", "--every", "20ms", "--json") as process:
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        await machine.write("vda", 3 * MIB, 8192, 3)
        process.send_signal(signal.SIGKILL)
    last = await done(host, "replicate", "web")
    assert (last["cause"], last["reason"]) == ("delta", "")
    assert last["scanned_blocks"] < 1024, "tracking was lost"
    assert await restored(host, "web", tmp_path / "back") == as_bytes(await machine.contents())

    await done(host, "unprotect", "web")
    assert await machine.leftovers() == await _files(host)


async def test_a_vm_that_is_gone_can_be_forgotten(machine: Machine, host: Host) -> None:
    await done(host, "vault", "create")
    with host.start("protect", "web", "--qmp", machine.qmp, "--exclude", "swap") as process:
        _, errors = await asyncio.to_thread(process.communicate)
    assert process.returncode == 3
    assert "no disk 'swap'" in errors
    assert "it has: vda, vdb" in errors
    await done(host, "protect", "web", "--qmp", machine.qmp)
    await machine.kill()
    with host.start("unprotect", "web") as process:
        _, errors = await asyncio.to_thread(process.communicate)
    assert process.returncode == 12
    assert "--forget" in errors
    assert not (await done(host, "unprotect", "web", "--forget"))["cleaned"]
    await _files(host)


async def _files(host: Host) -> list[str]:
    """All that this host still keeps; what is left are locks and its own memory of the vault."""
    left = await asyncio.to_thread(lambda: list((host.directory / "state").rglob("*")))
    assert {path.name for path in left if path.name in ("signatures", "journal", "scratch", "attempt", "source.json")} == set()
    return [str(path) for path in left]
