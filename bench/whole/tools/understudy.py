"""understudy as an operator types it: each command a process, Python's start and the vault's unlocking included."""

import sys
from pathlib import Path

import msgspec

from bench.whole.step import Step
from bench.whole.tool import IMAGE, Command, Place

PROGRAM = str(Path(sys.executable).with_name("understudy"))
MACHINE = "web"
LOADED = """
import importlib, pkgutil, understudy
for found in pkgutil.walk_packages(understudy.__path__, "understudy."):
    importlib.import_module(found.name)
print("understudy, version", understudy.__version__)
"""


class Understudy(msgspec.Struct, frozen=True):
    name: str = "understudy"
    setting: str = "defaults"
    why: str = "a key file, as its daemon is given; --all-for 1s leaves the newest point alone; --grace 0, since nobody reads meanwhile"
    encrypts: bool = True
    version: tuple[str, ...] = (sys.executable, "-c", LOADED)

    def environment(self, place: Place) -> dict[str, str]:
        return {
            "UNDERSTUDY_VAULT": f"file://{place.stored}",
            "UNDERSTUDY_KEY_FILE": str(place.local / "operator.key"),
            "UNDERSTUDY_STATE_DIR": str(place.local / "state"),
        }

    def prepared(self, place: Place) -> tuple[Command, ...]:
        return (
            _said(place, "vault", "create"),
            _said(place, "protect", MACHINE, "--disk", f"vda={place.image}"),
            _said(place, "retention", "set", MACHINE, "--all-for", "1s", "--least", "1", "--yes"),
        )

    def commands(self, step: Step, place: Place) -> tuple[Command, ...]:
        match step:
            case Step.RESTORE:
                return (_said(place, "restore", MACHINE, "--disk", f"vda={place.restored / IMAGE}"),)
            case Step.PRUNE:
                return _said(place, "prune", MACHINE, "--yes"), _said(place, "collect", MACHINE, "--grace", "0", "--yes")
            case _:
                return (_said(place, "replicate", MACHINE),)


def _said(place: Place, *words: str) -> Command:
    return Command((PROGRAM, *words), place.home)
