"""Making a disk's overlay whole while its guest runs: QEMU copies into it what it lacks.

QEMU dismisses the job itself when it is done: a job of this kind that is over and still listed has a node without a child, and QEMU 7.2
ends by a fault when it is asked for its nodes then. So an error must not end it either; it stands still then, and is set going again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from understudy.errors import Busy, Conflict, TargetFailed, UnderstudyError
from understudy.hypervisor.qemu.image_arguments import below_of, node_of
from understudy.hypervisor.qemu.process import RunProcess
from understudy.qemu.session import QmpRefused, QmpSession

POLL = 0.2
WAITS = 90.0
"""Seconds without any progress: another job has the disk, what lies below does not answer, or there is no room."""

Told = Callable[[int, int], None]
"""Bytes done, and of how many."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """`trouble`: why it does not go on. `over`: nothing is left to do."""

    done: int
    total: int
    trouble: UnderstudyError | None = None
    over: bool = False


async def drain(process: RunProcess, disk: str, told: Told) -> None:
    """Said again it goes on with the job that is under way, or begins one that copies what is still missing.

    The session is given back between questions: its socket serves one at a time.
    """
    clock, came = asyncio.get_running_loop().time, -1
    until = clock() + WAITS
    while True:
        async with process.session() as session:
            seen = await _further(session, disk)
        if seen.done > came:
            came, until = seen.done, clock() + WAITS
            told(seen.done, seen.total)
        if seen.over:
            return
        if seen.trouble is not None and clock() > until:
            raise seen.trouble
        await asyncio.sleep(POLL)


async def _further(session: QmpSession, disk: str) -> _Seen:
    """Do what is next, and tell how far it is."""
    job = f"drain-{node_of(disk)}"
    entry = next((entry for entry in await session.execute("query-block-jobs") if entry["device"] == job), None)
    if entry is not None:
        return _Seen(entry["offset"], entry["len"], await _resumed(session, disk, entry))
    sizes = {node["node-name"]: node["image"]["virtual-size"] for node in await session.execute("query-named-block-nodes", {"flat": True})}
    if (size := sizes.get(node_of(disk))) is None:
        raise Conflict(f"the machine has no disk {disk} any more", hint="end it, and start it again")
    if await _backed(session, node_of(disk)):
        return _Seen(0, size, await _begun(session, disk, job))
    await _flush(session, disk)
    for name in below_of(disk):
        if name in sizes:
            await session.execute("blockdev-del", {"node-name": name})
    return _Seen(size, size, over=True)


async def _resumed(session: QmpSession, disk: str, entry: dict[str, Any]) -> UnderstudyError | None:
    """Why it stood still. The first request to a server that came back may still fail."""
    if entry["status"] != "paused":
        return None
    await session.execute("job-resume", {"id": entry["device"]})
    why, what = "reading it or writing its overlay fails", "see its export, and whether that reaches the vault"
    if entry["io-status"] == "nospace":
        why, what = "there is no room for its overlay", "free space there"
    return TargetFailed(f"disk {disk} cannot be drained: {why}", hint=f"{what}; then drain it again: what was copied stays")


async def _begun(session: QmpSession, disk: str, job: str) -> UnderstudyError | None:
    try:
        await session.execute("block-stream", {"job-id": job, "device": node_of(disk), "on-error": "stop"})
    except QmpRefused as error:
        if "in use" not in error.said and "busy" not in error.said:
            raise
        return Busy(f"disk {disk} cannot be drained now: {error.said}", hint="wait until its replication's cycle is over")
    # Over and over, should somebody cancel it.
    return Busy(f"the job that drains disk {disk} is cancelled again and again", hint="see who does that, in its QEMU")


async def _backed(session: QmpSession, node: str) -> bool:
    graph = await session.execute("x-debug-query-block-graph")
    (number,) = (entry["id"] for entry in graph["nodes"] if entry["type"] == "block-driver" and entry["name"] == node)
    return any(edge["parent"] == number and edge["name"] == "backing" for edge in graph["edges"])


async def _flush(session: QmpSession, disk: str) -> None:
    """Only then does the overlay have what was copied, whatever becomes of QEMU and this host."""
    said = await session.execute("human-monitor-command", {"command-line": f"qemu-io {node_of(disk)} flush"})
    if said:
        raise TargetFailed(f"the overlay of disk {disk} cannot be flushed: {said.strip()}", hint="see its file system, and drain it again")
