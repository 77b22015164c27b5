"""The first screen: is every machine protected, how old is its newest point, what runs, and what is to be done."""

import asyncio
import io
from typing import Any

import msgspec
import pytest
from rich.console import Console

from tests.api.fake_service import NOW, FakeService, status
from tests.cli.conftest import Typed, lines
from tests.cli.fake_engine import SECOND
from understudy.cli.status import Shown, parts_of
from understudy.cli.status_details import course
from understudy.cli.status_words import table_of
from understudy.engine import Failure, JobProgress, Progress, Reason, RpoSample, StartJob

AWAY = Reason(code="source_unavailable", health="critical", message="no QEMU listens at /run/mail.qmp", hint="start the VM")


def running(service: FakeService, kind: str, machine: str | None) -> None:
    """A job that is a quarter done."""
    service.ends_at_once = False
    job = asyncio.run(service.start(StartJob(kind=kind, machine=machine, parameters={}, actor="anna")))  # type: ignore[arg-type]
    progress = JobProgress(phase="writing", done=2 << 30, total=8 << 30, rate=180 << 20, eta_seconds=34.0)
    service.jobs_now[-1] = msgspec.structs.replace(job, machine=machine and service.machines[0].id, progress=progress)


def test_a_line_a_machine_the_worst_first(daemon: FakeService, typed: Typed) -> None:
    daemon.machines.append(status("mail", health="critical", reasons=(AWAY,), rpo_seconds=5400.0, newest_frozen_at=NOW - 90000 * SECOND))
    daemon.machines.append(status("new", phase="initial", newest_point=None, newest_frozen_at=None, rpo_seconds=None, next_at=None))
    daemon.machines[3] = msgspec.structs.replace(daemon.machines[3], progress=Progress(phase="slice 3", done=1, total=4))
    running(daemon, "restore", "web")
    running(daemon, "verify", None)
    told = typed("status")
    assert told.exit_code == 2, "one is critical"
    first, second, _, heading, *rest = told.stdout.splitlines()
    assert first == "host-a: 4 machines, 1 critical, 1 warning"
    assert second.endswith("vault file:///srv/vault")
    assert heading.split() == ["machine", "health", "RPO", "now", "point", "frozen", "at", "next", "state"]
    table = [" ".join(line.split()) for line in rest[:4]]
    assert [line.split()[0] for line in table] == ["mail", "db", "new", "web"]
    assert "critical 1 h 30 m of 10.0 s 7" in table[0]
    assert table[2] == "new normal none of 10.0 s none - now initial: slice 3 25 %"
    assert table[3].endswith("in 2.0 s protected; restore running: writing, 25 % of 8.0 GiB, 180 MiB/s, 34.0 s left")
    below = rest[4:]
    assert below[1:3] == ["mail: critical: no QEMU listens at /run/mail.qmp", "  start the VM"]
    assert below[3:5] == ["db: warning: the newest point is 45 s old", "  give it a longer interval"]
    assert below[-1] == "verify running: writing, 25 % of 8.0 GiB, 180 MiB/s, 34.0 s left"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "in 2.0 s protected"),
        ({"failures": 1}, "in 2.0 s failing"),
        ({"failures": 3, "phase": "initial", "progress": Progress(phase="freeze", done=0)}, "now failing: freeze"),
        ({"failures": 3, "phase": "paused", "next_at": None}, "- paused"),
        ({"next_at": NOW + SECOND // 5}, "due protected"),
    ],
)
def test_what_a_machine_does_and_when_it_goes_on(changes: dict[str, Any], said: str) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table_of([status("web", **changes)], (), NOW))
    assert " ".join(console.export_text().splitlines()[-1].split()).endswith(said)


