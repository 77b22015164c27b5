"""The unit file as systemd reads it, and the example configuration as the daemon does."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from understudy.config.file import ALLOWED
from understudy.config.load import parse

SYSTEMD = Path(__file__).parents[2] / "systemd"
EXPOSURE = "26"
"""Tenths of systemd's score of 0 to 10. What remains: root's identity, its reach of others' files, devices, the network."""


def unit(tmp_path: Path) -> str:
    """The unit with a command that exists."""
    command = tmp_path / "understudy"
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    path = tmp_path / "understudy.service"
    path.write_text((SYSTEMD / "understudy.service.in").read_text().replace("@BINDIR@", str(tmp_path)))
    return str(path)


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit(tmp_path)], capture_output=True, text=True, timeout=60)
    assert [line for line in done.stderr.splitlines() if "understudy" in line] == []
    assert done.returncode == 0, done.stderr


def test_the_sandbox_is_tight(tmp_path: Path) -> None:
    words = ["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}", "--no-pager", unit(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_configuration_is_right() -> None:
    text = (SYSTEMD / "understudy.toml").read_text()
    assert parse(text).vault.credential == "vault-key"
    # All that it only shows is right, too, and it shows every key.
    whole = re.sub(r"^# (\[|[a-z-]+ = )", r"\1", text.replace("# key-file = ", "# or: key-file = "), flags=re.MULTILINE)
    parse(whole)
    assert ALLOWED.keys() - {"vault.key-file"} == set(keys(tomllib.loads(whole)))


def keys(table: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, value in table.items():
        match value:
            case dict():
                yield from keys(value, f"{above}{name}.")
            case [dict() as first]:
                yield above + name
                yield from keys(first, f"{above}{name}[].")
            case _:
                yield above + name


def test_a_stop_takes_less_time_than_systemd_gives() -> None:
    from understudy.daemon.farewell import FAREWELL
    from understudy.daemon.serve import DRAIN, JOBS_DRAIN
    from understudy.daemon.sockets import API_DRAIN

    text = (SYSTEMD / "understudy.service.in").read_text()
    given = next(int(line.partition("=")[2]) for line in text.splitlines() if line.startswith("TimeoutStopSec="))
    assert given - 15 > DRAIN + JOBS_DRAIN + API_DRAIN + 2 * FAREWELL
