"""Which way of freezing serves a VM safely. Pure: what a QEMU can do and what the operator wants in, a method or the reason out."""

from dataclasses import dataclass

FLEECING, BREAK_SNAPSHOT, PUSH = "fleecing", "break-snapshot", "push"
AUTO = "auto"

IOTHREAD_SAFE = (9, 0, 0)
"""Before, QEMU asserts and dies when an NBD client disconnects from a disk that an iothread serves (seen with 7.2.22)."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What decides, of a QEMU and its VM at one moment."""

    version: tuple[int, int, int]
    iothread: tuple[str, ...] = ()
    """Disks that an iothread serves."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The operator's wish. `allow_pause`: the VM may be stopped for some milliseconds at each freeze."""

    method: str = AUTO
    allow_pause: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no method serves, and what would change that."""

    reason: str
    hint: str = ""


def choose(capabilities: Capabilities, wanted: Wanted) -> str | Refusal:
    """The method's name."""
    if capabilities.iothread and capabilities.version < IOTHREAD_SAFE:
        return Refusal(
            f"disk '{capabilities.iothread[0]}' is served by an iothread, and QEMU {dotted(capabilities.version)} would abort the guest "
            "when a reader of its frozen view disconnects",
            hint=f"use QEMU {dotted(IOTHREAD_SAFE)} or later, or remove iothread= from the device",
        )
    return FLEECING


def dotted(version: tuple[int, int, int]) -> str:
    return ".".join(str(number) for number in version)
