"""App-consistent points with the real guest agent: frozen for the instant, and thawed whatever becomes of us."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from tests.lifeline import child_of
from tests.live.agent_kit import SERVE, with_agent
from understudy.demo.disks import make_disk
from understudy.demo.guest import Guest
from understudy.engine import QemuSource
from understudy.qemu.agent import GuestAgent
from understudy.qemu.agent_freeze import AgentFreeze
from understudy.qemu.session import QmpSession
from understudy.source.protocol import Snapshot, Wish
from understudy.source.qemu import QemuSource as VmSource
from understudy.source.quiesce import Means, Quiesce
from understudy.source.quiesced import ASLEEP, QuiescedSource, at_the_instant

MACHINE = "ac" * 16
APP = Wish(app_consistent=True)
SUPERBLOCK = np.array([[0, 1]])
PATIENCE = 120.0


@pytest.fixture
async def guest(kit, accelerator, short_directory: Path, tmp_path: Path, run_number: str) -> AsyncIterator[Guest]:
    """One whose disk is mounted, written to, and served by an agent."""
    disk = make_disk(tmp_path / "a.raw", "raw", 64 << 20)
    channel = ("-chardev", f"socket,path={short_directory}/qga,server=on,wait=off,id=qga", "-device", "isa-serial,chardev=qga")
    options = {"run": run_number, "pause": "5"}
    booted = await Guest.start(
        with_agent(kit, tmp_path), accelerator.accelerator, short_directory, "shell", [disk], options=options, devices=channel
    )
    async with booted as guest:
        await guest.wait_for("up", PATIENCE)
        await guest.run("mount -t ext4 /dev/vda /mnt/a", PATIENCE)
        await guest.run(SERVE, PATIENCE)
        await guest.run("(while :; do date > /mnt/a/now; sync; echo x >> /run/written; done) &", PATIENCE)
        yield guest


@pytest.fixture
def spec(guest: Guest, tmp_path: Path) -> QemuSource:
    """With hooks that tell what they were told."""
    for name in ("pre", "post"):
        program(tmp_path / name, f'echo "$UNDERSTUDY_PHASE $UNDERSTUDY_OUTCOME" >> {tmp_path}/told')
    hooks = {"pre_hook": f"{tmp_path}/pre", "post_hook": f"{tmp_path}/post"}
    return QemuSource(qmp=str(guest.qmp), agent=f"{guest.directory}/qga", **hooks)


def patient(spec: QemuSource, guest: Guest, answer: float = PATIENCE, machine: str = MACHINE) -> QuiescedSource:
    """As the composition root joins it, for a guest that may be slow."""
    state = guest.directory / "state"
    vm = VmSource(machine, spec.qmp, state)
    agent, pre, post = (Path(path) if path else None for path in (spec.agent, spec.pre_hook, spec.post_hook))
    means = Means(agent, pre, post)
    quiesce = Quiesce(machine, "web", state, means, AgentFreeze(PATIENCE, answer), thaw=PATIENCE)
    vm.around.insert(0, at_the_instant(quiesce))
    return QuiescedSource(vm, quiesce)


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def told(directory: Path) -> list[str]:
    path = directory / "told"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    path.unlink(missing_ok=True)
    return [line.strip() for line in lines]


async def frozen_now(guest: Guest) -> bool:
    agent = GuestAgent.connect(f"{guest.directory}/qga")
    try:
        return await agent.frozen(PATIENCE)
    finally:
        agent.close()


async def goes_on(guest: Guest) -> None:
    """The guest writes again."""
    await guest.run("before=$(wc -l < /run/written); while [ $(wc -l < /run/written) = $before ]; do usleep 50000; done", PATIENCE)


async def journal_is_clean(snapshot: Snapshot) -> bool:
    """A mounted ext4 needs recovery, unless it is frozen."""
    buffer = np.empty(4096, np.uint8)
    await snapshot.disks[0].read_into(SUPERBLOCK, buffer)
    needs_recovery = 0x4
    return not buffer[1024 + 0x60] & needs_recovery


async def test_the_file_system_is_frozen_for_the_instant_or_it_is_said_why_not(guest, spec, tmp_path):
    source = patient(spec, guest)
    assert "(answers)" in (await source.probe()).quiesce
    await source.relieve()
    await source.recover(None)
    base = None

    async def point(wish: Wish) -> tuple[Snapshot, bool]:
        nonlocal base
        snapshot = await source.freeze(name := secrets.token_hex(16), base, wish)
        clean = await journal_is_clean(snapshot)
        await source.release(True)
        base = name
        return snapshot, clean

    snapshot, clean = await point(APP)
    assert (snapshot.consistency, snapshot.downgrade) == ("app", "")
    assert clean
    assert snapshot.quiesced > 0
    assert told(tmp_path) == ["pre", "post app"]
    await goes_on(guest)

    snapshot, clean = await point(Wish())
    assert (snapshot.consistency, snapshot.downgrade, snapshot.quiesced) == ("crash", "", 0.0)
    assert not clean
    assert told(tmp_path) == []

    agent = GuestAgent.connect(spec.agent)
    assert await agent.execute("guest-fsfreeze-freeze", PATIENCE) == 1
    agent.close()
    snapshot, _ = await point(APP)
    assert "already, by somebody else" in snapshot.downgrade
    assert await frozen_now(guest)
    agent = GuestAgent.connect(spec.agent)
    assert await agent.execute("guest-fsfreeze-thaw", PATIENCE) == 1
    agent.close()
    assert told(tmp_path) == ["pre", "post crash"]

    program(tmp_path / "pre", "echo the database says no >&2; exit 3")
    snapshot, clean = await point(APP)
    assert (snapshot.consistency, clean) == ("crash", False)
    assert snapshot.downgrade.endswith("ended with status 3: the database says no")
    program(tmp_path / "pre", "exit 0")

    control = await QmpSession.connect(str(guest.control))
    await control.execute("stop")
    snapshot, _ = await point(APP)
    assert snapshot.downgrade == ASLEEP
    await control.execute("cont")
    await control.close()

    await guest.run("kill $(cat /run/ga.pid)", PATIENCE)
    await source.close()
    source = patient(spec, guest, 1.0)
    await source.recover(base)
    snapshot, _ = await point(APP)
    assert snapshot.consistency == "crash"
    assert "did not answer" in snapshot.downgrade
    assert "did not answer" in (await source.probe()).quiesce
    await goes_on(guest)
    await source.remove()
    await source.close()


HOLDING = """
import asyncio, sys
from pathlib import Path
from understudy.qemu.agent_freeze import AgentFreeze
from understudy.source.quiesce import Means, Quiesce
async def main(machine, directory, agent, post, limit):
    means = Means(agent=Path(agent), post=Path(post))
    quiesce = Quiesce(machine, "web", Path(directory), means, AgentFreeze(float(limit), 120.0), thaw=120.0)
    told = ""
    while not told:
        async with quiesce.around("ab" * 16) as outcome:
            print("frozen", outcome.downgrade, flush=True)
            told = await asyncio.to_thread(sys.stdin.readline)
    print(outcome.consistency, outcome.downgrade, flush=True)
    quiesce.close()
