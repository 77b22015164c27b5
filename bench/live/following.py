"""understudy following a guest, as an operator types it: a process that makes a point each interval."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import msgspec

from understudy.engine import Cycle

PROGRAM = str(Path(sys.executable).with_name("understudy"))
MACHINE = "web"


@dataclass
class Followed:
    """Its cycles as they ended, with the seconds since the epoch at which that was read."""

    cycles: list[tuple[float, Cycle]] = field(default_factory=list)


class Place:
    """A vault and a site's state below one directory."""

    def __init__(self, directory: Path) -> None:
        self._environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "UNDERSTUDY_VAULT": (directory / "vault").as_uri(),
            "UNDERSTUDY_KEY_FILE": str(directory / "operator.key"),
            "UNDERSTUDY_STATE_DIR": str(directory / "state"),
        }

    def protect(self, qmp: Path) -> None:
        """And make the first point."""
        for words in (("vault", "create"), ("protect", MACHINE, "--qmp", str(qmp)), ("replicate", MACHINE)):
            subprocess.run([PROGRAM, *words], env=self._environment, check=True, capture_output=True)

    @contextmanager
    def followed(self, every: str) -> Iterator[Followed]:
        """From when the first cycle has ended."""
        command = [PROGRAM, "replicate", MACHINE, "--every", every, "--json"]
        found, began = Followed(), threading.Event()
        with subprocess.Popen(command, env=self._environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None

            def read() -> None:
                for line in process.stdout or ():
                    found.cycles.append((time.time(), msgspec.json.decode(line, type=Cycle)))
                    began.set()

            reader = threading.Thread(target=read)
            reader.start()
            try:
                if not began.wait(120):
                    raise RuntimeError("understudy makes no point")
                yield found
            finally:
                process.send_signal(signal.SIGTERM)
                reader.join()


def rpo(cycles: list[tuple[float, Cycle]]) -> float:
    """The most that was ever to be lost: from a point's freeze until the next one was told of. Seconds."""
    return max((told - before.frozen_at / 1e9 for (_, before), (told, _) in pairwise(cycles)), default=0.0)
