"""What is known of a run on disk: written before there is a process, and read again by whoever finds it."""

from pathlib import Path

import msgspec

from understudy.durable import read_record, write_record
from understudy.hypervisor.qemu.places import Places

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`token` is new at every start, and the process answers with it by QMP. `ended`: why we end it; written before we do."""

    token: str
    digest: str
    """Of everything that it was started from."""
    command: tuple[str, ...]
    boot: str
    """Which run of this host's kernel; no process outlives that."""
    name: str
    pid: int = 0
    born: int = 0
    """When the process began, in ticks since the host did: tells it from another of the same number."""
    ended: str = ""


def read(places: Places) -> Record | None:
    """None if there is none. `StateFailed` if it cannot be read: it is not known then whether there is a machine."""
    return read_record(places.record, Record, "look for the process and end it by hand, then remove it")


def write(places: Places, record: Record) -> None:
    """Durable when it returns."""
    write_record(places.record, record)


def boot_id() -> str:
    return _BOOT_ID.read_text().strip()


def birth(pid: int) -> int:
    """When a process began; 0 if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    # Its name is in brackets and may hold any character.
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in "ZX" else int(fields[19])
