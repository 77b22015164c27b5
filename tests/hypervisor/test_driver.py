"""Real machines: started once, found again, watched, shut down, ended."""

import asyncio
import os
import signal
import sys
import textwrap

import msgspec
import pytest

from tests.hypervisor.stage import SEES, WAITS
from tests.small import ROOT, small
from understudy.errors import Conflict, InvalidRequest, TargetFailed
from understudy.hypervisor.protocol import Patience, Status
from understudy.hypervisor.qemu import shutdown
from understudy.hypervisor.qemu.driver import QemuHypervisor
from understudy.hypervisor.qemu.locks import held
from understudy.hypervisor.qemu.places import places_of
from understudy.hypervisor.qemu.record import read
from understudy.qemu import power
from understudy.qemu.session import QmpSession

HEARS_LATE = """
echo @boots
sleep 4
for module in $(cat /modules/on-request); do insmod "/modules/$module"; done
for keys in /dev/input/event*; do (head -c 24 $keys >/dev/null; poweroff -f) & done
"""
"""Its power button is pressed while it is still booting."""


async def test_a_life(stage, define):
    definition, host = define(SEES + WAITS)
    vms = stage.hypervisor
    assert (await vms.state("web1")).status is Status.ABSENT
    state = await vms.start("web1", definition, host)
    assert state.status is Status.RUNNING
    # Once more is the same one; something else is a conflict.
    assert (await vms.start("web1", definition, host)).process == state.process
    with pytest.raises(Conflict, match="runs already"):
        await vms.start("web1", msgspec.structs.replace(definition, memory=256 << 20), host)
    seen = await stage.says("web1", "@seen")
    assert "@processors 1" in seen
    assert "@uuid 00112233-4455-6677-8899-aabbccddeeff" in seen
    assert any(line.startswith("@disk vda S-1 2048 512 512") for line in seen)
    await vms.pause("web1")
    assert (await vms.state("web1")).status is Status.PAUSED
    await vms.resume("web1")
    # Somebody else, after a restart.
    other = QemuHypervisor(stage.root / "vms")
    assert await other.find() == {"web1": state}
    assert (await other.picture("web1")).kind == "text"
    with pytest.raises(Conflict, match="has a process"):
        await other.forget("web1")
    # A guest without an agent and without ears.
    steps = await other.shut_down("web1", Patience(agent=5, acpi=0.5))
    assert [(step.way, step.worked) for step in steps] == [("agent", False), ("acpi", False), ("force", True)]
    ended = await vms.state("web1")
    assert (ended.status, ended.alive) == (Status.ENDED, False)
    assert b"@seen" in (await vms.picture("web1")).data
    assert not held(places_of(stage.root / "vms", "web1").life)
    await vms.destroy("web1")
    await vms.forget("web1")
    await vms.forget("web1")
    assert await vms.find() == {}


async def test_the_button_is_pressed_until_it_is_heard(stage, define, monkeypatch):
    monkeypatch.setattr(shutdown, "PRESSED_EACH", 2.0)
    definition, host = define(HEARS_LATE + WAITS)
    vms = stage.hypervisor
    await vms.start("web1", definition, host)
    await stage.says("web1", "@boots")
    (step,) = await vms.shut_down("web1", Patience(agent=0, acpi=60))
    assert (step.way, step.worked, step.outcome) == ("acpi", True, "shut down by its guest")


async def test_so_is_that_of_a_machine_whose_qemu_stays(stage, define, monkeypatch):
    monkeypatch.setattr(power, "PRESSED_EACH", 2.0)
    definition, host = define(HEARS_LATE + WAITS)
    await stage.hypervisor.start("web1", definition, host)
    await stage.says("web1", "@boots")
    told: list[str] = []

    async def tell(words: str) -> None:
        told.append(words)

    session = await QmpSession.connect(str(places_of(stage.root / "vms", "web1").qmp))
    try:
        assert await power.shut_down(session, "", power.Patience(0, 60), tell, force=False) == "shut down by its power button"
        assert await power.status(session) == power.SHUT_DOWN
    finally:
        await session.close()
    assert told == ["asked to shut down by its power button"]


async def test_what_ended_it_is_told(stage, define):
    vms = stage.hypervisor
    definition, host = define("echo @by\npoweroff -f\n")
    await vms.start("down", definition, host)
    state = await stage.until("down", lambda state: state.status is not Status.RUNNING)
    assert (state.status, state.reason) == (Status.SHUT_DOWN, "shut down by its guest")
    assert await vms.shut_down("down", Patience()) == []
    assert (await vms.state("down")).status is Status.ENDED
    definition, host = define(WAITS)
    state = await vms.start("killed", definition, host)
    os.kill(state.process, signal.SIGKILL)
    state = await stage.until("killed", lambda state: not state.alive)
    assert state.status is Status.CRASHED
    assert "killed" in state.reason
    # Its record does not keep it from being started again, by somebody who wants that.
    assert (await vms.start("killed", definition, host)).status is Status.RUNNING
    await vms.destroy("killed", "the drill is over")
    assert (await vms.state("killed")).reason == "the drill is over"


