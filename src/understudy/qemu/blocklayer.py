"""Long-lived things of QEMU's block layer, ended and waited for: jobs, exports, nodes. All are found by a prefix of their names."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from understudy.errors import SourceRefused, SourceUnavailable
from understudy.qemu.session import QmpRefused, QmpSession

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds for a job to be made or to end."""


async def run_job(session: QmpSession, command: str, job: str, arguments: Mapping[str, object]) -> None:
    """Start a job that ends by itself, wait, dismiss it. `SourceRefused` with its error if it failed."""
    await session.execute(command, {"job-id": job, **arguments})

    async def concluded() -> Mapping[str, Any] | None:
        jobs = await session.execute("query-jobs")
        return next((entry for entry in jobs if entry["id"] == job and entry["status"] == "concluded"), None)

    entry = await _wait(concluded, f"the job '{job}' to end")
    await session.execute("job-dismiss", {"id": job})
    if "error" in entry:
        raise SourceRefused(f"QEMU's job '{job}' ({command}) failed: {entry['error']}")


async def until_ready(session: QmpSession, job: str) -> None:
    """Wait for a mirror to have copied everything. `SourceRefused` if it ended instead."""

    async def there() -> bool:
        for entry in await session.execute("query-jobs"):
            if entry["id"] == job:
                return bool(entry["status"] == "ready")
        raise SourceRefused(f"QEMU's job '{job}' failed")

    await _wait(there, f"the job '{job}' to be ready")


async def end_exports(session: QmpSession, prefix: str) -> None:
    """Disconnect every client of our exports and remove these."""

    async def gone() -> bool:
        ours = [export for export in await session.execute("query-block-exports") if export["id"].startswith(prefix)]
        for export in ours:
            if not export["shutting-down"]:
                await _if_there(session, "block-export-del", {"id": export["id"], "mode": "hard"})
        return not ours

    await _wait(gone, "its exports to end")


async def end_jobs(session: QmpSession, prefix: str) -> None:
    """Cancel our jobs, dismiss those that ended."""

    async def gone() -> bool:
        ours = [job for job in await session.execute("query-jobs") if job["id"].startswith(prefix)]
        for job in ours:
            if job["status"] == "concluded":
                await _if_there(session, "job-dismiss", {"id": job["id"]})
            elif job["type"] in ("backup", "mirror") and job["status"] != "aborting":
                await _if_there(session, "block-job-cancel", {"device": job["id"], "force": True})
        return not ours

    await _wait(gone, "its jobs to end")


async def delete_nodes(session: QmpSession, prefix: str, ending: str = "") -> None:
    """Remove our nodes. Jobs, exports and other nodes that use them must have ended."""
    for node in await session.execute("query-named-block-nodes", {"flat": True}):
        if node["node-name"].startswith(prefix) and node["node-name"].endswith(ending):
            await _if_there(session, "blockdev-del", {"node-name": node["node-name"]})


async def _if_there(session: QmpSession, command: str, arguments: Mapping[str, object]) -> None:
    """What ended between the question and the command is what was wanted; what did not is found again by whoever asks next."""
    try:
        await session.execute(command, arguments)
    except QmpRefused as error:
        if error.command == "blockdev-del" and "not found" not in error.said.lower() and "failed to find" not in error.said.lower():
            raise


async def _wait(done: Callable[[], Awaitable[T | None]], what: str) -> T:
    deadline, pause = time.monotonic() + PATIENCE, 0.001
    while True:
        if result := await done():
            return result
        if time.monotonic() > deadline:
            raise SourceUnavailable(f"QEMU took more than {PATIENCE:g} s for {what}", hint="its storage may be stalled")
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.05)
