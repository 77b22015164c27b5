"""Durable jobs and events, as they are shown."""

from typing import Any, Literal, TypeAlias

import msgspec

from understudy.engine.values import Value

JobState: TypeAlias = Literal["pending", "running", "waiting", "succeeded", "failed", "cancelled"]
JobKind: TypeAlias = Literal[
    "replicate",
    "restore",
    "verify",
    "prune",
    "collect",
    "seed-export",
    "seed-import",
    "follow-standby",
    "profile",
    "failover",
    "change-point",
    "cancel-failover",
    "commit-failover",
    "start-again",
    "reprotect",
    "test-failover",
    "drill-cleanup",
    "plan",
]
Severity: TypeAlias = Literal["info", "warning", "error"]


class Failure(Value, frozen=True):
    """An error of the one family, for whoever reads about it later."""

    code: str
    message: str
    hint: str = ""
    retryable: bool = False


class JobProgress(Value, frozen=True):
    """How far a job is. `rate`: units of `done` a second, lately; `eta_seconds` None while it cannot be told."""

    phase: str = ""
    done: int = 0
    total: int | None = None
    rate: float = 0.0
    eta_seconds: float | None = None


class JobStep(Value, frozen=True):
    name: str
    began_at: int
    ended_at: int | None = None


class Job(Value, frozen=True):
    """One long operation. `attempts`: how often it was begun; more than one after a restart of the daemon, which `note` then tells."""

    id: str
    kind: JobKind
    machine: str | None
    """Its id."""
    parameters: dict[str, Any]
    actor: str
    state: JobState
    created_at: int
    started_at: int | None = None
    ended_at: int | None = None
    attempts: int = 0
    steps: tuple[JobStep, ...] = ()
    progress: JobProgress = JobProgress()
    result: dict[str, Any] | None = None
    error: Failure | None = None
    cancellable: bool = False
    note: str = ""


class Event(Value, frozen=True):
    """Something that happened. `id` grows from event to event and is never used twice, so that a reader can go on after it."""

    id: int
    at: int
    kind: str
    """Dotted and stable: machine.cycle, machine.failed, machine.health, job.started, job.ended, policy.set, request (the audit trail) …"""
    severity: Severity
    message: str
    machine: str | None = None
    job: str | None = None
    actor: str = ""
    data: dict[str, Any] = msgspec.field(default_factory=dict)