def test_the_daemon_itself_may_be_ill() -> None:
    service = msgspec.structs.replace(asyncio.run(FakeService().health()), health="warning", reasons=(AWAY,))
    shown = Shown(service=service, machines=(status("web"),), jobs=())
    told = [str(part) for part in parts_of(shown, in_detail=False, bars=False)]
    assert told[0].startswith("host-a: 1 machine, normal, the daemon warning\n")
    assert "daemon: critical: no QEMU listens at /run/mail.qmp" in told


def test_machines_that_are_not_listed_are_protected_all_the_same() -> None:
    unread = Reason(code="unread", health="critical", message="replication of 1 machine of this host stands still: not listed", hint="")
    service = msgspec.structs.replace(asyncio.run(FakeService().health()), health="critical", reasons=(unread,))
    told = "\n".join(str(part) for part in parts_of(Shown(service=service, machines=(), jobs=()), in_detail=False, bars=False))
    assert "stands still: not listed" in told
    assert "understudy protect" not in told


def test_all_is_well(daemon: FakeService, typed: Typed) -> None:
    del daemon.machines[1]
    told = typed("status")
    assert (told.exit_code, told.stdout.splitlines()[0]) == (0, "host-a: 1 machine, normal")
    daemon.machines.clear()
    assert "next: understudy protect --help" in typed("status").stdout


def test_of_a_machine_that_is_named_all_is_told(daemon: FakeService, typed: Typed) -> None:
    error = Failure(code="store_unavailable", message="the vault was away", retryable=True)
    daemon.machines[0] = status("web", last_error=error, last_error_at=NOW - 60 * SECOND, pending_bytes=5 << 20)
    running(daemon, "restore", "web")
    told = typed("status", "web").stdout
    for words in (
        "warning from 10.0 s, critical from 30.0 s",
        "in the last 59.0 s",
        "7, frozen at",
        "3 points kept",
        "a cycle each 5.0 s",
        "every point stays",
        "812 made, 2 failed, 0 missed",
        "500 ms, 1.0 MiB stored on average; at most 2.0 s, 9.0 MiB",
        "5.0 MiB changed and not sent yet",
        "the vault was away (1 m ago)",
        "point 3, 2 m 5 s ago",
        "j0000, restore running",
    ):
        assert words in told
    assert "drilled" not in told
    daemon.machines[0] = status("web", drilled_at=NOW - 60 * SECOND)
    assert "  drilled         1 m ago\n" in typed("status", "web").stdout
    assert typed("status", "nobody").exit_code == 3
    (document,) = lines(typed("status", "web", "--json"))
    assert document.keys() == {"service", "machines", "jobs"}
    assert [machine["name"] for machine in document["machines"]] == ["web"]


@pytest.mark.parametrize(("height", "names"), [(30, 12), (13, 3), (3, 2)])
def test_a_small_screen_shows_all_that_is_wrong(height: int, names: int) -> None:
    service = FakeService()
    service.machines += [status(f"calm-{number:02}") for number in range(9)] + [status("mail", health="critical", reasons=(AWAY,))]
    shown = Shown(service=asyncio.run(service.health()), machines=tuple(service.machines), jobs=())
    console = Console(width=100, record=True, file=io.StringIO())
    for part in parts_of(shown, in_detail=False, bars=False, most=height):
        console.print(part)
    told = console.export_text()
    lines = [line for line in told.splitlines() if " normal " in line or " critical " in line or " warning " in line]
    assert len([line for line in lines if ": " not in line]) == names
    assert "mail: critical" in told
    assert ("more machine" in told) == (names < 12)


def test_the_course_of_an_rpo_is_drawn_where_that_can_be_shown() -> None:
    samples = [RpoSample(at=second * SECOND, seconds=float(second % 50)) for second in range(100)]
    drawn = course(samples, bars=True)
    assert drawn.endswith("  at most 49.0 s in the last 1 m 39 s")
    assert len(drawn.split("  ")[0]) == 34
    assert "█" in drawn
    assert course(samples, bars=False).isascii()
    assert course(samples[:1], bars=True) == ""
