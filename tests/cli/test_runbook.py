"""The runbook is true: every command in docs/operations.md does what it says, in its order, as a shell runs it."""

import os
import re
import shlex
import subprocess
import tempfile
from datetime import date, timedelta
from pathlib import Path

import click

from tests.cli.ready import ready
from tests.runbook import blocks, mentioned, shown
from understudy.cli.main import cli

PATIENCE = 300.0
"""Seconds for a block, by which one that waits for an answer is told from one that works."""
PLACES = ("/srv", "/mnt/third", "/root", "/etc/understudy", "/tmp/fresh")


def understood(line: str) -> tuple[click.Command, list[str], click.Context]:
    """The command of a line, and the words that are its own."""
    words = shlex.split(line.removeprefix("sudo ").replace("[STEP]", "1.pre.1"), comments=True)[1:]
    command: click.Command = cli
    context = click.Context(cli, info_name="understudy")
    while isinstance(command, click.Group) and words:
        _, found, words = command.resolve_command(context, words)
        assert found is not None, line
        command, context = found, click.Context(found, parent=context)
    return command, words, context


def here(block: str, directory: Path) -> str:
    """The block with its places moved to `directory`, a time that is to come, an end to replication, and no VM."""
    for place in PLACES:
        block = block.replace(place, f"{directory}{place}")
    block = re.sub(r"db@\d{4}-\d\d-\d\d", f"db@{date.today() + timedelta(days=1)}", block)
    lines = [line for line in block.replace("--every 1s", "--every 10ms --cycles 2").splitlines() if "--qmp" not in line]
    return "\n".join(lines)


def test_every_block_works_as_written(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="us-") as short, ready(Path(short)) as programs:
        work_through(tmp_path, programs)
    assert (tmp_path / "srv" / "restore" / "vda.raw").read_bytes() == b"disk" * 50_000


def work_through(directory: Path, programs: Path) -> None:
    for place in ("srv/db", "mnt/third", "root", "etc/understudy"):
        (directory / place).mkdir(parents=True)
    for name in ("disk", "data"):
        (directory / "srv" / "db" / f"{name}.raw").write_bytes(name.encode() * 50_000)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")}
    inherited["PATH"] = f"{programs}:{inherited['PATH']}"
    (_, host_a), (_, operator), *work = blocks()
    for heading, block in work:
        site, settings = ("host-a", host_a) if heading.startswith("Protect") else ("host-b", operator)
        script = f"{here(settings, directory)}\n{here(block, directory)}"
        environment = {**inherited, "UNDERSTUDY_SITE": site, "UNDERSTUDY_STATE_DIR": str(directory / site)}
        command, quietly = ["bash", "-euo", "pipefail", "-c", script], {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        done = subprocess.run(command, cwd=directory, env=environment, timeout=PATIENCE, check=False, **quietly)
        assert done.returncode == 0, f"{heading}:\n{block}\n{done.stdout}\n{done.stderr}"
        if heading == "Create a vault":
            (directory / "source.key").rename(directory / "etc" / "understudy" / "source.key")


def test_every_command_that_is_shown_is_one() -> None:
    """Each word of it is understood; nothing is done."""
    for line in shown():
        command, words, context = understood(line)
        try:
            command.make_context(command.name, words, parent=context.parent)
        except click.ClickException as error:
            raise AssertionError(f"{line}: {error.format_message()}") from None
    for line in mentioned():
        command, words, _ = understood(line)
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line
