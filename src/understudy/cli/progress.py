"""Progress of a long operation: a live line with bytes, rate and time left on a terminal, nothing elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import (
    Progress as Bars,
)

from understudy.cli.output import Output
from understudy.engine import OnProgress, Progress


def _ignored(progress: Progress) -> None:
    """Nobody watches."""


class _Bar:
    """Follows one phase at a time; a new phase starts the rate and the time left afresh."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._phase = ""
        self._task: TaskID | None = None

    def __call__(self, progress: Progress) -> None:
        if self._task is None or progress.phase != self._phase:
            if self._task is not None:
                self._bars.remove_task(self._task)
            self._task = self._bars.add_task(progress.phase, total=progress.total)
            self._phase = progress.phase
        self._bars.update(self._task, completed=progress.done, total=progress.total)


@contextmanager
def shown(output: Output) -> Iterator[OnProgress]:
    """A callback that shows progress on stderr while the context lasts."""
    if output.as_json or not output.err.is_terminal:
        yield _ignored
        return
    bars = Bars(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=output.err,
        transient=True,
    )
    with bars:
        yield _Bar(bars)
