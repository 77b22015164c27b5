"""The files of points, shown below a directory of this host."""

from typing import Literal, TypeAlias

from understudy.engine.values import Value

MountState: TypeAlias = Literal["mounted", "broken"]


class StartMount(Value, frozen=True):
    """Show the files of a machine's point as `name`. `machine` and `point` are ids, the rest is what a person calls them.

    `directory`: where, an absolute path; empty: in the state directory. `disks`: only these of the
    point's; empty: all.
    """

    name: str
    machine: str
    title: str
    point: str
    number: int
    frozen_at: int
    directory: str = ""
    disks: tuple[str, ...] = ()


class MountedDisk(Value, frozen=True):
    """`raw`: a file that is the whole disk. What is written to it is gone with the mount."""

    name: str
    size: int
    raw: str


class Volume(Value, frozen=True):
    """What lies on a disk from byte `start` on. `partition`: its number; 0: the disk as a whole. `kind`: as `blkid` calls it; empty: it
    knows nothing there. `path`: where its files are; empty: they are not shown, for the reason in `note`, and `hint` says what can be done.
    """

    disk: str
    partition: int
    start: int
    size: int
    kind: str = ""
    label: str = ""
    path: str = ""
    note: str = ""
    hint: str = ""


class Mount(Value, frozen=True):
    """ "broken": some part of it has gone, for the reason in `why`; it can be begun again, or ended."""

    name: str
    vault: str
    machine: str
    machine_id: str
    point: str
    number: int
    frozen_at: int
    directory: str
    export: str
    state: MountState
    why: str = ""
    disks: tuple[MountedDisk, ...] = ()
    volumes: tuple[Volume, ...] = ()


class Unmounted(Value, frozen=True):
    """`left`: directories of the mount that hold something that is not of it, and were left."""

    mount: Mount
    left: tuple[str, ...] = ()
