"""Who waits for a machine's next cycle."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from understudy.engine import Cycle, Progress


@dataclass(slots=True)
class Wanted:
    """Somebody waits for a cycle that begins from now on."""

    app_consistent: bool
    progress: Callable[[Progress], None]
    done: "asyncio.Future[Cycle]"

    def made(self, cycle: Cycle) -> None:
        if not self.done.done():
            self.done.set_result(cycle)

    def failed(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)