async def test_one_that_is_found_while_it_dies_is_started_again(stage, define):
    definition, host = define(WAITS)
    state = await stage.hypervisor.start("web1", definition, host)
    os.kill(state.process, signal.SIGSTOP)
    starting = asyncio.ensure_future(stage.hypervisor.start("web1", definition, host))
    # It is there, and does not answer.
    done, _ = await asyncio.wait([starting], timeout=1.5)
    assert not done
    os.kill(state.process, signal.SIGKILL)
    again = await starting
    assert again.status is Status.RUNNING
    assert again.process != state.process


@pytest.mark.skipif(not ROOT, reason="mounting needs root")
async def test_what_must_end_ends_without_room(stage, define):
    with small(stage.root / "vms", "4M") as place:
        definition, host = define(WAITS)
        await stage.hypervisor.start("web1", definition, host)
        place.fill()
        await stage.hypervisor.destroy("web1", "another site has it")
        state = await stage.hypervisor.state("web1")
        assert (state.status, state.alive) == (Status.CRASHED, False)


async def test_what_qemu_refuses(stage, define):
    definition, host = define(WAITS)
    with pytest.raises(TargetFailed, match=r"QEMU did not start: .*unsupported machine type"):
        await stage.hypervisor.start("web1", msgspec.structs.replace(definition, machine="pc-q35-99"), host)
    state = await stage.hypervisor.state("web1")
    assert (state.status, "did not come up" in state.reason) == (Status.CRASHED, True)
    with pytest.raises(InvalidRequest, match="may not be used"):
        await QemuHypervisor(stage.root / "vms").start("other", definition, host)
    assert (await stage.hypervisor.state("other")).status is Status.ABSENT


STARTER = """
    import asyncio, os, sys
    from pathlib import Path
    import msgspec
    from understudy.hypervisor.protocol import Host, RawImage
    from understudy.hypervisor.qemu import driver, launch, locks, process, record
    from understudy.hypervisor.qemu.driver import QemuHypervisor
    from understudy.machine.definition import MachineDefinition

    root, disk, definition, place = sys.argv[1:]

    def die(*args, **kwargs):
        os.kill(os.getpid(), 9)

    async def die_async(*args, **kwargs):
        die()

    real = driver.launch

    async def launch_and_die(*args, **kwargs):
        await real(*args, **kwargs)
        die()

    match place:
        case "before the record": driver.prepare = die_async
        case "before the process": driver.launch = die_async
        case "after the process": driver.launch = launch_and_die
        case "before it is known": process.RunProcess._remember = die
        case "before the guest": process.RunProcess.let_go = die_async
        case "after the guest": process.RunProcess.state = die_async

    vms = QemuHypervisor(Path(root) / "vms", lambda: [Path("/")])
    host = Host({"vda": RawImage(Path(disk))}, accelerator="tcg")
    asyncio.run(vms.start("web1", msgspec.json.decode(definition, type=MachineDefinition), host))
"""
MOMENTS = ("before the record", "before the process", "after the process", "before it is known", "before the guest", "after the guest")


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_killed_starter_leaves_nothing_or_what_is_found(stage, define, moment):
    definition, host = define(WAITS)
    vms = stage.hypervisor
    image = host.disks["vda"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(STARTER), str(stage.root), str(image.path)),
        *(msgspec.json.encode(definition).decode(), moment),
    )
    assert await process.wait() == -signal.SIGKILL
    places = places_of(stage.root / "vms", "web1")
    if moment not in ("before the record", "before the process"):
        # Seen at once, whatever the moment; and the same one goes on.
        found = await stage.until("web1", lambda state: state.status in (Status.STARTING, Status.RUNNING))
        assert found.alive
        await vms.start("web1", definition, host)
    else:
        assert not held(places.life)
        assert not (await vms.state("web1")).alive
        await vms.start("web1", definition, host)
    running = await vms.state("web1")
    assert running.status is Status.RUNNING
    assert running.process
    await vms.destroy("web1")
    assert not held(places.life)


async def test_a_late_process_is_not_wanted_any_more(stage, define):
    """Its starter gave up on it, and somebody else started or ended the run since."""
    definition, host = define(WAITS)
    vms = stage.hypervisor
    places = places_of(stage.root / "vms", "web1")
    state = await vms.start("web1", definition, host)
    token = read(places).token
    for late, words in ((token, "is this run already"), ("0" * 16, "is this run already")):
        assert words in await held_as(places, late)
    await vms.destroy("web1")
    assert "not wanted" in await held_as(places, token)
    again = await vms.start("web1", definition, host)
    assert again.process != state.process
    os.kill(again.process, signal.SIGKILL)
    await stage.until("web1", lambda state: not state.alive)
    assert "not wanted" in await held_as(places, token)
    await vms.forget("web1")
    assert "cannot be read" in await held_as(places, token)


async def held_as(places, token):
    command = (sys.executable, "-m", "understudy.hypervisor.qemu.hold", str(places.directory), token)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    assert process.returncode == 1
    return errors.decode()
