"""borg, one thread, told of its settings at each archive."""

import msgspec

from bench.whole.step import Step
from bench.whole.tool import PASSPHRASE, Command, Place


class Borg(msgspec.Struct, frozen=True):
    setting: str
    why: str
    encryption: str
    creating: tuple[str, ...]
    extracting: tuple[str, ...] = ()
    name: str = "borg"
    encrypts: bool = True
    version: tuple[str, ...] = ("borg", "--version")

    def environment(self, place: Place) -> dict[str, str]:
        return {"BORG_REPO": str(place.stored), "BORG_PASSPHRASE": PASSPHRASE, "BORG_BASE_DIR": str(place.local)}

    def prepared(self, place: Place) -> tuple[Command, ...]:
        return (_said(place, "init", "--encryption", self.encryption),)

    def commands(self, step: Step, place: Place) -> tuple[Command, ...]:
        match step:
            case Step.RESTORE:
                newest = f"::{Step.SEQUENTIAL}"
                return (Command(("borg", "extract", *self.extracting, newest), place.restored),)
            case Step.PRUNE:
                return _said(place, "prune", "--keep-last", "1"), _said(place, "compact")
            case _:
                return (_said(place, "create", *self.creating, f"::{step}", str(place.image)),)


def _said(place: Place, *words: str) -> Command:
    return Command(("borg", *words), place.home)


DEFAULTS = Borg("defaults", "repokey (the only choice that must be made), LZ4, chunks cut by content", "repokey", ())
# repokey throughout: SHA-256 is done by this processor itself, and repokey-blake2 took twice its seconds. LZ4 throughout: with
# --compression none the seconds saved on compressing went into encrypting and writing twice as many bytes.
FASTEST = Borg(
    "fixed 4 MiB",
    "chunks of 4 MiB cut by position, the example of its manual for disk images; --sparse skips holes",
    "repokey",
    ("--compression", "lz4", "--chunker-params", "fixed,4194304", "--sparse"),
    ("--sparse",),
)
FINE = Borg(
    "fixed 64 KiB",
    "chunks of 64 KiB cut by position: more work a byte, less around each changed block; --sparse skips holes",
    "repokey",
    ("--compression", "lz4", "--chunker-params", "fixed,65536", "--sparse"),
    ("--sparse",),
)
