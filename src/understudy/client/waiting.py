"""Waiting for a job, whatever becomes of the connection meanwhile: the job is the daemon's, and goes on without us."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec

from understudy.client.channel import Channel
from understudy.client.events import items
from understudy.client.failures import error_of
from understudy.engine import Event, Job, OnProgress, Progress
from understudy.errors import Conflict, DaemonUnavailable, UnderstudyError

T = TypeVar("T")

ENDED = ("succeeded", "failed", "cancelled")
LOOK_SECONDS = 10.0
"""So often a job is asked for although nothing was heard of it."""
PATIENCE_SECONDS = 120.0
"""For so long a daemon may be away (it is restarted) before waiting ends."""


async def waited_for(channel: Channel, job: Job, progress: OnProgress) -> Job:
    """The job when it has ended."""
    loop = asyncio.get_running_loop()
    heard = loop.time()
    while job.state not in ENDED:
        try:
            async with channel.stream("/v1/stream", query={"job": job.id}, last=None) as lines:
                # What changed before the stream began is seen here, what changes after that is in the stream.
                job = await channel.ask(Job, "GET", f"/v1/jobs/{job.id}")
                heard = loop.time()
                async with asyncio.timeout(LOOK_SECONDS):
                    job = await _followed(items(lines), job, progress)
        except TimeoutError:
            continue
        except UnderstudyError as error:
            if not isinstance(error, DaemonUnavailable) and not error.retryable:
                raise
            if loop.time() - heard > PATIENCE_SECONDS:
                raise
            await asyncio.sleep(1)
    return job


async def _followed(changes: AsyncIterator[Event | Job], job: Job, progress: OnProgress) -> Job:
    """The newest that is known when the stream ends, or the job."""
    _show(job, progress)
    if job.state in ENDED:
        return job
    async for item in changes:
        if isinstance(item, Job) and item.id == job.id:
            job = item
            _show(job, progress)
            if job.state in ENDED:
                break
    return job


def _show(job: Job, progress: OnProgress) -> None:
    if job.state == "running" and job.progress.phase:
        progress(Progress(phase=job.progress.phase, done=job.progress.done, total=job.progress.total))


def result_of(job: Job, kind: type[T]) -> T:
    """What an ended job gave; how it failed is raised."""
    if job.state == "cancelled":
        raise Conflict(f"job {job.id} was cancelled", hint=f"`understudy job show {job.id}` tells by whom")
    if job.error is not None:
        raise error_of(job.error)
    try:
        return msgspec.convert(job.result, kind)
    except msgspec.ValidationError as error:
        raise DaemonUnavailable(
            f"the result of job {job.id} makes no sense: {error}", hint="are the daemon and this command of the same version?"
        ) from error
