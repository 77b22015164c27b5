"""Points that are served over NBD."""

from typing import Literal, TypeAlias

from understudy.engine.values import Value

ExportState: TypeAlias = Literal["serving", "stopped", "unknown"]


class StartExport(Value, frozen=True):
    """Serve a point of a machine as `name`. `overlay`: a directory for what clients write; empty: they may only read. `listen`: a unix
    socket's path or HOST:PORT, empty: a socket in the state directory. `tls`: a directory of certificates, which HOST:PORT needs.
    """

    name: str
    machine: str
    point: str
    overlay: str = ""
    listen: str = ""
    tls: str = ""


class ExportedDisk(Value, frozen=True):
    name: str
    id: str
    size: int
    uri: str


class Export(Value, frozen=True):
    """`pid` 0 and "stopped": its process has ended; the point is held still, and what was written to the overlay is there. "unknown": this
    host cannot read what it has of it, for the reason in `why`; nothing but its name is known then."""

    name: str
    vault: str
    machine: str
    machine_id: str
    point: str
    number: int
    frozen_at: int
    overlay: str
    listen: str
    disks: tuple[ExportedDisk, ...]
    state: ExportState
    pid: int
    tls: str = ""
    why: str = ""
