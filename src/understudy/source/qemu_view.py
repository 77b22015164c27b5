"""The frozen view in QEMU: for each disk an overlay in a scratch file, filled by a backup job before the guest overwrites, exported
over NBD. Built in steps that a killed process may leave at any point; torn down by looking for what is there."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from understudy.durable import NEEDS_ROOM, may_pass
from understudy.errors import SourceRefused, StateFailed
from understudy.finish import finish_in_thread
from understudy.qemu.blocklayer import delete_nodes, end_exports, end_jobs, run_job
from understudy.qemu.session import QmpSession
from understudy.source.qcow2_empty import make_empty
from understudy.source.qemu_bitmaps import Action, Bitmap
from understudy.source.qemu_disks import QemuDisk, below
from understudy.source.qemu_names import Names
from understudy.source.qemu_server import OTHER_USER
from understudy.source.qemu_survey import STARVED

CLUSTER = 65536
"""Bytes: what a scratch file is filled in, and a record of changes is kept in."""


async def make_overlays(session: QmpSession, names: Names, disks: Sequence[QemuDisk], *, backed: bool, cluster: int = CLUSTER) -> None:
    """One for each disk, side by side; `backed`: what is not in it is read from the disk. When this returns or raises, no command is
    under way any more."""
    results = await asyncio.gather(
        *(_make_overlay(session, names, index, disk, backed, cluster) for index, disk in enumerate(disks)), return_exceptions=True
    )
    for result in results:
        if result is not None:
            raise result


async def _make_overlay(session: QmpSession, names: Names, index: int, disk: QemuDisk, backed: bool, cluster: int) -> None:
    """An empty file with a node. QEMU makes the file itself, with its own rights; nothing in it must survive a crash."""
    path = os.fspath(names.scratch_file(index))
    job = names.creation(index)
    file = {"driver": "file", "filename": path}
    try:
        await run_job(session, "blockdev-create", job, {"options": {**file, "size": 0}})
        await finish_in_thread(partial(make_empty, names.scratch_file(index), disk.size, cluster))
    except SourceRefused as error:
        if may_pass(error.message):
            raise StateFailed(f"{error.message} ({path})", hint=NEEDS_ROOM) from error
        raise SourceRefused(f"{error.message} ({path})", hint=OTHER_USER) from error
    except PermissionError as error:
        raise SourceRefused(f"{path}: {error.strerror}", hint=OTHER_USER) from error
    except OSError as error:
        raise StateFailed(f"{path}: {error.strerror}", hint=NEEDS_ROOM) from error
    volatile = {"discard": "unmap", "cache": {"no-flush": True}}
    overlay: dict[str, object] = {"driver": "qcow2", "node-name": names.overlay(index), "file": {**file, **volatile}, **volatile}
    if backed:
        overlay["backing"] = disk.node
    await session.execute("blockdev-add", overlay)


def backup(names: Names, index: int, disk: QemuDisk, **more: object) -> Action:
    """From this instant on what the guest overwrites is saved in the scratch file first."""
    job = {"job-id": names.job(index), "device": disk.node, "target": names.overlay(index), "filter-node-name": names.filter(index), **more}
    return "blockdev-backup", job


async def export(session: QmpSession, identity: str, node: str, name: str, bitmap: Bitmap | None, *, beside: bool = False) -> None:
    """Serve a node over NBD, with a frozen record of changes as meta context; `beside`: it is of a node that this one is not laid on."""
    arguments: dict[str, object] = {"type": "nbd", "id": identity, "node-name": node, "name": name, "writable": False}
    if bitmap is not None:
        arguments["bitmaps"] = [{"node": bitmap.node, "name": bitmap.name} if beside else bitmap.name]
    await session.execute("block-export-add", arguments)


async def still_frozen(session: QmpSession, names: Names, disks: int) -> bool:
    """Whether every job that keeps the view frozen has been at work up to now."""
    running = {job["id"] for job in await session.execute("query-jobs") if job["status"] in ("running", "ready", "paused", "standby")}
    return all(names.job(index) in running for index in range(disks))


async def saving(session: QmpSession, names: Names) -> bool:
    """Whether a job of ours may hold up the guest's writes."""
    return any(job["id"].startswith(names.prefix) and job["type"] == "backup" for job in await session.execute("query-jobs"))


async def starved(session: QmpSession) -> bool:
    """Whether QEMU stopped the VM since a write failed."""
    return bool((await session.execute("query-status"))["status"] == STARVED)


async def swapped(session: QmpSession, prefix: str) -> dict[str, str]:
    """Devices that have a filter of ours for their drive, and its name."""
    return {
        block["qdev"]: block["inserted"]["node-name"]
        for block in await session.execute("query-block")
        if block.get("qdev") and block.get("inserted") and block["inserted"]["node-name"].startswith(prefix)
    }


async def tear_down(session: QmpSession, names: Names) -> None:
    """End every view of ours, whole or in part, this process's or a killed one's, made in whatever way. Records of changes stay."""
    await end_exports(session, names.prefix)
    await end_jobs(session, names.prefix)
    await delete_nodes(session, names.prefix, names.FROZEN)
    if found := await swapped(session, names.prefix):
        graph = await session.execute("x-debug-query-block-graph")
        for device, top in found.items():
            await session.execute("qom-set", {"path": device, "property": "drive", "value": below(graph, top)})
    await delete_nodes(session, names.prefix, names.FILTER)
    await delete_nodes(session, names.prefix)


async def remove_scratch(names: Names) -> None:
    """Scratch files of a view that has ended (or of a QEMU that has)."""
    await asyncio.to_thread(_remove_files, names.scratch)


def _remove_files(scratch: Path) -> None:
    if not scratch.is_dir():
        return
    for path in scratch.glob("*.qcow2"):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        # It stays where somebody put something else into it.
        scratch.rmdir()


def exported_name(index: int, point: str) -> str:
    """Never used twice, so that what is read is certainly this freeze's view, of this QEMU."""
    return f"{index}-{point}"
