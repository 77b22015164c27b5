"""Which way of freezing serves a VM safely. Pure: what a QEMU can do and what the operator wants in, a method or the reason out."""

from dataclasses import dataclass

from understudy.errors import SourceRefused

FLEECING, BREAK_SNAPSHOT, PUSH = "fleecing", "break-snapshot", "push"
AUTO = "auto"

SNAPSHOT_ACCESS = (10, 0, 0)
"""A view through a copy-before-write filter that is right while the guest discards: with 7.2.22 it reads wrong bytes, with 10.0.13 not."""
IOTHREAD_SAFE = (9, 0, 0)
"""Before, QEMU asserts and dies when an NBD client disconnects from a disk that an iothread serves (seen with 7.2.22)."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What decides, of a QEMU and its VM at one moment."""

    version: tuple[int, int, int]
    disks: int = 1
    iothread: tuple[str, ...] = ()
    """Disks that an iothread serves."""
    served: bool = False
    """Whether somebody else's NBD server runs in this QEMU, which can have one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The operator's wish. `allow_pause`: the VM may be stopped for some milliseconds at each freeze."""

    method: str = AUTO
    allow_pause: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a method does not serve, and what would change that."""

    reason: str
    hint: str = ""


def choose(capabilities: Capabilities, wanted: Wanted) -> str | Refusal:
    """The method's name: the wanted one, or the first that serves."""
    if wanted.method != AUTO:
        return _obstacle(wanted.method, capabilities, wanted) or wanted.method
    refusal = Refusal("")
    for method in (BREAK_SNAPSHOT, FLEECING, PUSH) if wanted.allow_pause else (FLEECING, PUSH):
        obstacle = _obstacle(method, capabilities, wanted)
        if obstacle is None:
            return method
        refusal = obstacle
    return refusal


def _obstacle(method: str, capabilities: Capabilities, wanted: Wanted) -> Refusal | None:
    """Why this method must not be used."""
    if method == PUSH:
        return None
    another = "choose push, which needs no NBD server in QEMU"
    if method == BREAK_SNAPSHOT:
        if capabilities.version < SNAPSHOT_ACCESS:
            return Refusal(
                f"QEMU {dotted(capabilities.version)} is too old for {method}: its view is not stable while the guest discards",
                hint=f"choose fleecing or push; or use QEMU {dotted(SNAPSHOT_ACCESS)} or later",
            )
        if capabilities.iothread:
            return Refusal(
                f"disk '{capabilities.iothread[0]}' is served by an iothread, and guests were seen to stall when such a drive is exchanged",
                hint="choose fleecing or push",
            )
        if capabilities.disks > 1 and not wanted.allow_pause:
            return Refusal(
                "this VM has several disks, which are frozen at one instant by this method only while it stands still",
                hint="allow a short pause (--allow-pause), or choose fleecing",
            )
    if capabilities.iothread and capabilities.version < IOTHREAD_SAFE:
        return Refusal(
            f"disk '{capabilities.iothread[0]}' is served by an iothread, and QEMU {dotted(capabilities.version)} would abort the guest "
            "when a reader of its frozen view disconnects",
            hint=f"{another}; or use QEMU {dotted(IOTHREAD_SAFE)} or later, or remove iothread= from the device",
        )
    if capabilities.served:
        return Refusal("this QEMU runs an NBD server of somebody else's, and can have only one", hint=another)
    return None


def dotted(version: tuple[int, int, int]) -> str:
    return ".".join(str(number) for number in version)


def chosen(capabilities: Capabilities, wanted: Wanted) -> str:
    """As `choose`; `SourceRefused` with the reason."""
    method = choose(capabilities, wanted)
    if isinstance(method, Refusal):
        raise SourceRefused(method.reason, hint=method.hint)
    return method
