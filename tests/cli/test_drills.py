"""Test failovers on the command line: begun, looked at, ended; and how a copy is known to be well."""

import json
from pathlib import Path

import pytest

from tests.api.fake_drills import DRILL, PNG
from tests.api.fake_service import FakeService
from tests.cli.conftest import Typed
from understudy.cli.check_words import checks_of
from understudy.engine import AgentCheck, ConsoleCheck, RunningCheck, ScriptCheck, TcpCheck
from understudy.errors import InvalidRequest, NotFound


def test_one_is_begun_and_not_well(daemon: FakeService, typed: Typed) -> None:
    done = typed("test-failover", "web@7", "--check", "tcp:443", "--check", "running:5s", "--timeout", "30s", "--note", "before the audit")
    assert done.exit_code == 1, done.stderr
    (job,) = daemon.jobs_now
    assert (job.kind, job.machine) == ("test-failover", "web")
    assert job.parameters == {
        "point": (job.parameters["point"]),
        "network": "isolated",
        "checks": [{"kind": "tcp", "port": 443, "address": "", "timeout": 30.0}, {"kind": "running", "seconds": 5.0}],
        "cleanup": False,
        "keep_for": 0.0,
        "note": "before the audit",
    }
    assert len(job.parameters["point"]) == 32
    assert "test dddddddd of web: failed, standing" in done.stdout
    assert "after 1.2 s: its guest runs" in done.stdout
    assert "failed  tcp 443: not within 300 s: the guest refuses connections at this port" in done.stdout
    assert "its port 443 is reached at 127.0.0.1:40443" in done.stdout
    assert "understudy drill cleanup web" in done.stdout


@pytest.mark.parametrize(
    ("words", "point", "fields"),
    [
        ((), "latest", {"checks": None}),
        (("--latest-app", "--cleanup"), "latest-app", {"cleanup": True}),
        (("--latest-processed", "--network", "mapped", "--keep-for", "1h"), "latest-processed", {"keep_for": 3600.0, "network": "mapped"}),
    ],
)
def test_what_is_asked_for(daemon: FakeService, typed: Typed, words: tuple[str, ...], point: str, fields: dict[str, object]) -> None:
    assert typed("test-failover", "web", *words).exit_code == 1
    (job,) = daemon.jobs_now
    assert job.parameters["point"] == point
    assert {name: job.parameters[name] for name in fields} == fields


@pytest.mark.parametrize(
    "words",
    [
        ("web@7", "--latest"),
        ("web", "--latest", "--point", "7"),
        ("web", "--timeout", "1m"),
        ("web", "--check", "nonsense"),
        ("web", "--check", "script:/bin/true"),
        ("web", "--cleanup", "--keep-for", "1h"),
    ],
)
def test_what_makes_no_sense(daemon: FakeService, typed: Typed, words: tuple[str, ...]) -> None:
    assert typed("test-failover", *words).exit_code == InvalidRequest.exit_code
    assert not daemon.jobs_now


def test_one_is_ended(daemon: FakeService, typed: Typed) -> None:
    assert typed("drill", "cleanup", "web", "--passed", "--note", "443 is closed on purpose").exit_code == 0
    assert typed("drill", "cleanup", "dddd").exit_code == 0
    first, second = daemon.jobs_now
    assert (first.kind, first.machine) == ("drill-cleanup", "web")
    assert first.parameters == {"drill": "", "passed": True, "note": "443 is closed on purpose"}
    assert (second.machine, second.parameters["drill"], second.parameters["passed"]) == (DRILL.machine_id, DRILL.id, None)
    daemon.drills_now = ()
    assert typed("drill", "cleanup", "web").exit_code == NotFound.exit_code


def test_what_was_seen(daemon: FakeService, typed: Typed, tmp_path: Path) -> None:
    listed = typed("drill", "list").stdout
    assert "dddddddd" in listed
    assert "failed, standing" in listed
    assert [drill["id"] for drill in json.loads(typed("drill", "list", "db", "--json").stdout)] == ["e" * 32]
    assert typed("drill", "list", "none").stdout == "no point of none was ever tested here\n"
    picture = tmp_path / "web.png"
    shown = typed("drill", "show", "dd", "--screenshot", str(picture), "--console", "--definition").stdout
    assert picture.read_bytes() == PNG
    assert "booting\nweb login:  [2J" in shown
    assert 'name = "web"' in shown
    assert "\x1b" not in shown
    never = typed("drill", "show", "ee").stdout
    assert "it did not start: QEMU did not start" in never
    assert typed("drill", "show", "ee", "--screenshot", str(picture)).exit_code == NotFound.exit_code
    assert typed("drill", "show", "0123").exit_code == NotFound.exit_code
    assert typed("drill", "show", "web").stdout.startswith("test dddddddd of web")
    none = typed("drill", "show", "none")
    assert (none.exit_code, "no point of none was ever tested here" in none.stderr) == (NotFound.exit_code, True)


def test_the_run_of_a_plan_that_goes_on_needs_no_id(daemon: FakeService, typed: Typed) -> None:
    newest = typed("plan", "status")
    assert newest.stdout == typed("plan", "status", daemon.engine.plans_now.run.id).stdout
    assert newest.exit_code == 0


def test_checks_are_set(daemon: FakeService, typed: Typed) -> None:
    assert "as follows from what it is:\n  agent, within 5 m" in typed("drill", "checks", "show", "web").stdout
    words = ("--check", "agent", "--check", "console:login:$", "--check", "script:/usr/bin/look 'at it'", "--timeout", "10m")
    done = typed("drill", "checks", "set", "web", *words)
    assert done.exit_code == 0, done.stderr
    assert daemon.checks_set == {
        "web": (
            AgentCheck(timeout=600.0),
            ConsoleCheck(pattern="login:$", timeout=600.0),
            ScriptCheck(program="/usr/bin/look", arguments=("at it",), timeout=600.0),
        )
    }
    assert "as an operator said:\n  agent, within 10 m\n  console login:$, within 10 m\n  script /usr/bin/look at it" in done.stdout
    assert typed("drill", "checks", "set", "web").exit_code == InvalidRequest.exit_code
    assert typed("drill", "checks", "set", "web", "--default", "--check", "agent").exit_code == InvalidRequest.exit_code
    assert typed("drill", "checks", "set", "web", "--default").exit_code == 0
    assert daemon.checks_set == {}


def test_how_checks_are_written() -> None:
    assert checks_of(["tcp:22", "tcp:10.0.0.5:22", "tcp:[fe80::1]:22", "running:1m"], None) == (
        TcpCheck(port=22),
        TcpCheck(port=22, address="10.0.0.5"),
        TcpCheck(port=22, address="fe80::1"),
        RunningCheck(seconds=60.0),
    )
    for text in (
        "",
        "agent:x",
        "tcp:",
        "tcp:99999",
        "tcp:web:22",
        "console:",
        "console:(",
        "script:",
        "script:look",
        "script:'",
        "running:",
    ):
        with pytest.raises(InvalidRequest):
            checks_of([text], None)
