"""What happens to whoever follows the machine."""

import asyncio
import shutil
import signal

from tests.cli.installed import Host
from tests.live.followed import NAME
from tests.live.restless import Restless
from tests.live.restless_online import Happening
from tests.source.machine import METHODS
from understudy.errors import SourceRefused
from understudy.source.qemu_method import AUTO


def host(world: Restless) -> Host:
    return Host(world.directory, world.followed.directory / "vault", world.followed.directory / "key", {"UNDERSTUDY_SITE": "here"})


async def ended(world: Restless) -> None:
    await world.followed.end()


async def killed_within_a_cycle(world: Restless) -> None:
    """Some of its points were made while the disks were written to."""
    await world.followed.end()
    with host(world).start("replicate", NAME, "--every", "20ms", "--json") as process:
        assert process.stdout is not None
        line = asyncio.ensure_future(asyncio.to_thread(process.stdout.readline))
        until = asyncio.get_running_loop().time() + world.chance.uniform(0, 0.3)
        while not line.done() or asyncio.get_running_loop().time() < until:
            await world.touch(world.slot())
            await asyncio.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    world.unknown = True


async def refused_beside_another(world: Restless) -> None:
    await world.followed.begin()
    with host(world).start("replicate", NAME, "--json") as process:
        output, _ = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 4, output
    assert "busy" in output or "process" in output, output


async def state_lost(world: Restless) -> None:
    await world.followed.end()
    shutil.rmtree(world.machine.state)
    await world.followed.protect(adopt=True)


async def protected_anew(world: Restless) -> None:
    await world.followed.end()
    await world.followed.unprotect()
    await world.followed.protect()


async def frozen_otherwise(world: Restless) -> None:
    """The follower asks for another way of freezing; what cannot be served is refused and leaves the old one."""
    await world.followed.end()
    method = world.chance.choice([AUTO, *METHODS])
    try:
        await world.followed.protect(method=method, allow_pause=world.chance.random() < 0.5)
    except SourceRefused:
        await world.followed.protect()


async def excluded(world: Restless) -> None:
    await world.followed.end()
    await world.followed.protect(exclude=(world.slot().name,) if len(world.slots) > 1 else ())


async def adopted(world: Restless) -> None:
    """Another state directory takes the machine over, makes a point, and gives it back."""
    await world.followed.end()
    async with world.followed.elsewhere() as other:
        await other.protect(adopt=True)
        await other.cycle()
    await world.followed.protect(adopt=True)


FOLLOWER: dict[Happening, int] = {
    ended: 3,
    killed_within_a_cycle: 3,
    refused_beside_another: 1,
    state_lost: 1,
    protected_anew: 1,
    frozen_otherwise: 3,
    excluded: 1,
    adopted: 1,
}
