"""Test failovers by a real daemon, over its API: what it was doing when it was killed goes on in the next one."""

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner

from tests.daemon.house import House
from understudy.cli.main import cli, in_process
from understudy.daemon.maintenance import Maintenance
from understudy.engine import StartJob

MACHINE = """
name = "web"
uuid = "00112233-4455-6677-8899-aabbccddeeff"
memory = 134217728
video = "VGA"

[[disks]]
name = "vda"

[[nics]]
name = "net0"
mac = "52:54:00:57:a4:03"
network = "br0"
"""
"""It finds nothing to boot from, and says so on its screen."""


@pytest.fixture
def protected(house: House) -> House:
    house.policy["interval"] = "1s"
    house.configure()
    house.start()
    disk, file = house.directory / "disk", house.directory / "web.toml"
    disk.write_bytes(b"x" * (1 << 20))
    file.write_text(MACHINE)
    typed(house, "protect", "web", "--disk", f"vda={disk}")
    house.points("web", 1)
    typed(house, "definition", "set", "web", str(file))
    return house


def typed(house: House, *words: str, expect: int = 0) -> str:
    host = house.host
    host.extra["UNDERSTUDY_SOCKET"] = str(house.socket)
    environment = host.environment()
    for name in ("UNDERSTUDY_VAULT", "UNDERSTUDY_KEY_FILE", "UNDERSTUDY_STATE_DIR"):
        del environment[name]
    done = CliRunner().invoke(cli, words, obj=in_process, prog_name="understudy", env={**dict.fromkeys(host.environment()), **environment})
    assert done.exit_code == expect, (words, done.stdout, done.stderr)
    return done.stdout


def test_it_goes_on_where_a_daemon_was_killed(protected: House, short: Path) -> None:
    house = protected
    checks = {"checks": [{"kind": "running", "seconds": 4.0}]}
    job = house.ask("POST", "/v1/machines/web/test-failover", {**checks, "note": "as each month"}, status=202)
    house.until(lambda: house.ask("GET", f"/v1/jobs/{job['id']}")["progress"]["phase"].startswith("check"))
    (drill,) = house.ask("GET", "/v1/drills?machine=web")["items"]
    assert drill["state"] == "checking"
    assert house.end(signal.SIGKILL) == -signal.SIGKILL
    house.start()
    ended = house.until(lambda: found if (found := house.ask("GET", f"/v1/jobs/{job['id']}"))["ended_at"] else None)
    assert (ended["state"], ended["attempts"]) == ("succeeded", 2), ended
    (again,) = house.ask("GET", "/v1/drills")["items"]
    assert (again["id"], again["state"], again["outcome"], again["note"]) == (drill["id"], "standing", "passed", "as each month")
    assert again["definition"] == drill["definition"]
    # Replication goes on beside it.
    house.points("web", house.machine("web")["points"] + 2)
    other = house.ask("POST", "/v1/machines/web/test-failover", checks, status=202)
    failed = house.until(lambda: found if (found := house.ask("GET", f"/v1/jobs/{other['id']}"))["ended_at"] else None)
    assert (failed["error"]["code"], drill["id"] in failed["error"]["message"]) == ("conflict", True)
    picture = short / "screen.png"
    shown = typed(house, "drill", "show", drill["id"][:6], "--screenshot", str(picture))
    assert "passed, standing" in shown
    assert picture.read_bytes().startswith(b"\x89PNG")
    told = typed(house, "drill", "cleanup", "web", "--note", "well")
    assert "of web: passed" in told
    assert [hold for hold in house.ask("GET", "/v1/machines/web/holds")["items"]] == []
    assert not [path for room in ("replicas", "vms", "exports") for path in (short / "state" / room).glob("*") if path.is_dir()]
    assert house.end() == 0


