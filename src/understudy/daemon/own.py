"""What work knows of the job that it is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from understudy.engine import Job


@dataclass(frozen=True, slots=True)
class OwnJob:
    """`waits` and `goes_on` take words for who looks; they are durable when they return."""

    job: Job
    waits: Callable[[str], Awaitable[None]]
    goes_on: Callable[[str], Awaitable[None]]
