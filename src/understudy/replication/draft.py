"""A point between `begin` and `commit`."""

from dataclasses import dataclass

from understudy.vault.kinds import PackRef, Point


@dataclass(frozen=True, slots=True)
class Binding:
    """What ties one instant's points of several machines together; empty for a machine alone."""

    group: bytes = b""
    """This instant's id, 16 random bytes."""
    name: str = ""
    members: tuple[bytes, ...] = ()
    """Machine ids."""


ALONE = Binding()


@dataclass(frozen=True, slots=True)
class Draft:
    """A point whose packs and journal are durable and whose record is not appended yet."""

    body: Point
    uploaded: tuple[PackRef, ...]
    """Of its packs those that nothing else names."""
    paused: float
    quiesced: float
    began: float
    """Monotonic seconds, before the freeze."""
