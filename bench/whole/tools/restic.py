"""restic, whose repository is always encrypted, and whose chunks are always cut by content."""

import msgspec

from bench.whole.step import Step
from bench.whole.tool import PASSPHRASE, Command, Place


class Restic(msgspec.Struct, frozen=True):
    setting: str
    why: str
    options: tuple[str, ...]
    name: str = "restic"
    encrypts: bool = True
    version: tuple[str, ...] = ("restic", "version")

    def environment(self, place: Place) -> dict[str, str]:
        return {
            "RESTIC_REPOSITORY": str(place.stored),
            "RESTIC_PASSWORD": PASSPHRASE,
            "RESTIC_CACHE_DIR": str(place.local / "cache"),
        }

    def prepared(self, place: Place) -> tuple[Command, ...]:
        return (self._said(place, "init"),)

    def commands(self, step: Step, place: Place) -> tuple[Command, ...]:
        match step:
            case Step.RESTORE:
                return (self._said(place, "restore", "latest", "--target", str(place.restored)),)
            case Step.PRUNE:
                return (self._said(place, "forget", "--keep-last", "1", "--prune"),)
            case _:
                return (self._said(place, "backup", str(place.image)),)

    def _said(self, place: Place, *words: str) -> Command:
        return Command(("restic", "--quiet", *self.options, *words), place.home)


DEFAULTS = Restic("defaults", "zstd at its default level, packs of 16 MiB", ())
FASTEST = Restic(
    "fastest",
    "--compression off saves the processor what it costs in space; --pack-size 64: fewer files, and so fewer syncs",
    ("--compression", "off", "--pack-size", "64"),
)
