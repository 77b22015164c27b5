"""A recovery plan in a real daemon, with real jobs and programs, which is killed again and again."""

import os
import signal
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.daemon.house import House
from understudy.cli.main import cli, in_process
from understudy.errors import Conflict

PLAN = """
description = "everything, in order"

[[group]]
name = "data"
machines = ["db1", "db2", "db3"]
delay = 0.2
pre = [{{ kind = "script", command = ["{note}", "dns"] }}]

[[group]]
name = "services"
machines = ["app1", "app2", "app3", "app4"]
parallel = 2
pre = [
    {{ kind = "manual", text = "switch the storage over" }},
    {{ kind = "script", command = ["{note}", "fail"], timeout = 20 }},
]

[[group]]
name = "rest"
machines = ["web1", "web2", "gone"]
on-failure = "continue"
post = [{{ kind = "script", command = ["{note}", "slow"], timeout = 0.5 }}]
"""
MACHINES = ("db1", "db2", "db3", "app1", "app2", "app3", "app4", "web1", "web2", "gone")
NOTE = """#!/bin/sh
echo "$1 $UNDERSTUDY_STEP $UNDERSTUDY_KIND $UNDERSTUDY_PLAN" >> "{said}"
case "$1" in
    dns) sleep 1; echo "dns is set" ;;
    fail) if [ "$UNDERSTUDY_TRY" = 1 ]; then echo "no such zone" >&2; exit 3; fi ;;
    slow) exec sleep 60 ;;
esac
"""


def protected(house: House, name: str) -> None:
    disk, hook = house.directory / name, house.directory / "hook"
    disk.write_bytes(os.urandom(1 << 16))
    source = {"kind": "block", "disks": {"vda": str(disk)}, "pre_hook": str(hook) if name == "app1" else ""}
    house.ask("POST", "/v1/machines", {"name": name, "source": source})


@pytest.fixture
def plans(house: House) -> House:
    """Ten machines, which are replicated only when asked to, and a plan with all of them."""
    house.command = (sys.executable, "-m", "tests.daemon.plan_daemon")
    house.environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    house.policy = {"interval": "1h", "verify-every": "0"}
    house.configure()
    note, hook = house.directory / "note", house.directory / "hook"
    note.write_text(NOTE.format(said=house.directory / "said"))
    hook.write_text("#!/bin/sh\nsleep 0.5\n")
    for path in (note, hook):
        path.chmod(0o755)
    house.start()
    with ThreadPoolExecutor(5) as threads:
        list(threads.map(partial(protected, house), MACHINES))
    for name in ("db1", "gone"):
        house.points(name, 1)
    (house.directory / "gone").unlink()
    house.ask("PUT", "/v1/plans/dr", {"text": PLAN.format(note=note)})
    return house


def killed(house: House) -> None:
    house.end(signal.SIGKILL)
    house.start()


def typed(house: House, *words: str, expect: int = 0) -> str:
    environment = {"UNDERSTUDY_SOCKET": str(house.socket), "UNDERSTUDY_VAULT": None}
    done = CliRunner().invoke(cli, words, obj=in_process, prog_name="understudy", env=environment)
    assert done.exit_code == expect, (words, done.stdout, done.stderr)
    return done.stdout


def state(run: Any) -> dict[str, str]:
    return {step["id"]: step["question"] or step["state"] for step in run["steps"]}


