"""A job in words. Pure."""

from understudy.cli.words import NANOSECONDS, size
from understudy.engine import Job, JobState
from understudy.engine.units import duration

STYLES: dict[JobState, str] = {
    "pending": "dim",
    "running": "cyan",
    "waiting": "yellow",
    "succeeded": "green",
    "failed": "bold red",
    "cancelled": "yellow",
}


def what(job: Job) -> str:
    """Its kind, and for what other than a machine."""
    if job.kind == "plan":
        return f"plan {job.parameters.get('plan', '')} as {job.parameters.get('kind', '')}"
    group = job.parameters.get("group")
    return f"{job.kind} of group {group}" if group else job.kind


def how_far(job: Job) -> str:
    """What it does, how far that is, and how long it will take; or how it ended."""
    if job.error is not None:
        return job.error.message
    if job.state not in ("running", "waiting"):
        took = f"took {duration((job.ended_at - job.started_at) / NANOSECONDS)}" if job.ended_at and job.started_at else ""
        return ", ".join(part for part in (took, job.note) if part)
    progress = job.progress
    parts = [progress.phase] if progress.phase else []
    if progress.total:
        parts.append(f"{100 * progress.done // progress.total} % of {size(progress.total)}")
    if progress.rate:
        parts.append(f"{size(progress.rate)}/s")
    if progress.eta_seconds is not None:
        parts.append(f"{duration(progress.eta_seconds)} left")
    return ", ".join([*parts, *([job.note] if job.note else [])])
