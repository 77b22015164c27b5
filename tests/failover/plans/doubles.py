"""Operations that begin no machine. Their jobs lie in a file, as the daemon's do: who asks with the same key gets the same job."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.failover.plans.kit import ASKED, SECOND
from understudy.engine import PlanKind
from understudy.errors import Conflict
from understudy.failover.plans.operations import Outcome


class Operated:
    """`bad`: machines (ids) that fail; `endless`: that never end unless they are cancelled."""

    def __init__(self, jobs: Path, bad: Sequence[str] = (), endless: Sequence[str] = ()) -> None:
        self._jobs = jobs
        self._bad = bad
        self._endless = endless
        self.cancelled: list[str] = []

    def begun(self) -> list[str]:
        return self._jobs.read_text().split() if self._jobs.exists() else []

    async def run(self, kind: PlanKind, machine: str, options: Mapping[str, Any], key: str) -> str:
        assert options == {"point": "latest", "id": "", "reason": "plan dr, run r1"}
        job = f"{key}|{machine}"
        if job not in self.begun():
            with self._jobs.open("a") as file:
                file.write(job + "\n")
        return job

    async def clean_up(self, machine: str, job: str, note: str, key: str) -> str:
        assert job in self.begun()
        removal = f"{key}|remove {job.partition('|')[0]}|{note}".replace(" ", "_")
        if removal not in self.begun():
            with self._jobs.open("a") as file:
                file.write(removal + "\n")
        return removal

    async def outcome(self, job: str) -> Outcome | None:
        machine = job.partition("|")[2]
        if machine.startswith("remove"):
            return Outcome(ok=True, text="its test counts as passed")
        if job in self.cancelled:
            return Outcome(ok=False, text="it was cancelled")
        if machine in self._endless:
            return None
        if machine in self._bad:
            return Outcome(ok=False, text="no network of that name")
        return Outcome(ok=True, point="ab" * 16, number=7, frozen_at=ASKED - 3 * SECOND, running_at=ASKED + 8 * SECOND)

    async def cancel(self, job: str, actor: str) -> None:
        if job in self.cancelled:
            raise Conflict("it has ended")
        self.cancelled.append(job)
