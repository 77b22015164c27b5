"""A process that kills itself right before the nth call by which it changes anything on a disk."""

import itertools
import os
import signal
from collections.abc import Callable
from typing import Any

from understudy.recovery import linux

CALLS = ("pwrite", "pwritev", "fsync", "fdatasync", "ftruncate", "rename", "replace", "unlink")


def after(step: int) -> None:
    """From now on; `step` counts from 1."""
    count = itertools.count(1)

    def deadly(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if next(count) >= step:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counted

    for name in CALLS:
        setattr(os, name, deadly(getattr(os, name)))
    linux.punch_hole = deadly(linux.punch_hole)