asyncio.run(main(*sys.argv[1:]))
"""


async def holding(spec: QemuSource, directory: Path, stdin: int = asyncio.subprocess.PIPE) -> asyncio.subprocess.Process:
    process, said = await started(spec, directory, 600.0, stdin)
    assert said == b"frozen \n"
    return process


async def started(
    spec: QemuSource, directory: Path, limit: float, stdin: int = asyncio.subprocess.PIPE
) -> tuple[asyncio.subprocess.Process, bytes]:
    """A process in the middle of a freeze until it is told a line; with nobody to tell it, in one freeze after the other.

    And what it said when it had frozen.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDING, MACHINE, str(directory), spec.agent, spec.post_hook, str(limit)),
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    return process, await process.stdout.readline()


async def test_a_process_that_is_killed_or_stopped_leaves_no_guest_frozen(guest, spec, tmp_path):
    state = guest.directory / "state"
    process = await holding(spec, state)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    assert not await frozen_now(guest)
    await goes_on(guest)
    assert told(tmp_path) == []
    source = patient(spec, guest)
    await source.relieve()
    assert told(tmp_path) == ["post interrupted"]
    await source.relieve()
    assert told(tmp_path) == []
    await source.close()

    process = await holding(spec, state)
    for pid in (child_of(process.pid), process.pid):
        os.kill(pid, signal.SIGKILL)
    await process.wait()
    assert await frozen_now(guest)
    source = patient(spec, guest)
    await source.relieve()
    assert not await frozen_now(guest)
    assert told(tmp_path) == ["post interrupted"]
    await source.close()

    for limit in (3.0, 10.0, 30.0, 90.0):
        # A busy host may need longer for the freeze itself.
        process, said = await started(spec, state, limit)
        if said == b"frozen \n":
            break
        await process.communicate(b"\n")
        told(tmp_path)
    os.kill(process.pid, signal.SIGSTOP)
    await goes_on(guest)
    os.kill(process.pid, signal.SIGCONT)
    said, _ = await process.communicate(b"\n")
    assert said.startswith(b"crash the guest had thawed, by itself or in time")
    assert process.returncode == 0
    assert told(tmp_path) == ["post crash"]
    assert not (state / "quiesced.json").exists()


async def kill_at_random(guest: Guest, spec: QemuSource, rounds: int) -> int:
    """How many of the kills came amid a freeze."""
    state, caught = guest.directory / "state", 0
    for _ in range(rounds):
        process = await holding(spec, state, asyncio.subprocess.DEVNULL)
        assert process.stdout is not None
        for _ in range(secrets.randbelow(4)):
            assert await process.stdout.readline() == b"frozen \n"
        await asyncio.sleep(secrets.randbelow(100) / 1000)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        assert not await frozen_now(guest)
        await goes_on(guest)
        source = patient(spec, guest)
        await source.relieve()
        await source.close()
        caught += "post interrupted" in told(Path(spec.post_hook).parent)
        assert not (state / "quiesced.json").exists()
    return caught


async def test_kills_at_random_moments(guest, spec):
    await kill_at_random(guest, spec, 3)
