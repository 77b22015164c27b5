"""What happens to the disks of a machine that is down."""

import shutil

from tests.live.restless import KIB64, LARGEST, Impossible, Restless
from tests.live.restless_online import Happening
from tests.source.machine import MIB


async def written_raw(world: Restless) -> None:
    slot = world.slot("raw")
    size = slot.path.stat().st_size
    for _ in range(world.chance.randint(1, 3)):
        offset, length = world.range(size)
        with slot.path.open("r+b") as file:
            file.seek(offset)
            file.write(world.chance.randbytes(length))


async def written_by_a_tool(world: Restless) -> None:
    slot = world.slot()
    size = MIB // 2
    commands = [word for command in world.touches(size) for word in ("-c", command)]
    world.tool("qemu-io", "-f", slot.form, *commands, slot.path)


async def snapshot_taken(world: Restless) -> None:
    world.tool("qemu-img", "snapshot", "-c", f"tag{world.another()}", world.slot("qcow2").path)


async def snapshot_applied(world: Restless) -> None:
    slot = world.slot("qcow2")
    world.tool("qemu-img", "snapshot", "-a", world.one(_tags(world, slot.path)), slot.path)


async def snapshot_deleted(world: Restless) -> None:
    slot = world.slot("qcow2")
    world.tool("qemu-img", "snapshot", "-d", world.one(_tags(world, slot.path)), slot.path)


def _tags(world: Restless, path: object) -> list[str]:
    lines = world.tool("qemu-img", "snapshot", "-l", str(path)).splitlines()[2:]
    return [line.split()[1] for line in lines]


async def overlaid(world: Restless) -> None:
    slot = world.slot()
    if len(slot.lower) > 1:
        raise Impossible("there are enough")
    over = world.directory / f"{slot.name}.{world.another()}.over"
    world.tool("qemu-img", "create", "-q", "-f", "qcow2", "-F", slot.form, "-b", slot.path, over)
    slot.lower.append((slot.path, slot.form))
    slot.path, slot.form = over, "qcow2"


async def overlay_dropped(world: Restless) -> None:
    """All that was written since the snapshot is forgotten."""
    slot = world.one([slot for slot in world.slots if slot.lower])
    slot.path.unlink()
    slot.path, slot.form = slot.lower.pop()


async def overlay_committed(world: Restless) -> None:
    slot = world.one([slot for slot in world.slots if slot.lower])
    world.tool("qemu-img", "commit", "-q", slot.path)
    slot.path, slot.form = slot.lower.pop()


async def converted(world: Restless) -> None:
    """The same content in another file of perhaps another format, and a little more."""
    slot = world.slot()
    form = world.chance.choice(["raw", "qcow2"])
    path = world.directory / f"{slot.name}.{world.another()}.{form}"
    world.tool("qemu-img", "convert", "-f", slot.form, "-O", form, slot.path, path)
    offset, length = world.range(MIB // 2)
    world.tool("qemu-io", "-f", form, "-c", f"write -P 3 {offset} {length}", path)
    slot.path, slot.form = path, form
    slot.lower.clear()


async def replaced_by_an_older_copy(world: Restless) -> None:
    slot = world.slot()
    copy = slot.path.with_name("copy")
    shutil.copy2(slot.path, copy)
    world.tool("qemu-io", "-f", slot.form, "-c", f"write -s {world.noise(KIB64)} 0 64k", slot.path)
    shutil.copy2(copy, slot.path)


async def grown(world: Restless) -> None:
    slot = world.slot()
    if slot.path.stat().st_size > 2 * LARGEST:
        raise Impossible("it is large enough")
    world.tool("qemu-img", "resize", "-q", "-f", slot.form, slot.path, f"+{world.chance.choice([512, KIB64, MIB // 2])}")


async def shrunk(world: Restless) -> None:
    slot = world.slot()
    world.tool("qemu-img", "resize", "-q", "--shrink", "-f", slot.form, slot.path, str(world.chance.choice([MIB, MIB - 512, MIB * 3 // 2])))


async def added(world: Restless) -> None:
    if len(world.slots) > 5:
        raise Impossible("there are enough")
    slot = world.new(world.chance.choice(["raw", "qcow2"]), MIB)
    world.tool("qemu-io", "-f", slot.form, "-c", "write -P 9 128k 64k", slot.path)


async def removed(world: Restless) -> None:
    if len(world.slots) < 3:
        raise Impossible("there are few enough")
    world.slots.remove(world.slot())


async def renamed(world: Restless) -> None:
    world.slot().node = f"renamed{world.another()}"


OFFLINE: list[Happening] = [
    *(written_raw, written_by_a_tool, snapshot_taken, snapshot_applied, snapshot_deleted, overlaid, overlay_dropped, overlay_committed),
    *(converted, replaced_by_an_older_copy, grown, shrunk, added, removed, renamed),
]
