"""What a standby's images hold, as their own records say. Nothing is read of the images, and nothing asked of the vault."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from understudy.engine import ImageFormat
from understudy.errors import TargetFailed
from understudy.local.standby.file import StandbyFile, StandbyImage, read_standby
from understudy.recovery import standing as st
from understudy.recovery.image_lock import written
from understudy.recovery.standing import Held, Holds, Identity, Unknown


@dataclass(frozen=True, slots=True)
class Image:
    """One disk's. `proven`: when its whole content was last compared with a point's digest (wall-clock ns), 0: not known. `towards`: the
    point that it is on its way to, from `came`, if that is known."""

    path: Path
    format: ImageFormat
    held: Held
    proven: int
    came: str = ""
    towards: str = ""

    @property
    def point(self) -> str:
        """The point that it holds, bit for bit; empty if that is not known."""
        return self.held.point if isinstance(self.held, Holds) else ""


@dataclass(frozen=True, slots=True)
class Standby:
    """Images by disk name. `point`: what all of them hold, in hex; empty where they do not all hold one and the same."""

    machine: str
    images: Mapping[str, Image]
    point: str
    paused: bool
    detached: str
    since: int

    @property
    def proven(self) -> int:
        """When the least lately proven one was; 0 if one never was."""
        return min((image.proven for image in self.images.values()), default=0)


def standby_of(directory: Path, vault: str, machine: str) -> Standby | None:
    """The standby that this host keeps of a machine (ids in hex) whose directory here this is; None without. Blocks the caller."""
    found = read_standby(directory)
    return None if found is None else standby_as(found, vault, machine)


def standby_as(found: StandbyFile, vault: str, machine: str) -> Standby:
    images = {name: _image(image, vault, machine) for name, image in found.images.items()}
    points = {image.point for image in images.values()}
    point = points.pop() if len(points) == 1 else ""
    return Standby(machine, images, point, found.paused, found.detached, found.since)


def written_to(directory: Path) -> str:
    """An image of the standby that somebody has open for writing; empty if none is. Not to be asked by who works on it. Blocks."""
    found = read_standby(directory)
    paths = [Path(image.path) for image in found.images.values()] if found is not None else []
    return next((str(path) for path in paths if written(path)), "")


def _image(image: StandbyImage, vault: str, machine: str) -> Image:
    path = Path(image.path)
    if image.adopting:
        return Image(path, image.format, Unknown("it is to be compared with the machine first"), 0)
    try:
        now = Identity.of(path)
    except TargetFailed:
        making = st.partial(path).exists()
        return Image(path, image.format, Unknown("it is being made" if making else "it is not there yet"), 0)
    standing = st.read(path)
    if standing is None:
        return Image(path, image.format, Unknown("it has no record of what it holds"), 0)
    if (standing.subject.vault, standing.subject.machine) != (vault, machine):
        return Image(path, image.format, Unknown("it is an image of another machine"), 0)
    held = st.held(standing, standing.subject, now)
    came = (standing.holds or "".join(standing.mixed[:1])) if standing.towards else ""
    return Image(path, image.format, held, standing.proven, came, standing.towards)
