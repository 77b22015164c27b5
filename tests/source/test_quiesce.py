"""Hooks around freezes of files, which have no agent; the guest's agent is in tests/live."""

import asyncio
import os
import secrets
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from understudy.app import open_source
from understudy.engine import BlockSource, MachineSource, QemuSource
from understudy.errors import InvalidRequest, SourceRefused, SourceUnavailable, StateFailed
from understudy.source.protocol import CRASH, DiskSource, Wish
from understudy.source.quiesce import NOTHING_NAMED

MACHINE = "ee" * 16
POINT = "ab" * 16
APP = Wish(app_consistent=True)


class Hooks:
    """Two that say when they run, and may fail."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.disk = directory / "disk"
        self.disk.write_bytes(bytes(8192))
        for name in ("pre", "post"):
            self.script(name)

    def script(self, name: str, end: str = "") -> None:
        hook = self.directory / name
        hook.write_text(f'#!/bin/sh\necho "$UNDERSTUDY_PHASE $UNDERSTUDY_OUTCOME" >> {self.directory}/told\n{end}\n')
        hook.chmod(0o755)

    def told(self) -> list[str]:
        path = self.directory / "told"
        lines = [line.strip() for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def spec(self) -> BlockSource:
        return BlockSource(disks={"vda": str(self.disk)}, pre_hook=f"{self.directory}/pre", post_hook=f"{self.directory}/post")

    def source(self, spec: MachineSource | None = None) -> DiskSource:
        return open_source(spec or self.spec(), MACHINE, "web", self.directory / "state")


@pytest.fixture
def hooks(tmp_path: Path) -> Hooks:
    return Hooks(tmp_path)


async def test_files_are_quiesced_until_they_are_read(hooks):
    source = hooks.source()
    assert (await source.probe()).quiesce == f"pre-hook {hooks.directory}/pre, post-hook {hooks.directory}/post"
    await source.recover(None)
    snapshot = await source.freeze(POINT, None, APP)
    assert (snapshot.consistency, snapshot.downgrade) == ("app", "")
    assert hooks.told() == ["pre"]
    with pytest.raises(SourceRefused, match="already"):
        await source.freeze(POINT, None, APP)
    assert hooks.told() == []
    await source.release(True)
    await source.release(True)
    assert hooks.told() == ["post app"]
    for committed, outcome in ((False, "failed"), (None, "app")):
        await source.freeze(POINT, None, APP)
        await source.release(committed)
        assert hooks.told() == ["pre", f"post {outcome}"]
    await source.freeze(POINT, None, CRASH)
    await source.release(True)
    assert hooks.told() == []
    await source.freeze(POINT, None, APP)
    await source.close()
    assert hooks.told() == ["pre", "post app"]
    assert list((hooks.directory / "state").iterdir()) == []


async def test_a_failure_of_the_pre_hook_downgrades(hooks):
    hooks.script("pre", "echo no; exit 1")
    source = hooks.source()
    snapshot = await source.freeze(POINT, None, APP)
    assert snapshot.consistency == "crash"
    assert snapshot.downgrade.endswith("/pre ended with status 1: no")
    await source.release(True)
    assert hooks.told() == ["pre", "post crash"]
    await source.close()


async def test_a_freeze_that_fails_sets_going_again(hooks):
    hooks.disk.unlink()
    source = hooks.source()
    with pytest.raises(SourceUnavailable):
        await source.freeze(POINT, None, APP)
    assert hooks.told() == ["pre", "post failed"]
    await source.release(False)
    await source.close()
    assert hooks.told() == []


async def test_a_failure_of_the_post_hook_is_told_once_by_the_next_recovery(hooks):
    hooks.script("post", "echo stuck; exit 1")
    source = hooks.source()
    assert (await source.freeze(POINT, None, APP)).consistency == "app"
    await source.release(True)
    with pytest.raises(SourceUnavailable, match="status 1: stuck"):
        await source.recover(POINT)
    await source.recover(POINT)
    await source.close()


async def test_a_failure_of_the_post_hook_around_an_instant_downgrades(two_disks, hooks):
    hooks.script("post", "exit 4")
    source = hooks.source(QemuSource(qmp=two_disks.qmp, pre_hook=f"{hooks.directory}/pre", post_hook=f"{hooks.directory}/post"))
    await source.recover(None)
    snapshot = await source.freeze(secrets.token_hex(16), None, APP)
    assert hooks.told() == ["pre", "post app"]
    assert snapshot.downgrade.endswith("/post ended with status 4")
    assert snapshot.consistency == "crash"
    await source.release(True)
    await source.remove()
    await source.close()


async def test_with_nothing_named_it_is_said(hooks, two_disks):
    source = hooks.source(BlockSource(disks={"vda": str(hooks.disk)}))
    assert (await source.probe()).quiesce == ""
    assert (await source.freeze(POINT, None, APP)).downgrade == NOTHING_NAMED
    await source.close()
    vm = hooks.source(QemuSource(qmp=two_disks.qmp))
    await vm.recover(None)
    snapshot = await vm.freeze(POINT, None, APP)
    assert (snapshot.consistency, snapshot.downgrade) == ("crash", NOTHING_NAMED)
    await vm.release(False)
    await vm.remove()
    await vm.close()


async def test_an_agent_that_is_not_there_is_said(hooks, two_disks, short_directory):
    vm = hooks.source(QemuSource(qmp=two_disks.qmp, agent=f"{short_directory}/none"))
    await vm.recover(None)
    await two_disks.execute("cont")
    snapshot = await vm.freeze(POINT, None, APP)
    assert "does not answer: No such file" in snapshot.downgrade
    await vm.release(False)
    await vm.remove()
    await vm.close()


async def test_a_hook_that_cannot_be_run_is_found_when_it_is_named(hooks):
    (hooks.directory / "pre").unlink()
    source = hooks.source()
    with pytest.raises(InvalidRequest):
        await source.probe()
    await source.close()


async def test_a_damaged_note_is_not_ignored(hooks):
    state = hooks.directory / "state"
    state.mkdir()
    (state / "quiesced.json").write_text("{")
    source = hooks.source()
    with pytest.raises(StateFailed, match="damaged"):
        await source.relieve()
    await source.close()


PROCESS = """
import asyncio, sys
from pathlib import Path
import msgspec
from understudy.app import open_source
from understudy.engine import BlockSource
from understudy.source.protocol import Wish
async def main(spec, machine, directory):
    source = open_source(msgspec.json.decode(spec, type=BlockSource), machine, "web", Path(directory))
    await source.freeze("ab" * 16, None, Wish(app_consistent=True))
    print("frozen", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("during", ["the pre hook", "the freeze"])
async def test_after_a_kill_the_next_start_runs_the_post_hook_once(hooks, during):
    hooks.script("pre", f"echo $$ > {hooks.directory}/pid; exec sleep 1000" if during == "the pre hook" else "")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROCESS, msgspec.json.encode(hooks.spec()), MACHINE, str(hooks.directory / "state")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    if during == "the freeze":
        assert await process.stdout.readline() == b"frozen\n"
    for _ in range(6000):
        if (hooks.directory / ("pid" if during == "the pre hook" else "told")).exists():
            break
        await asyncio.sleep(0.01)
    assert hooks.told() == ["pre"]
    process.send_signal(signal.SIGKILL)
    if during == "the pre hook":
        os.kill(int((hooks.directory / "pid").read_text()), signal.SIGKILL)
    await process.wait()
    await process.stdout.read()
    hooks.script("pre")
    source = hooks.source()
    await source.relieve()
    assert hooks.told() == ["post interrupted"]
    await source.recover(None)
    assert hooks.told() == []
    await source.close()