def test_scripts_are_an_admins(protected: House) -> None:
    house = protected
    house.ask("POST", "/v1/machines/web/test-failover", {"checks": [{"kind": "script", "program": "/bin/true"}]}, status=422)
    assert house.ask("GET", "/v1/machines/web/checks")["checks"] == [{"kind": "running", "seconds": 30.0}]
    house.ask("PUT", "/v1/machines/web/checks", {"checks": [{"kind": "script", "program": "/bin/true"}]})
    assert [event["message"] for event in house.until(lambda: house.events("checks.set"))] == ["the checks of web were set"]
    done = typed(house, "test-failover", "web", "--cleanup")
    assert "passed  script /bin/true: /bin/true ended with status 0" in done
    house.ask("DELETE", "/v1/machines/web/checks")
    assert house.ask("GET", "/v1/machines/web/checks")["given"] is False
    house.ask("GET", "/v1/drills/0123", status=404)
    assert house.end() == 0


def test_tests_begin_and_end_by_themselves(protected: House) -> None:
    house = protected

    def tests() -> list[tuple[str, str, str]]:
        return [(drill["state"], drill["outcome"], drill["note"]) for drill in house.ask("GET", "/v1/drills")["items"]]

    assert [reason["code"] for reason in house.machine("web")["reasons"]] == ["never-tested"]
    checks = {"checks": [{"kind": "running", "seconds": 0.2}]}
    house.ask("POST", "/v1/machines/web/test-failover", {**checks, "keep_for": 0.5, "note": "for a moment"}, status=202)
    house.until(lambda: tests() == [("cleaned", "passed", "for a moment")])
    assert house.until(lambda: house.machine("web")["drilled_at"])
    assert house.machine("web")["reasons"] == []
    house.ask("PUT", "/v1/machines/web/checks", {"checks": [{"kind": "script", "program": "/bin/false"}]})
    told = typed(house, "policy", "set", "web", "--drill-every", "1s", "--drill-times", "00:00-24:00", "--drill-warning", "30d")
    assert "tested          each 1.0 s, every day 00:00 to 24:00; warning from 30 d" in told
    house.until(lambda: tests()[0] == ("cleaned", "failed", "by the policy"))
    (reason,) = house.until(lambda: house.machine("web")["reasons"])
    assert (reason["code"], reason["health"]) == ("drill-failed", "warning")
    assert "script /bin/false failed: /bin/false ended with status 1" in reason["message"]
    typed(house, "policy", "set", "web", "--drill-every", "0", "--drill-times", "any")
    assert house.machine("web")["policy"]["drill_times"] is None
    house.until(lambda: all(state == "cleaned" for state, _, _ in tests()))
    assert house.end() == 0


def test_one_that_is_cancelled_is_removed(protected: House, short: Path) -> None:
    """It came to no outcome, so it leaves no record; and it holds nothing on."""
    house = protected
    checks = {"checks": [{"kind": "running", "seconds": 300.0}]}
    job = house.ask("POST", "/v1/machines/web/test-failover", {**checks, "note": "too slow"}, status=202)
    house.until(lambda: house.ask("GET", f"/v1/jobs/{job['id']}")["progress"]["phase"].startswith("check"))
    assert house.ask("POST", f"/v1/jobs/{job['id']}/cancel")["state"] == "cancelled"
    (over,) = house.until(lambda: found if (found := house.ask("GET", "/v1/drills")["items"])[0]["state"] == "cleaned" else None)
    assert (over["outcome"], over["note"]) == ("", "too slow")
    assert house.machine("web")["drilled_at"] is None
    assert house.ask("GET", "/v1/machines/web/holds")["items"] == []
    assert not [path for room in ("replicas", "vms", "exports") for path in (short / "state" / room).glob("*") if path.is_dir()]
    assert house.end() == 0


async def test_clean_ups_that_fail_are_not_begun_at_each_look() -> None:
    """Of several tests, too: each is a job that is kept."""
    begun: list[str] = []

    async def start(request: StartJob, machine: str) -> None:
        begun.append(machine)

    maintenance = Maintenance(cast(Any, SimpleNamespace(runner=SimpleNamespace(start=start))))
    for _ in range(3):
        for machine in ("web", "db"):
            await maintenance._clean_up(cast(Any, SimpleNamespace(id=f"test of {machine}", machine=machine, machine_id=machine)))
    assert begun == ["web", "db"]
