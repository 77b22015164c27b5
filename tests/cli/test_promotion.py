"""The vault of a running QEMU is lost, and its copy takes its place, as an operator types it."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.installed import Host
from tests.cli.test_running_vm import as_bytes
from tests.source.machine import MIB, Machine, blockdev


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    machine = Machine(tmp_path, [blockdev(tmp_path, "vda", "qcow2", 8 * MIB)])
    await machine.start()
    yield machine
    await machine.kill()


async def done(host: Host, *words: str) -> Any:
    """Signals are for a main thread: `replicate` is a process of its own."""
    return await asyncio.to_thread(host.run_installed if words[0] == "replicate" else host.json, *words)


async def restored(host: Host, which: str, target: Path) -> dict[str, bytes]:
    answer = await done(host, "restore", which, "--to", str(target))
    return {disk["name"]: await asyncio.to_thread(Path(disk["path"]).read_bytes) for disk in answer["disks"]}


async def test_changes_that_only_the_lost_vault_knew_of_come_again(machine: Machine, tmp_path: Path) -> None:
    host, url = Host(tmp_path, tmp_path / "vault", tmp_path / "key"), (tmp_path / "second").as_uri()
    promoted = dataclasses.replace(host, vault=tmp_path / "second")
    await done(host, "vault", "create")
    await machine.write("vda", 0, MIB, 1)
    await done(host, "protect", "web", "--qmp", machine.qmp)
    await done(host, "replicate", "web")
    await done(host, "vault", "copy", "create", url)
    (copied,) = (await done(host, "vault", "copy", "run", url))["machines"]
    assert (copied["machine"], copied["behind"], copied["points"]) == ("web", 0, 1)
    await machine.write("vda", 2 * MIB, 65536, 2)
    beyond = await done(host, "replicate", "web")
    await machine.write("vda", 4 * MIB, 65536, 3)
    asked = await asyncio.to_thread(host.run, "vault", "promote", url, expect=2)
    assert f"1 point LOST, from {beyond['number']} to {beyond['number']}" in asked.stdout
    assert f"vault copy run {url}` brings it over first" in " ".join(asked.stdout.split())
    assert "--yes" in asked.stderr

    host.vault.rename(tmp_path / "away")
    answer = await done(host, "vault", "promote", url, "--yes")
    assert "No such file" in answer["told"]
    again = await done(promoted, "replicate", "web")
    assert (again["cause"], bool(again["reason"])) == ("resync", True)
    assert await restored(promoted, "web", tmp_path / "back") == as_bytes(await machine.contents())
    (tmp_path / "away").rename(host.vault)
    assert "given up" in (await asyncio.to_thread(host.run, "points", "web", expect=6)).stderr
    assert (await done(host, "vault", "promote", url, "--yes"))["told"] == ""
