"""Jobs and events together: what is told is durable first, then everybody who follows hears of it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from understudy.engine import Event, EventQuery, Job, JobQuery, Severity
from understudy.errors import Conflict, StateFailed
from understudy.finish import finish
from understudy.jobs.bus import Bus
from understudy.jobs.database import Database
from understudy.jobs.events import Draft, add_events, last_event, prune_events, read_events
from understudy.jobs.table import add_job, prune_jobs, put_job, read_job, read_jobs, restore_job, unfinished

_LOG = logging.getLogger(__name__)
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
PENDING = 10_000
"""Events that wait for the file; while it fails, older ones are dropped (they are in the log)."""
MOST_EVENTS = 1_000_000
MOST_JOBS = 20_000
_PAGE = 500


class Journal:
    """Events are told in order and written by `run`, in the background, some at a time."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        self._bus = Bus()
        self._pending: list[Draft] = []
        self._wake = asyncio.Event()
        self.failed = ""
        """Why the file could not be written the last time; empty if it could."""

    async def open(self) -> None:
        await self._database.open()
        if self._database.moved:
            self.tell("daemon.jobs-lost", "warning", f"jobs and events could not be read, and are kept as {self._database.moved}")

    async def close(self) -> None:
        """Writes what is pending."""
        with suppress(StateFailed):
            await self._flush()
        await self._database.close()

    def tell(
        self,
        kind: str,
        severity: Severity,
        message: str,
        *,
        machine: str | None = None,
        job: str | None = None,
        actor: str = "",
        data: dict[str, Any] | None = None,
    ) -> None:
        """Something happened. Never fails: the log has it in any case."""
        draft = Draft(kind=kind, severity=severity, message=message, machine=machine, job=job, actor=actor, data=data or {})
        self._take(draft)
        del self._pending[:-PENDING]
        self._wake.set()

    def fault(self, message: str, error: BaseException, *, machine: str | None = None, job: str | None = None) -> None:
        """An error of this program itself: the log has its traceback."""
        self.tell("daemon.fault", "error", message, machine=machine, job=job)
        _LOG.error("traceback of: %s", message, exc_info=error, extra={"event": "daemon.fault", "machine": machine, "job": job})

    async def told(self, draft: Draft) -> None:
        """As `tell`, and durable when it returns. `StateFailed` if it cannot be."""
        self._take(draft)
        await self._flush()

    def _take(self, draft: Draft) -> None:
        about = {"event": draft.kind, "machine": draft.machine, "job": draft.job, "actor": draft.actor or None, "data": draft.data}
        _LOG.log(_LEVELS[draft.severity], draft.message, extra=about)
        self._pending.append(draft)

    async def run(self) -> None:
        """Write events until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._flush()
            except StateFailed as error:
                if not self.failed:
                    _LOG.error(error.message, extra={"event": "daemon.jobs-failed"})
                self.failed = error.message
                await asyncio.sleep(5)
                self._wake.set()
            else:
                self.failed = ""

    async def _flush(self) -> None:
        # Followers hear of all that is written, also when whoever had it written was cancelled.
        await finish(self._written())

    async def _written(self) -> None:
        drafts, self._pending = self._pending, []
        if not drafts:
            return
        try:
            events = await self._database.run(partial(add_events, drafts=drafts))
        except StateFailed:
            self._pending = (drafts + self._pending)[-PENDING:]
            raise
        for event in events:
            self._bus.tell(event)

    async def add(self, job: Job, key: str) -> tuple[Job, bool]:
        """Durable when it returns: `job` and True, or the one that this key gave before and False. Conflict if that is another request."""
        found = await self._database.run(partial(add_job, job=job, key=key))
        if found.id == job.id:
            self._bus.tell(job)
            return job, True
        if (found.kind, found.machine, found.parameters) != (job.kind, job.machine, job.parameters):
            raise Conflict(f"the idempotency key was used for another request, which is job {found.id}", hint="take a new key")
        return found, False

    async def restore(self, job: Job) -> tuple[Job, bool]:
        """Durable when it returns: `job`, instead of what is known of it; and whether nothing was."""
        fresh = await self._database.run(partial(restore_job, job=job))
        self._bus.tell(job)
        return job, fresh

    def show(self, job: Job) -> None:
        """Tell how a job is, without keeping it."""
        self._bus.tell(job)

    async def put(self, job: Job) -> None:
        """Durable when it returns."""
        await self._database.run(partial(put_job, job=job))
        self._bus.tell(job)

    async def job(self, id_: str) -> Job:
        return await self._database.read(partial(read_job, id_=id_))

    async def jobs(self, query: JobQuery) -> tuple[Job, ...]:
        return await self._database.read(partial(read_jobs, query=query))

    async def unfinished(self) -> Sequence[Job]:
        return await self._database.read(unfinished)

    async def events(self, query: EventQuery) -> tuple[Event, ...]:
        return await self._database.read(partial(read_events, query=query))

    async def follow(self, after: int | None) -> AsyncIterator[Event | Job]:
        """Events after `after` (None: from now on) and jobs as they change. `Overloaded` ends a reader that falls behind."""
        with self._bus.listening() as reader:
            last = await self._database.read(last_event) if after is None else after
            while after is not None and (page := await self.events(EventQuery(after=last, limit=_PAGE))):
                for event in page:
                    yield event
                last = page[-1].id
            async for what in reader.read():
                if isinstance(what, Event):
                    if what.id <= last:
                        continue
                    last = what.id
                yield what

    async def prune(self, jobs_for: float, events_for: float) -> None:
        """Forget what ended, and what happened, longer ago than these seconds."""
        now = time.time_ns()
        await self._database.run(partial(prune_jobs, before=now - round(jobs_for * 1e9), most=MOST_JOBS))
        await self._database.run(partial(prune_events, before=now - round(events_for * 1e9), most=MOST_EVENTS))
