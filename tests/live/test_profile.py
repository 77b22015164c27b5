"""What a real guest writes at a known rate is what a watch counts."""

import asyncio

from understudy import engine
from understudy.engine.needs import needs_of
from understudy.engine.profiling import Profile
from understudy.qemu.session import QmpSession
from understudy.source.qemu_profile import profiled

KIB = 1024
ROUNDS, WRITES = 12, 8
# Each round writes 8 x 64 KiB to places of its own on one disk, and 4 KiB to the same place of the other.
SCRIPT = "; ".join(
    (
        f"for round in $(seq 1 {ROUNDS}); do dd if=/dev/urandom of=/dev/vda bs=64k count={WRITES} seek=$((round * {WRITES})) oflag=direct",
        "dd if=/dev/urandom of=/dev/vdb bs=4k count=1 seek=77 oflag=direct",
        "usleep 300000",
        "done",
    )
)


async def test_a_guest_that_writes_at_a_known_rate(start_guest, two_disks):
    guest = await start_guest("shell", two_disks)
    stop = asyncio.Event()
    request = Profile(machine="web", seconds=600.0, every=0.5)
    watch = asyncio.create_task(profiled(engine.QemuSource(qmp=str(guest.qmp)), request, lambda progress: None, stop=stop))
    control = await QmpSession.connect(str(guest.control))
    while not await records(control):
        assert not watch.done()
        await asyncio.sleep(0.01)
    await guest.run(SCRIPT, 120.0)
    await asyncio.sleep(3 * request.every)
    stop.set()
    seen = await watch
    assert await records(control) == []
    await control.close()
    short = seen.spans[0]
    total, own = short.mean_bytes * short.count, ROUNDS * WRITES * 64 * KIB
    # What is written between QEMU's answer and its order is counted by none: a round or two, on a host that is very busy.
    assert 0.75 * own <= total
    assert all(spans.mean_bytes * spans.count <= own + ROUNDS * 4 * KIB for spans in seen.spans)
    needs = needs_of("web", seen, (), None, 125e6)
    assert needs.recommended == 0.5
    assert needs.intervals[0].p95_rate * 0.5 >= short.mean_bytes


async def records(control: QmpSession) -> list[str]:
    nodes = await control.execute("query-named-block-nodes", {"flat": True})
    names = [bitmap.get("name", "") for node in nodes for bitmap in node.get("dirty-bitmaps", ())]
    return [name for name in names if name.startswith("understudy-profile-")]
