"""Local images of a machine's disks, kept at a point of it, and what was put aside where images were brought back to one."""

from typing import Literal, TypeAlias

import msgspec

from understudy.engine.values import ImageFormat, Value

StandbyState: TypeAlias = Literal["following", "paused", "in-use", "unknown"]
OrphanState: TypeAlias = Literal["saving", "saved", "done"]


class CreateStandby(Value, frozen=True):
    """Keep images of a machine's disks on this host. `directory`: each goes to <disk>.<format> there, also those of disks that it gets
    later; `images`: places of single disks. `adopt`: what is there already is compared, and only what differs written over.

    Said again for a machine that has one: places are added, or changed; images that have lost theirs stay where they are.
    """

    machine: str
    directory: str = ""
    images: dict[str, str] = msgspec.field(default_factory=dict)
    format: ImageFormat = "raw"
    adopt: bool = False


class FollowStandby(Value, frozen=True):
    """Bring the images to the newest point now. `prove`: read all of them and compare, where they are if they are paused."""

    machine: str
    prove: bool = False


class SetStandby(Value, frozen=True):
    """`paused`: the images stay as they are, and their point is held."""

    machine: str
    paused: bool


class RemoveStandby(Value, frozen=True):
    """Follow it no more. `keep_images`: they stay; else they are deleted, unless something else has written to them."""

    machine: str
    keep_images: bool = False


class StandbyDisk(Value, frozen=True):
    """`point`: what the image holds, bit for bit. Empty while it is brought `towards` a point, `came` from another (empty: from what was
    not known), and where it is not known what it holds, and `doubt` says why. `proven_at`: when the whole of it was last read and
    compared; of one on its way that is told when it is there."""

    name: str
    path: str
    format: ImageFormat
    point: str = ""
    came: str = ""
    towards: str = ""
    doubt: str = ""
    proven_at: int | None = None


class Standby(Value, frozen=True):
    """`point`: what all images hold, empty if they do not all hold the same; `number` and `frozen_at` are that point's, if the vault
    still tells of it. On their way between two points, `came_number` and `towards_number` are these; 0: not known. `behind`: so many
    points are newer than that which they hold, or came from, `lag_seconds`: the newest one was frozen so much later; None: unknown.
    `why`: it is unknown, since its record cannot be read, and what to do about that."""

    machine: str
    machine_id: str
    state: StandbyState
    since: int
    disks: tuple[StandbyDisk, ...]
    directory: str = ""
    used_by: str = ""
    former: tuple[str, ...] = ()
    point: str = ""
    number: int = 0
    frozen_at: int | None = None
    came_number: int = 0
    towards_number: int = 0
    behind: int | None = None
    lag_seconds: float | None = None
    why: str = ""


class OrphanDisk(Value, frozen=True):
    name: str
    id: str
    size: int
    path: str
    """The image that it was saved from."""


class Orphan(Value, frozen=True):
    """What images of a machine held beyond `point` when they were brought back to it: an export of that point with `directory` as its
    overlay shows the disks as they were. saving: not whole; saved: whole, and the images are being brought back; done: they were.
    `saved_bytes`: of what differed, zeros too; 0: the images held nothing beyond the point; None: not known. `stored_bytes`: what it takes.
    """

    name: str
    machine: str
    machine_id: str
    point: str
    number: int
    made_at: int
    state: OrphanState
    directory: str
    stored_bytes: int
    disks: tuple[OrphanDisk, ...]
    saved_bytes: int | None = None


class DropOrphan(Value, frozen=True):
    """Delete it for good."""

    machine: str
    name: str
