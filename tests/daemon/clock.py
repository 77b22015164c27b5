"""A wall clock that a test sets, of other processes."""

import subprocess
from pathlib import Path


class Clock:
    """The wall clock of processes with its environment."""

    def __init__(self, directory: Path) -> None:
        self._file, library = directory / "clock", directory / "set_clock.so"
        self._file.write_bytes(bytes(8))
        source = Path(__file__).with_name("set_clock.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", library, source, "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": str(library), "SET_CLOCK": str(self._file)}

    def set(self, seconds: int) -> None:
        with self._file.open("r+b") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))
