"""Scripts of a plan: whatever is killed, either its end is known, or that it is not."""

import asyncio
import os
import pwd
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.failover.plans.test_conductor import shell
from understudy.engine.plans import Script
from understudy.failover.plans import scripts
from understudy.failover.plans.scripts import problems_of, run_script, shown

PATIENCE = 60


async def done(directory: Path, script: Script, **about: str) -> tuple[bool | None, str, str]:
    result = await asyncio.wait_for(run_script(directory, script, about), PATIENCE)
    return result.ok, result.text, result.output


@pytest.mark.parametrize(
    ("text", "ok", "words", "output"),
    [
        ("echo yes", True, "", "yes\n"),
        ("echo no >&2; exit 7", False, "it ended with status 7", "no\n"),
        ("kill -9 $$", False, "it ended with signal 9", ""),
        ("printf 'a\\033[31mb\\000c\\ttab\\r\\nnext\\n'", True, "", "a\\x1b[31mb\\x00c\ttab\nnext\n"),
        ("printf '\\377'", True, "", "\\xff"),
        ("sleep 60 & echo left it running", True, "", "left it running\n"),
        ("id -u; pwd; echo $A; env | grep -c UNDERSTUDY_SECRET", False, "it ended with status 1", f"{os.geteuid()}\n/\nb\n0\n"),
    ],
)
async def test_how_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, ok: bool, words: str, output: str) -> None:
    monkeypatch.setenv("UNDERSTUDY_SECRET", "x")
    assert await done(tmp_path / "s", shell(text), A="b") == (ok, words, output)


async def test_what_is_said_is_bounded_and_keeps_its_beginning_and_end(tmp_path: Path) -> None:
    ok, _, output = await done(tmp_path / "s", shell("echo begins; yes | head -c 10000000; echo ends"))
    assert ok
    assert output.startswith("begins\n")
    assert output.endswith("ends\n")
    assert "bytes left out]" in output
    assert len(output) < 70_000


async def test_a_script_that_cannot_be_run(tmp_path: Path) -> None:
    path = tmp_path / "script"
    assert problems_of(Script(command=(str(path),))) == [f"there is no program {path} on this host"]
    path.write_text("echo no interpreter")
    assert problems_of(Script(command=(str(path),))) == [f"{path} cannot be run: chmod +x"]
    path.chmod(0o755)
    assert problems_of(Script(command=(str(path),))) == []
    ok, words, _ = await done(tmp_path / "s", Script(command=(str(path),)))
    assert (ok, words) == (False, f"{path} could not be run: Exec format error")
    assert problems_of(Script(command=("/bin/true",), user="no-such-user")) == ["this host has no user no-such-user"]
    assert await done(tmp_path / "u", Script(command=("/bin/true",), user="no-such-user")) == (
        False,
        "this host has no user no-such-user",
        "",
    )


async def test_a_daemon_that_may_not_become_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "_BECOME", 1 << 63)
    words = "the daemon may not run anything as nobody: it needs CAP_SETUID and CAP_SETGID"
    assert problems_of(Script(command=("/bin/true",), user="nobody")) == [words]
    assert await done(tmp_path / "s", Script(command=("/bin/true",), user="nobody")) == (False, words, "")


async def test_as_somebody_else(tmp_path: Path) -> None:
    """Only root becomes somebody else; anybody may say that it is he himself."""
    who = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    ok, _, output = await done(tmp_path / "s", shell("id -u; id -g; echo $USER", user=who.pw_name))
    assert (ok, output) == (True, f"{who.pw_uid}\n{who.pw_gid}\n{who.pw_name}\n")


async def test_a_time_out_ends_the_whole_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "GRACE", 0.3)
    ok, words, output = await done(tmp_path / "s", shell("(trap '' TERM; sleep 60) & echo $!; trap '' TERM; wait", timeout=0.2))
    assert (ok, words) == (False, "it took more than 0.2 s, and was ended")
    assert is_gone(int(output))


async def test_who_comes_later_finds_it_running_and_how_it_ended(tmp_path: Path) -> None:
    directory, script = tmp_path / "s", shell(f"echo one >> {tmp_path}/said; sleep 0.3; echo done")
    directory.mkdir()
    first = asyncio.create_task(run_script(directory, script, {}))
    await _until((directory / "begun").exists)
    first.cancel()
    await asyncio.wait([first])
    assert await done(directory, script) == (True, "", "done\n")
    assert await done(directory, script) == (True, "", "done\n")
    assert (tmp_path / "said").read_text() == "one\n"


async def test_when_all_of_it_is_killed_nobody_knows(tmp_path: Path) -> None:
    directory, script = tmp_path / "s", shell(f"echo one >> {tmp_path}/said; exec sleep 60")
    directory.mkdir()
    first = asyncio.create_task(run_script(directory, script, {}))
    await _until((tmp_path / "said").exists)
    beside = int((directory / "begun").read_text())
    for child in [str(beside), *children_of(beside)]:
        os.kill(int(child), signal.SIGKILL)
    result = await asyncio.wait_for(first, PATIENCE)
    assert (result.ok, result.text) == (None, "it was begun, and nobody knows how it ended")
    assert await done(directory, script) == (None, "it was begun, and nobody knows how it ended", "")
    assert (tmp_path / "said").read_text() == "one\n"


def is_gone(process: int) -> bool:
    """Or waits for whoever takes it in to notice."""
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def children_of(process: int) -> list[str]:
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def test_nothing_speaks_to_a_terminal() -> None:
    assert shown("a\x1b]0;title\x07\u202eb\tc\r\nd\re") == "a\\x1b]0;title\\x07\\u202eb\tc\nd\\x0de"


async def _until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
