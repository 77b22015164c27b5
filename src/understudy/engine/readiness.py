"""Whether a machine could be started on this site, as it was looked at last."""

from typing import Literal, TypeAlias

from understudy.engine.networks import Look
from understudy.engine.values import Value

Verdict: TypeAlias = Literal["pass", "warn", "fail"]


class Readiness(Value, frozen=True):
    """Of one machine, looked at `at` (wall-clock ns). `site`: where it runs. `verdict`: the worst of `items`, whose names are steady."""

    machine: str
    id: str
    site: str
    at: int
    verdict: Verdict
    items: tuple[Look, ...]
