"""What a tool is to the comparison: commands for each step, and nothing else. Whoever runs them is elsewhere."""

from pathlib import Path
from typing import Protocol

import msgspec

from bench.whole.step import Step

PASSPHRASE = "a passphrase that nobody guesses"
IMAGE = "image.raw"


class Place(msgspec.Struct, frozen=True):
    """Where a tool works. All are there when its commands run."""

    image: Path
    home: Path

    @property
    def stored(self) -> Path:
        """What counts as stored: below it, and nowhere else, the tool keeps what a restore needs."""
        return self.home / "stored"

    @property
    def local(self) -> Path:
        """What it keeps for itself: caches, signatures, its configuration."""
        return self.home / "local"

    @property
    def restored(self) -> Path:
        return self.home / "restored"

    @property
    def directories(self) -> tuple[Path, ...]:
        return self.stored, self.local, self.restored


class Command(msgspec.Struct, frozen=True):
    argv: tuple[str, ...]
    inside: Path


class Cannot(msgspec.Struct, frozen=True):
    """A step that a tool has no means for."""

    reason: str


class Failed(Cannot):
    """A step that a tool should have done, with its last words: it is asked for no other any more."""


class Tool(Protocol):
    """One tool with one choice of settings."""

    name: str
    setting: str
    why: str
    """What the setting is, and why it was chosen."""
    encrypts: bool
    version: tuple[str, ...]
    """A command that loads what the steps take of the program, and whose first line of output says which that is."""

    def environment(self, place: Place) -> dict[str, str]: ...

    def prepared(self, place: Place) -> tuple[Command, ...]:
        """Once, and not measured: what an operator does on the first day."""
        ...

    def commands(self, step: Step, place: Place) -> tuple[Command, ...] | Cannot: ...
