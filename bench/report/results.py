"""All that one run of the suite measured, as one JSON: what the page, the plots and the guard are made of."""

import msgspec

from bench.growth.figures import Row as Growth
from bench.live.figures import Row as Live
from bench.whole.figures import Run as Whole


class Host(msgspec.Struct, frozen=True):
    """The machine, without anything that would tell which one. Seconds and bytes a second of the disk that all ran on."""

    processor: str
    cores: int
    memory: int
    kernel: str
    python: str
    qemu: str
    filesystem: str
    written: float
    """Bytes a second of 512 MiB that are written and synced."""
    sync: float
    """Seconds of the middle one of many syncs of 4 KiB."""


class Kernel(msgspec.Struct, frozen=True):
    """Bytes a second of plain data, in the best round."""

    data: str
    what: str
    rate: float
    threads: int = 1
    against: dict[str, float] = {}
    """Limits of the same run by name: how many times as fast as each of them alone this was, in the best rounds of both."""
    beside: float | None = None
    """The same beside the first of them, both measured in turn, by the middle of many."""


class Idle(msgspec.Struct, frozen=True):
    """A cycle in which nothing changed. Seconds; bytes."""

    disk: str
    form: str
    cycle: float
    beyond: float
    """Of it, what QEMU's own answers did not take."""
    cpu: float
    syncs: float
    resident: int


class Start(msgspec.Struct, frozen=True):
    """Seconds until a guest's kernel ran from a point, and from a local image by the hypervisor alone."""

    disk: str
    took: float
    alone: float
    drained: float


class Results(msgspec.Struct, frozen=True):
    began: str
    """UTC."""
    commit: str
    command: str
    host: Host
    seconds: dict[str, float] = {}
    """Of each part that was run."""
    kernels: tuple[Kernel, ...] = ()
    pipeline: tuple[Kernel, ...] = ()
    whole: Whole | None = None
    live: tuple[Live, ...] = ()
    idle: tuple[Idle, ...] = ()
    starts: tuple[Start, ...] = ()
    growth: tuple[Growth, ...] = ()