def test_a_plan_whose_daemon_is_killed_at_its_steps(plans: House) -> None:
    house = plans
    checked = house.ask("POST", "/v1/plans/dr/check", {"kind": "test"})
    assert [step["title"] for step in checked["steps"] if step["machine"]] == list(MACHINES)
    assert checked["problems"] == []
    assert "1.pre.1" in typed(house, "plan", "run", "dr", "test", "--dry-run", expect=4)
    assert "everything, in order" in typed(house, "plan", "list")
    assert typed(house, "plan", "show", "dr").lstrip().startswith('description = "everything, in order"')
    house.ask("POST", "/v1/plans/dr/run", {"kind": "test", "point": "latest-processed"}, status=501)
    house.ask("POST", "/v1/plans/dr/run", {"kind": "test", "revision": 1}, status=409)
    assert not (house.directory / "said").exists()

    job = house.ask("POST", "/v1/plans/dr/run", {"kind": "test", "reason": "the yearly one"})
    path = f"/v1/plan-runs/{job['id']}"

    def until(**wanted: str) -> Any:
        steps = {name.replace("_", "."): found for name, found in wanted.items()}
        return house.until(lambda: run if steps.items() <= state(run := house.ask("GET", path)).items() else None)

    until(**{"1.pre.1": "running"})
    house.until((house.directory / "said").exists)
    # The same machines are in no other run meanwhile.
    typed(house, "plan", "run", "dr", "test", expect=Conflict.exit_code)
    (other,) = house.ask("GET", "/v1/jobs?limit=1")["items"]
    assert "goes on, and has" in other["error"]["message"]
    refused = house.ask("GET", f"/v1/plan-runs/{other['id']}", status=409)
    assert refused["error"]["message"] == f"run {other['id']} did not begin: {other['error']['message']}"
    # The script goes on without its daemon, and the next one hears how it ended.
    killed(house)
    until(**{"2.pre.1": "confirm"})
    assert house.until(lambda: house.ask("GET", f"/v1/jobs/{job['id']}")["state"]) == "waiting"
    house.ask("POST", f"/v1/jobs/{job['id']}/cancel", status=409)
    house.ask("POST", f"{path}/retry", {}, status=409)
    assert "2.pre.1      switch the storage over: waits until it is confirmed" in typed(house, "plan", "status", job["id"])
    assert "waits for a person" in typed(house, "plan", "runs")
    typed(house, "plan", "confirm", job["id"], "2.pre.1", "--note", "done by hand")
    until(**{"2.pre.2": "failed"})
    house.ask("POST", f"{path}/retry", {"note": "the zone is there now"})
    until(**{"2.machine.1": "running"})
    killed(house)
    # A test is over when what it started is gone; here nothing was.
    until(**{"4.pre.1": "confirm"})
    typed(house, "plan", "confirm", job["id"], "--note", "all well")
    house.until(lambda: house.ask("GET", f"/v1/jobs/{job['id']}")["state"] == "failed")

    run = house.ask("GET", path)
    assert {name: found for name, found in state(run).items() if found != "succeeded"} == {"3.machine.3": "failed", "3.post.1": "failed"}
    assert (run["state"], run["reported"], run["actor"], run["reason"], run["site"]) == ("failed", True, "root", "the yearly one", "here")
    said = Counter((house.directory / "said").read_text().splitlines())
    assert said == {"dns 1.pre.1 test dr": 1, "fail 2.pre.2 test dr": 2, "slow 3.post.1 test dr": 1}
    steps = {step["id"]: step for step in run["steps"]}
    assert steps["1.pre.1"]["tries"][0]["output"] == "dns is set\n"
    assert [(one["outcome"], one["output"]) for one in steps["2.pre.2"]["tries"]] == [("failed", "no such zone\n"), ("succeeded", "")]
    assert steps["3.post.1"]["tries"][0]["text"] == "it took more than 0.5 s, and was ended"
    assert steps["3.machine.3"]["tries"][0]["text"]
    words = [(one["reply"], one["actor"], one["note"]) for step in run["steps"] for one in step["said"]]
    assert words == [("confirm", "root", "done by hand"), ("retry", "root", "the zone is there now"), ("confirm", "root", "all well")]
    machines = [step for step in run["steps"] if step["phase"] == "machines"]
    assert [len(step["tries"]) for step in machines] == [1] * 10
    assert len({step["job"] for step in machines}) == 10
    assert all(step["number"] and step["frozen_at"] for step in machines if step["title"] != "gone")

    # Each machine had one job of this run, whatever was killed.
    jobs = house.ask("GET", "/v1/jobs?limit=200")["items"]
    assert sum(one["kind"] == "replicate" for one in jobs) == 10
    # The vault alone has all of it; collecting takes nothing of it away.
    house.ask("POST", "/v1/machines/db1/collect", {"grace_seconds": 0})
    assert house.end() == 0
    assert house.host.json("plan", "report", job["id"]) == run
    assert house.host.json("plan", "runs")[0]["id"] == job["id"]
    page = house.directory / "report.html"
    house.host.run("plan", "report", job["id"], "--html", str(page))
    assert "done by hand" in page.read_text()
    told = house.host.run("plan", "report", job["id"]).stdout
    assert "| no such zone" in told
    assert "confirmed by root" in told


def test_a_run_whose_job_is_forgotten_goes_on(house: House) -> None:
    """Jobs are a cache: without it the run is found by what is written down of it."""
    note = house.directory / "note"
    note.write_text(f'#!/bin/sh\necho "$UNDERSTUDY_STEP" >> "{house.directory}/said"\n')
    note.chmod(0o755)
    house.command = (sys.executable, "-m", "tests.daemon.plan_daemon")
    house.environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    house.start()
    script = f'{{kind = "script", command = ["{note}"]}}'
    text = f'[[group]]\nname = "a"\npre = [{script}, {{kind = "manual", text = "wait"}}]\n'
    house.ask("PUT", "/v1/plans/dr", {"text": text})
    first, second = begun(house), begun(house)
    house.ask("POST", f"/v1/plan-runs/{first}/confirm", {})
    house.until(lambda: house.ask("GET", f"/v1/jobs/{first}")["state"] == "succeeded")
    house.end(signal.SIGKILL)
    for file in (house.directory / "state" / "daemon").glob("jobs.sqlite*"):
        file.unlink()
    house.start()

    # It goes on where it was; the one that had ended is begun by nobody again.
    waits = house.until(lambda: found if (found := house.ask("GET", f"/v1/jobs/{second}"))["state"] == "waiting" else None)
    assert waits["actor"] == "root"
    assert [job["id"] for job in house.ask("GET", "/v1/jobs")["items"]] == [second]
    house.ask("POST", f"/v1/plan-runs/{second}/confirm", {})
    house.until(lambda: house.ask("GET", f"/v1/jobs/{second}")["state"] == "succeeded")
    assert (house.directory / "said").read_text() == "1.pre.1\n" * 2

    # What the vault has is swept here when the next run begins, and still shown.
    third = begun(house)
    assert [path.name for path in (house.directory / "state" / "plans").iterdir()] == [third]
    runs = house.ask("GET", "/v1/plan-runs")["items"]
    assert [(run["id"], run["state"], run["reported"]) for run in runs] == [
        (third, "running", False),
        (second, "succeeded", True),
        (first, "succeeded", True),
    ]
    assert house.ask("GET", f"/v1/plan-runs/{first}")["reported"]
    house.ask("POST", f"/v1/plan-runs/{third}/abort", {"note": "enough"})
    ended = house.until(lambda: found if (found := house.ask("GET", f"/v1/jobs/{third}"))["state"] == "failed" else None)
    assert ended["error"]["message"] == "plan dr was aborted by root"


def begun(house: House) -> str:
    """A run that waits for a person."""
    job: str = house.ask("POST", "/v1/plans/dr/run", {"kind": "test"})["id"]
    house.until(lambda: state(house.ask("GET", f"/v1/plan-runs/{job}"))["1.pre.2"] == "confirm")
    return job
