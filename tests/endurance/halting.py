"""`understudy` as it is, but its daemon notes each step of its jobs, and stands still (SIGSTOP) before the one that it was told, once.

    python -m tests.endurance.halting UNDERSTUDY serve --config DIRECTORY/understudy.toml

`steps` in that directory takes a line for each step that was come to, `halt` holds the line of the one to stand still at.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from understudy.cli.main import run
from understudy.daemon.runner import Runner

STEPS, HALT = "steps", "halt"


def halting(directory: Path) -> None:
    """From now on, this process."""
    began, told, ends = Runner._run, Runner._progress, Runner._end
    last: dict[str, str] = {}

    def met(job: Any, step: str) -> None:
        if last.get(job.id) == step:
            return
        last[job.id] = step
        line = f"{job.kind} {step}\n"
        with (directory / STEPS).open("a") as steps:
            steps.write(line)
        halt = directory / HALT
        if halt.exists() and halt.read_text() == line:
            # Once: the job goes on when it is begun again.
            halt.unlink()
            os.kill(os.getpid(), signal.SIGSTOP)

    async def _run(self: Runner, run: Any, work: Any) -> None:
        met(run.job, "begin")
        await began(self, run, work)

    def _progress(self: Runner, run: Any, progress: Any) -> None:
        # What the other site says of its part names a step of its own.
        met(run.job, f"{progress.phase}: {progress.reason}" if progress.phase == "shut down" else progress.phase)
        told(self, run, progress)

    async def _end(self: Runner, run: Any, *words: Any, **fields: Any) -> None:
        met(run.job, "end")
        await ends(self, run, *words, **fields)

    for patched in (_run, _progress, _end):
        setattr(Runner, patched.__name__, patched)


if __name__ == "__main__":
    del sys.argv[0]
    if sys.argv[1] == "serve":
        halting(Path(sys.argv[sys.argv.index("--config") + 1]).parent)
    run()
