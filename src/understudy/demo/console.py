"""What a guest says on its console: lines stamped with this host's clock as they arrive, and the values in those that begin with @."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Line:
    """One line, and when it arrived (wall clock, nanoseconds)."""

    at: int
    text: str

    def value_of(self, word: str) -> str | None:
        """What follows ``@word``, or None if the line is another."""
        head, _, rest = self.text.partition(" ")
        return rest if head == f"@{word}" else None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The guest's fsync of a record had returned when its line arrived."""

    at: int
    number: int


class Verdict(msgspec.Struct, frozen=True):
    """What a guest in check mode found; the fields are described in guest/checker.c."""

    fsck: tuple[int, ...]
    highest: int
    present: int
    missing: int
    corrupt: int
    torn: int
    head: int
    bytes: int
    bad: tuple[int, ...]

    @property
    def sound(self) -> bool:
        """The file systems are clean and no record below the highest is missing or corrupt."""
        return not any(self.fsck) and self.present == self.highest and self.missing == self.corrupt == 0


def acknowledged_before(acknowledgements: Sequence[Acknowledgement], instant: int) -> int:
    """The highest number whose line arrived before ``instant`` (nanoseconds), 0 if none.

    Lines arrive after the fact, so this never names a record that was not yet durable in the guest at that instant.
    """
    count = bisect_left(acknowledgements, instant, key=lambda acknowledgement: acknowledgement.at)
    return acknowledgements[count - 1].number if count else 0


class LineSplitter:
    """Bytes in, whole lines out."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes, at: int) -> list[Line]:
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [Line(at, line.strip(b"\r").decode(errors="replace")) for line in whole]
