"""What happens to a machine that runs."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.live.restless import KIB64, LARGEST, Impossible, Restless, Slot
from tests.source.machine import MIB
from understudy.errors import UnderstudyError

Happening = Callable[[Restless], Awaitable[None]]


async def written(world: Restless) -> None:
    for slot in world.slots:
        if world.chance.random() < 0.6:
            await world.touch(slot)


async def written_during_a_cycle(world: Restless) -> None:
    """What that point holds is not known; that the next one is right shows that nothing slipped through."""
    cycle = asyncio.ensure_future(world.followed.blind())
    try:
        while not cycle.done():
            await world.touch(world.slot())
    finally:
        try:
            await cycle
        except UnderstudyError as error:
            if not error.retryable:
                raise
    world.unknown = True


async def snapshot(world: Restless) -> None:
    slot = world.slot()
    if len(slot.lower) > 1:
        raise Impossible("there are enough")
    over = world.directory / f"{slot.name}.{world.another()}.over"
    node = f"{slot.name}-over{world.number}"
    await world.asked("blockdev-snapshot-sync", node_name=slot.node, snapshot_file=str(over), snapshot_node_name=node)
    slot.lower.append((slot.path, slot.form))
    slot.path, slot.form, slot.node = over, "qcow2", node
    world.fit()
    await world.touch(slot)


async def committed(world: Restless) -> None:
    slot = world.one([slot for slot in world.slots if slot.lower])
    path, form = slot.lower[-1]
    below = next(node["node-name"] for node in await world.nodes() if node["file"] == str(path) and node["drv"] == form)
    await world.job("block-commit", device=slot.node, base_node=below)
    slot.path, slot.form, slot.node = path, form, below
    slot.lower.pop()
    world.fit()


async def streamed(world: Restless) -> None:
    """The top image becomes independent of those below."""
    slot = world.one([slot for slot in world.slots if slot.lower])
    await world.job("block-stream", device=slot.node)
    slot.lower.clear()


async def mirrored(world: Restless) -> None:
    slot = world.slot()
    form = world.chance.choice(["raw", "qcow2"])
    path, node = world.directory / f"{slot.name}.{world.another()}.moved", f"{slot.name}-moved{world.number}"
    world.tool("qemu-img", "create", "-q", "-f", form, path, str(await world.size(slot)))
    await world.asked("blockdev-add", driver="file", filename=str(path), node_name=f"{node}-file", discard="unmap")
    await world.asked("blockdev-add", driver=form, file=f"{node}-file", node_name=node, discard="unmap")
    try:
        await world.job("blockdev-mirror", device=slot.node, target=node, sync="full")
    except Impossible:
        await world.machine.execute("blockdev-del", node_name=node)
        raise
    slot.path, slot.form, slot.node = path, form, node
    slot.lower.clear()
    world.fit()
    await world.touch(slot)


async def resize(world: Restless, slot: Slot, size: int) -> None:
    await world.asked("block_resize", node_name=slot.node, size=size)


async def grown(world: Restless) -> None:
    slot = world.slot()
    size = await world.size(slot)
    if size >= LARGEST:
        raise Impossible("it is large enough")
    await resize(world, slot, size + world.chance.choice([512, KIB64, MIB]))
    await world.touch(slot)


async def shrunk(world: Restless) -> None:
    slot = world.slot()
    size = await world.size(slot)
    if size < MIB:
        raise Impossible("it is small enough")
    await resize(world, slot, size - world.chance.choice([KIB64, MIB // 2]))


async def shrunk_and_grown_again(world: Restless) -> None:
    slot = world.slot()
    size = await world.size(slot)
    await resize(world, slot, size // 2)
    await resize(world, slot, size)


async def plugged(world: Restless) -> None:
    if len(world.slots) > 5:
        raise Impossible("there are enough")
    slot = world.new(world.chance.choice(["raw", "qcow2"]), MIB, late=True)
    file = {"driver": "file", "filename": str(slot.path), "node_name": f"{slot.node}-file", "discard": "unmap"}
    await world.asked("blockdev-add", **file)
    await world.asked("blockdev-add", driver=slot.form, file=f"{slot.node}-file", node_name=slot.node, discard="unmap")
    await world.asked("device_add", driver="scsi-hd", bus="late.0", drive=slot.node, id=slot.name)
    world.fit()
    await world.touch(slot)


async def unplugged(world: Restless) -> None:
    slot = world.one([slot for slot in world.slots if slot.late])
    await world.asked("device_del", id=slot.name)

    async def gone() -> bool:
        blocks = await world.machine.execute("query-block")
        assert isinstance(blocks, list)
        return not any(slot.name in block.get("qdev", "").split("/") for block in blocks)

    await world.machine.until(gone)
    world.slots.remove(slot)
    world.fit()


async def record_removed(world: Restless) -> None:
    await _records(world, world.slot(), "block-dirty-bitmap-remove")


async def record_switched_off(world: Restless) -> None:
    slot = world.slot()
    await _records(world, slot, "block-dirty-bitmap-disable")
    await world.touch(slot)


async def _records(world: Restless, slot: Slot, command: str) -> None:
    names = [
        bitmap["name"]
        for node in await world.nodes()
        if node["node-name"] == slot.node
        for bitmap in node.get("dirty-bitmaps", ())
        if bitmap.get("name", "").startswith("understudy-")
    ]
    for name in names:
        await world.asked(command, node=slot.node, name=name)


async def foreign_record(world: Restless) -> None:
    slot = world.slot()
    await world.asked("block-dirty-bitmap-add", node=slot.node, name=f"understudy-{world.another():012}", persistent=slot.form == "qcow2")


async def foreign_backup(world: Restless) -> None:
    slot = world.slot()
    node = f"sink{world.another()}"
    await world.asked("blockdev-add", driver="null-co", node_name=node, size=await world.size(slot), read_zeroes=True)
    await world.asked("blockdev-backup", job_id=node, device=slot.node, target=node, sync="none", filter_node_name=f"{node}-filter")
    await world.touch(slot)


async def foreign_backup_ended(world: Restless) -> None:
    jobs = await world.machine.execute("query-jobs")
    assert isinstance(jobs, list)
    job = world.one([job["id"] for job in jobs if job["id"].startswith("sink")])
    await world.asked("block-job-cancel", device=job, force=True)

    async def over() -> bool:
        found = await world.machine.execute("query-jobs")
        assert isinstance(found, list)
        return not any(other["id"] == job for other in found)

    await world.machine.until(over)


async def snapshot_saved(world: Restless) -> None:
    nodes = [slot.node for slot in world.slots if slot.form == "qcow2"]
    tag = f"tag{world.another()}"
    await world.job("snapshot-save", tag=tag, vmstate=world.one(nodes), devices=nodes)


async def snapshot_loaded(world: Restless) -> None:
    """QEMU loads none while there are records of changes: ours are taken away first, by us or by hand."""
    held: dict[str, set[str]] = {}
    states: dict[str, set[str]] = {}
    for node in await world.nodes():
        snapshots = node["image"].get("snapshots", ())
        held[node["node-name"]] = {snapshot["name"] for snapshot in snapshots}
        states[node["node-name"]] = {snapshot["name"] for snapshot in snapshots if snapshot["vm-state-size"]}
    tops = [slot.node for slot in world.slots]
    tag = world.one(sorted(set().union(*(states[node] for node in tops))))
    nodes = [
        node
        for node in tops
        if tag in {s["name"] for n in await world.nodes() if n["node-name"] == node for s in n["image"].get("snapshots", ())}
    ]
    vmstate = world.one([node for node in nodes if tag in held[node]])
    arguments = {"tag": tag, "vmstate": vmstate, "devices": nodes}
    if world.chance.random() < 0.2:
        await _loaded(world, arguments)
        return
    if by_hand := world.chance.random() < 0.5:
        for slot in world.slots:
            await _records(world, slot, "block-dirty-bitmap-remove")
    else:
        await world.followed.end()
        await world.followed.unprotect()
    try:
        await _loaded(world, arguments)
    finally:
        if not by_hand:
            await world.followed.protect()


async def _loaded(world: Restless, arguments: dict[str, object]) -> None:
    try:
        await world.job("snapshot-load", **arguments)
    finally:
        # It leaves the VM standing in a state of its own.
        await world.machine.execute("cont")
        await world.machine.execute("stop")


ONLINE: dict[Happening, int] = {
    written: 12,
    written_during_a_cycle: 4,
    snapshot: 3,
    committed: 3,
    streamed: 1,
    mirrored: 2,
    grown: 2,
    shrunk: 2,
    shrunk_and_grown_again: 1,
    plugged: 2,
    unplugged: 1,
    record_removed: 1,
    record_switched_off: 1,
    foreign_record: 1,
    foreign_backup: 2,
    foreign_backup_ended: 3,
    snapshot_saved: 2,
    snapshot_loaded: 3,
}
"""And how often, in proportion."""
