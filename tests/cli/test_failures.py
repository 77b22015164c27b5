"""Every failure is one clear message, a hint and a documented exit code."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from tests.cli.conftest import Typed, lines
from tests.cli.fake_engine import FakeEngine
from understudy import errors
from understudy.cli.failures import exit_codes
from understudy.errors import IntegrityError, UnderstudyError


def family(base: type[UnderstudyError] = UnderstudyError) -> list[type[UnderstudyError]]:
    return [base, *(found for child in base.__subclasses__() if child.__module__ == errors.__name__ for found in family(child))]


@pytest.mark.parametrize("kind", family(), ids=lambda kind: kind.__name__)
def test_every_error_has_its_words_and_its_documented_code(engine: FakeEngine, typed: Typed, kind: type[UnderstudyError]) -> None:
    engine.failures.extend([kind("it broke [here]", hint="mend it"), kind("it broke [here]", hint="mend it")])
    result = typed("points", "web")
    assert result.exit_code == kind.exit_code
    assert result.stderr == "error: it broke [here]\nhint: mend it\n"
    assert result.stdout == ""
    as_json = typed("points", "web", "--json")
    assert as_json.exit_code == kind.exit_code
    body = {"code": kind.code, "message": "it broke [here]", "hint": "mend it", "retryable": kind.retryable, "exit_code": kind.exit_code}
    assert lines(as_json) == [{"error": body}]
    assert f"  {kind.exit_code:>3}  " in exit_codes()


def test_a_fault_of_ours_is_one_line_and_keeps_its_traceback(
    engine: FakeEngine, typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    engine.failures.extend([ZeroDivisionError("division by zero")] * 2)
    result = typed("points", "web")
    assert result.exit_code == 70
    assert result.stderr.startswith("error: ZeroDivisionError: division by zero\n")
    (kept,) = tmp_path.glob("understudy-traceback-*.txt")
    assert str(kept) in result.stderr
    assert "Traceback" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "Traceback" in typed("points", "web", "--debug").stderr


def test_a_known_error_shows_its_traceback_only_when_asked(engine: FakeEngine, typed: Typed) -> None:
    engine.failures.append(IntegrityError("bad"))
    result = typed("points", "web", "--debug")
    assert "Traceback" in result.stderr
    assert result.stderr.endswith("error: bad\n")


def test_an_interrupt_has_its_own_code(engine: FakeEngine, typed: Typed) -> None:
    engine.failures.append(KeyboardInterrupt())
    result = typed("points", "web")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_a_usage_error_under_json_is_a_document(typed: Typed) -> None:
    result = typed("points", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"]["code"] == "invalid_request"


def test_help_lists_commands_and_exit_codes_without_loading_the_parts() -> None:
    script = """
import sys
from understudy.cli.main import cli
try:
    cli.main(["--help"], prog_name="understudy")
finally:
    loaded = {"numpy", "rich", "asyncio", "nacl", "understudy.app"} & set(sys.modules)
    assert not loaded, loaded
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert exit_codes().removeprefix("\b\n").split() == done.stdout[done.stdout.index("Exit codes:") :].split()
    for name in ("vault", "protect", "unprotect", "replicate", "points", "restore", "verify", "demo"):
        assert f"  {name} " in done.stdout


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_a_reader_that_goes_away_is_no_news(flag: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    script = "from understudy.cli.main import run; run()"
    done = subprocess.run([sys.executable, "-c", script, flag], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("flags", [["--help"], ["check-config", "CONFIG"], ["check-config", "CONFIG", "--json"]])
def test_a_file_that_takes_no_more_is_no_fault_of_ours(flags: list[str], tmp_path: Path) -> None:
    config = tmp_path / "understudy.toml"
    config.write_text(f'[vault]\nurl = "file:///srv/vault"\nkey-file = "{config}"\n')
    config.chmod(0o600)
    words = [str(config) if flag == "CONFIG" else flag for flag in flags]
    with open("/dev/full", "w") as full:
        done = run(*words, stdout=full)
    assert done.returncode == 20
    assert done.stderr.startswith("error: the answer cannot be written to where it should go: No space left on device\nhint: ")
    assert "Traceback" not in done.stderr
    assert "fault" not in done.stderr


def test_an_error_whose_document_cannot_be_written_is_told_in_words() -> None:
    with open("/dev/full", "w") as full:
        done = run("check-config", "/no/such", "--json", stdout=full)
    assert done.returncode == 3
    assert done.stderr.startswith("error: there is no configuration file /no/such\n")
    assert "--config" in done.stderr


def run(*words: str, stdout: IO[str]) -> "subprocess.CompletedProcess[str]":
    script = "from understudy.cli.main import run; run()"
    return subprocess.run([sys.executable, "-c", script, *words], stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


def test_the_command_that_was_meant_is_named(typed: Typed) -> None:
    told = typed("stauts")
    assert (told.exit_code, "Is it 'status'?" in told.stderr) == (2, True)
    assert "Is it" not in typed("nothing-like-it").stderr


def test_the_runbook_lists_the_same_exit_codes() -> None:
    runbook = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", runbook.partition("\n## Exit codes\n")[2], re.MULTILINE)
    assert [f"{code:>3}  {meaning}" for code, meaning in rows] == [line.removeprefix("  ") for line in exit_codes().splitlines()[2:]]
