"""A process that kills itself right before the nth call by which it changes anything on a disk."""

import os

from tests import dying
from understudy.recovery import linux

CALLS = ("pwrite", "pwritev", "fsync", "fdatasync", "ftruncate", "rename", "replace", "unlink")


def after(step: int) -> None:
    """From now on; `step` counts from 1."""
    dying.at(step, [*((os, name) for name in CALLS), (linux, "punch_hole")])
