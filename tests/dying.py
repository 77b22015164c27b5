"""Processes that kill themselves in the midst of what they do."""

import itertools
import os
import signal
from collections.abc import Callable, Iterable
from typing import Any

from understudy.local import exporting


def at(step: int, calls: Iterable[tuple[Any, str]]) -> None:
    """From now on right before the nth of these calls, each a module's function; `step` counts from 1."""
    count = itertools.count(1)

    def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if next(count) >= step:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counted

    for module, name in calls:
        setattr(module, name, deadly(getattr(module, name)))


def once_an_export_begins() -> None:
    """From now on when the process that is to serve has been told what to do."""

    def ask(self: exporting._Process, order: bytes) -> bytes:
        os.write(self._to, order)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    exporting._Process.ask = ask  # type: ignore[method-assign]
