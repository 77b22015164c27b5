"""What only a daemon knows: jobs, events, policies; and what it means to ask it."""

import asyncio
import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from tests.api.fake_service import FakeService, event
from tests.cli.conftest import Typed, lines
from tests.cli.installed import COMMAND
from understudy.engine import Failure, Job, JobProgress, ReplicationPolicy, StartJob, Verify, Window


def job(daemon: FakeService, **changes: object) -> Job:
    """One that runs, but for `changes`."""
    daemon.ends_at_once = False
    begun = asyncio.run(daemon.start(StartJob(kind="restore", machine="web", parameters={}, actor="anna")))
    daemon.jobs_now[-1] = msgspec.structs.replace(begun, machine=daemon.machines[0].id, **changes)  # type: ignore[arg-type]
    return daemon.jobs_now[-1]


def test_a_long_operation_is_a_job(daemon: FakeService, typed: Typed) -> None:
    daemon.machines[0] = msgspec.structs.replace(daemon.machines[0], id="1d" * 16)
    told = typed("verify", "web")
    assert told.exit_code == 0, told.stderr
    assert isinstance(daemon.engine.asked[-1], Verify)
    ((document,),) = lines(typed("jobs", "--json"))
    assert (document["kind"], document["state"], document["actor"]) == ("verify", "succeeded", "root")
    assert typed("jobs").stdout.splitlines()[1].split()[1:4] == ["verify", "web", "succeeded"]
    shown = typed("job", "show", document["id"], "--wait").stdout
    assert shown.startswith(f"job {document['id']}: verify of web, asked for by root at ")
    assert '"level": "digest"' in shown
    assert typed("jobs", "--state", "failed").stdout == "no job\n"


def test_how_far_a_job_is_and_how_it_ended(daemon: FakeService, typed: Typed) -> None:
    far = JobProgress(phase="writing", done=1 << 30, total=4 << 30, rate=1 << 20, eta_seconds=60.0)
    running = job(daemon, progress=far)
    failed = job(daemon, state="failed", error=Failure(code="target_failed", message="the disk is full", hint="free space"))
    assert "writing, 25 % of 4.0 GiB, 1.0 MiB/s, 1 m left" in typed("job", "show", running.id).stdout
    assert "the disk is full\nfree space\n" in typed("job", "show", failed.id).stdout
    assert [line.split()[3] for line in typed("jobs").stdout.splitlines()[1:]] == ["failed", "running"]
    assert typed("job", "show", "nobody").exit_code == 3


def test_a_job_is_cancelled_once(daemon: FakeService, typed: Typed) -> None:
    running = job(daemon)
    assert f"job {running.id} is cancelled" in typed("job", "cancel", running.id).stdout
    again = typed("job", "cancel", running.id)
    assert (again.exit_code, "is cancelled" in again.stderr) == (4, True)


def test_events_are_told_oldest_first(daemon: FakeService, typed: Typed) -> None:
    machine = daemon.machines[0].id
    daemon.events_now += [event(1, machine=machine, message="point 1"), event(2, machine=None, kind="request", message="x", actor="anna")]
    daemon.events_now.append(event(3, machine=machine, message="point 2", kind="machine.cycle"))
    first, second = typed("events").stdout.splitlines()
    assert first.endswith("machine.health    web: point 1")
    assert second.endswith("request           x (anna)")
    assert typed("events", "--cycles").stdout.splitlines()[2].endswith("machine.cycle     web: point 2")
    assert [document["id"] for document in lines(typed("events", "--kind", "request", "--json"))] == [2]
    assert typed("events", "--kind", "job.ended").stdout == "no event\n"


def test_what_is_named_of_a_policy_changes(daemon: FakeService, typed: Typed) -> None:
    before = daemon.machines[0].policy
    told = typed("policy", "set", "web", "--rate", "5MiB", "--window", "mon-wed 08:00-18:00 0", "--pause")
    assert told.exit_code == 0, told.stderr
    window = Window(begin="08:00", end="18:00", rate=0, days=("mon", "tue", "wed"))
    assert daemon.machines[0].policy == msgspec.structs.replace(before, rate=5 << 20, windows=(window,), paused=True)
    shown = typed("policy", "show", "web").stdout
    assert shown == told.stdout
    assert "mon, tue, wed 08:00 to 18:00: nothing is sent" in shown
    assert "  RPO             warning from 10.0 s (derived), critical from 30.0 s (derived)\n" in shown
    assert lines(typed("policy", "set", "web", "--no-windows", "--resume", "--json"))[0]["windows"] == []
    now = daemon.machines[0].policy
    for wrong in ((), ("--interval", "soon"), ("--window", "never"), ("--interval", "0.5s"), ("--no-windows", "--window", "08:00-09:00 0")):
        assert typed("policy", "set", "web", *wrong).exit_code == 2
    assert daemon.machines[0].policy == now == ReplicationPolicy(interval=5.0, rate=5 << 20)


@pytest.mark.parametrize("option", ["--key-file", "--passphrase-file", "--state-dir", "--site"])
def test_the_daemon_goes_by_its_own_key_and_name(daemon: FakeService, typed: Typed, option: str) -> None:
    told = typed("points", "web", option, "other")
    assert (told.exit_code, f"{option} goes with --vault" in told.stderr) == (2, True)
    assert daemon.engine.asked == []


def test_without_a_daemon_it_is_said_how_to_begin_it(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERSTUDY_SOCKET", str(tmp_path / "none"))
    for words in (("status",), ("jobs",), ("policy", "show", "web"), ("events",), ("job", "cancel", "x")):
        told = typed(*words)
        assert told.exit_code == 17
        assert "systemctl start understudy" in told.stderr


def test_a_shell_completes_names(daemon: FakeService, typed: Typed) -> None:
    running = job(daemon)
    for words, wanted in (("understudy points w", "web"), ("understudy job cancel j", running.id)):
        asked = {"_UNDERSTUDY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        said = subprocess.run([COMMAND], env=os.environ | asked, capture_output=True, text=True, timeout=60)
        assert [line.partition(",")[2] for line in said.stdout.splitlines()] == [wanted], said.stderr
    for shell in ("bash", "zsh", "fish"):
        assert "_UNDERSTUDY_COMPLETE" in typed("completion", shell).stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("standby", "remove", "web"), "the images of web on this host will be deleted: /s/vda.raw"),
        (("orphan", "drop", "web", "first"), "what the images of web held beyond point 4, put aside "),
        (("plan", "remove", "dr"), "recovery plan dr will be gone from the vault"),
        (("vault", "key", "remove", "ops"), "key ops will open this vault no more"),
    ],
)
def test_what_cannot_be_taken_back_is_meant(daemon: FakeService, typed: Typed, words: tuple[str, ...], named: str) -> None:
    refused = typed(*words)
    assert (refused.exit_code, named in refused.stderr, "--yes" in refused.stderr) == (2, True, True)
    assert typed(*words, "--yes").exit_code == 0
