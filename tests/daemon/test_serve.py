"""`understudy serve`, a real process: points at their interval, kill −9, drained, reloaded, alone."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
from pathlib import Path

from tests.cli.installed import COMMAND
from tests.daemon.house import House
from tests.source.machine import MIB, Machine, blockdev

SLOW, RATE = 48 * MIB, 8 * MIB
"""Three packs, of which the first goes at once: a cycle of them all is seen on its way on any host."""
PAUSED = {"interval": 1, "verify_every": 0, "paused": True}


def block(house: House, name: str, size: int = MIB) -> Path:
    path = house.directory / name
    path.write_bytes(os.urandom(size))
    house.ask("POST", "/v1/machines", {"name": name, "source": {"kind": "block", "disks": {"vda": str(path)}}})
    return path


async def test_machines_are_replicated_by_themselves_also_after_a_kill(house: House) -> None:
    vm = Machine(house.directory, [blockdev(house.directory, "vda", "qcow2", 8 * MIB)])
    await vm.start()
    try:
        await vm.write("vda", 0, MIB, 0x11)
        house.start()
        disk = block(house, "files")
        house.ask("POST", "/v1/machines", {"name": "vm", "source": {"kind": "qemu", "qmp": vm.qmp}})
        for name in ("files", "vm"):
            house.points(name, 3)
        await vm.write("vda", MIB, MIB, 0x22)
        disk.write_bytes(os.urandom(MIB))
        house.end(signal.SIGKILL)

        house.start()
        before = {name: house.machine(name)["points"] for name in ("files", "vm")}
        for name in ("files", "vm"):
            state = house.points(name, max(before[name], 3) + 2)
            assert state["health"] == "normal", state
            assert state["cycles"]["count"] >= 2
        assert house.end() == 0
        left = [name for name in await vm.leftovers() if not name.startswith("/")]
        assert left == ["vda-format:" + name for name in await bitmaps(vm)] != [], "tracking goes on, nothing else stays"

        target = house.directory / "restored"
        for name in ("files", "vm"):
            await asyncio.to_thread(house.host.run, "verify", f"{name}@latest")
            await asyncio.to_thread(house.host.run, "restore", f"{name}@latest", "--to", str(target / name))
        restored = {name: next((target / name).glob("vda*")).read_bytes() for name in ("files", "vm")}
        assert restored == {"files": disk.read_bytes(), "vm": (await vm.contents())["vda"].tobytes()}
    finally:
        await vm.kill()


async def bitmaps(vm: Machine) -> list[str]:
    nodes = await vm.execute("query-named-block-nodes", flat=True)
    assert isinstance(nodes, list)
    return [bitmap["name"] for node in nodes for bitmap in node.get("dirty-bitmaps", ()) if node["node-name"] == "vda-format"]


def test_jobs_are_repeated_after_a_kill_and_a_cycle_that_runs_is_finished_by_a_stop(house: House) -> None:
    house.start()
    block(house, "slow", SLOW)
    house.points("slow", 1)
    house.ask("PUT", "/v1/machines/slow/policy", {"interval": 3600, "verify_every": 0, "rate": RATE})
    (house.directory / "slow").write_bytes(os.urandom(SLOW))
    first = house.ask("POST", "/v1/machines/slow/replicate", {}, 202)
    house.until(
        lambda: (job := house.ask("GET", f"/v1/jobs/{first['id']}"))["state"] == "running" and job["progress"]["phase"] == "transfer"
    )
    house.end(signal.SIGKILL)

    house.start()
    done = house.until(lambda: job if (job := house.ask("GET", f"/v1/jobs/{first['id']}"))["ended_at"] else None)
    assert (done["state"], done["attempts"]) == ("succeeded", 2), done
    assert "begun again" in done["note"]
    assert [event["kind"] for event in house.events("job.repeated")] == ["job.repeated"]

    (house.directory / "slow").write_bytes(os.urandom(SLOW))
    points = house.machine("slow")["points"]
    second = house.ask("POST", "/v1/machines/slow/replicate", {}, 202)
    house.until(lambda: house.ask("GET", f"/v1/jobs/{second['id']}")["progress"]["phase"] == "transfer")
    assert house.end() == 0
    house.start()
    assert house.machine("slow")["policy"]["rate"] == RATE, "a machine's own policy is kept"
    assert house.points("slow", points + 1)
    ended = house.until(lambda: job if (job := house.ask("GET", f"/v1/jobs/{second['id']}"))["ended_at"] else None)
    assert (ended["state"], ended["attempts"]) == ("succeeded", 1)
    assert len(house.events("daemon.unclean")) == 1, "one was killed, and one stopped"
    assert house.events("request")[-1]["message"] == "replicate slow"


def test_a_resynchronization_is_shown_while_it_runs(house: House) -> None:
    house.start()
    disk = block(house, "grown", SLOW)
    house.points("grown", 1)
    house.ask("PUT", "/v1/machines/grown/policy", {"interval": 3600, "verify_every": 0, "rate": RATE})
    disk.write_bytes(os.urandom(SLOW + MIB))
    house.ask("POST", "/v1/machines/grown/replicate", {}, 202)
    state = house.until(
        lambda: found if (found := house.machine("grown"))["phase"] == "resynchronizing" and found["progress"]["done"] else None
    )
    why = f"disk vda was resized from {SLOW} to {SLOW + MIB} bytes"
    assert state["health"] == "warning"
    told = [(reason["code"], reason["message"]) for reason in state["reasons"] if reason["code"] != "never-tested"]
    assert told == [("resynchronizing", f"resynchronizing: {why}")]
    assert (state["progress"]["phase"], state["progress"]["total"], state["progress"]["reason"]) == ("transfer", SLOW + MIB, why)
    state = house.until(lambda: found if (found := house.machine("grown"))["phase"] == "protected" else None)
    assert (state["health"], [reason["code"] for reason in state["reasons"]]) == ("normal", ["never-tested"])
    assert house.events("machine.cycle")[-1]["data"]["cause"] == "resync"


def test_a_changed_file_is_taken_over_and_a_wrong_one_is_not(house: House) -> None:
    house.start()
    block(house, "a")
    block(house, "own")
    house.ask("PUT", "/v1/machines/own/policy", PAUSED)
    house.policy["interval"] = "2m"
    house.configure()
    house.send(signal.SIGHUP)
    house.until(lambda: house.events("config.loaded"))
    assert house.machine("a")["policy"]["interval"] == 120
    assert house.machine("own")["policy"]["interval"] == 1
    assert house.machine("own")["phase"] == "paused"

    house.configure("colour = 1")
    house.send(signal.SIGHUP)
    house.until(lambda: house.events("config.refused"))
    health = house.ask("GET", "/v1/health")
    assert [reason["code"] for reason in health["reasons"]] == ["config"]
    assert "colour" in health["reasons"][0]["message"]
    assert house.machine("a")["policy"]["interval"] == 120

    house.configure('[log]\nformat = "json"')
    house.send(signal.SIGHUP)
    house.until(lambda: len(house.events("config.loaded")) == 2)
    assert house.ask("GET", "/v1/health")["health"] == "normal"
    house.until(lambda: house.log.splitlines()[-1].startswith("{"))


def test_there_is_one_daemon_and_it_removes_what_a_dead_one_left(house: House) -> None:
    house.start()
    second = subprocess.run([COMMAND, "serve", "--config", str(house.config)], capture_output=True, text=True, timeout=60)
    assert second.returncode == 4
    assert f"process {house.process.pid}" in second.stderr if house.process else False
    assert house.ask("GET", "/v1/health")["machines"] == 0, "the first one goes on"
    house.end(signal.SIGKILL)
    assert house.socket.is_socket()
    house.start()
    assert house.end() == 0
    assert not house.socket.exists()


def test_a_machine_that_fails_holds_up_nobody_and_is_told(house: House) -> None:
    house.start()
    block(house, "well")
    gone = block(house, "gone")
    for name in ("well", "gone"):
        house.points(name, 1)
    gone.rename(gone.with_suffix(".away"))
    state = house.until(lambda: found if (found := house.machine("gone"))["failures"] >= 2 else None)
    assert state["last_error"]["code"]
    assert state["health"] in ("warning", "critical")
    house.points("well", house.machine("well")["points"] + 2)
    assert house.machine("well")["health"] == "normal"
    # However long the interval is, a failure that may pass is tried again soon.
    house.ask("PUT", "/v1/machines/gone/policy", {"interval": 86400, "verify_every": 0})
    gone.with_suffix(".away").rename(gone)
    house.until(lambda: house.machine("gone")["failures"] == 0)
    house.until(lambda: house.events("machine.recovered"))

    house.ask("DELETE", "/v1/machines/gone")
    house.ask("GET", "/v1/machines/gone", status=404)
    assert [state["name"] for state in house.ask("GET", "/v1/machines")["items"]] == ["well"]


def test_no_secret_is_in_the_log_the_files_or_the_process(house: House) -> None:
    house.start()
    block(house, "a")
    house.points("a", 2)
    assert house.process is not None
    command = Path(f"/proc/{house.process.pid}/cmdline").read_bytes()
    key = house.host.key.read_bytes()
    secrets = {key, key.strip(), key.strip().hex().encode()}
    kept = [path.read_bytes() for path in house.directory.rglob("*") if path.is_file() and path != house.host.key]
    answers = str(house.ask("GET", "/v1/vault")).encode() + str(house.ask("GET", "/v1/health")).encode()
    for secret in secrets:
        assert len(secret) >= 16
        assert all(secret not in data for data in (command, answers, house.log.encode(), *kept))


def test_a_vault_that_is_away_is_waited_for(house: House) -> None:
    house.start()
    block(house, "a")
    house.points("a", 1)
    house.end()
    house.host.vault.rename(house.directory / "away")
    house.start()
    house.until(house.socket.is_socket)
    reasons = house.until(lambda: found if len(found := house.ask("GET", "/v1/health")["reasons"]) > 1 else None)
    assert [(reason["code"], reason["health"]) for reason in reasons] == [("store_unavailable", "critical"), ("unread", "critical")]
    assert reasons[1]["message"].startswith("replication of 1 machine of this host stands still")
    (house.directory / "away").rename(house.host.vault)
    house.until(lambda: house.ask("GET", "/v1/health")["health"] == "normal")
    house.until(lambda: [machine["name"] for machine in house.ask("GET", "/v1/machines")["items"]] == ["a"])


def test_what_an_earlier_daemon_left_unreadable_is_told_and_ends_nothing(house: House) -> None:
    house.start()
    block(house, "a")
    house.ask("PUT", "/v1/machines/a/policy", {"interval": 1, "verify_every": 0})
    house.points("a", 1)
    house.end(signal.SIGKILL)
    (policy,) = house.directory.glob("state/vaults/*/machines/*/policy.json")
    policy.write_text("{")
    foreign = {"id": "f" * 20, "kind": "prune", "parameters": {"of_another_version": 1}, "actor": "x", "state": "running", "attempts": 1}
    with sqlite3.connect(house.directory / "state/daemon/jobs.sqlite") as file:
        words = (foreign["id"], "running", None, "x", "", json.dumps({**foreign, "machine": None, "created_at": 1}))
        file.execute("INSERT INTO jobs (id, state, machine, actor, key, body) VALUES (?, ?, ?, ?, ?, ?)", words)

    house.start()
    job = house.ask("GET", f"/v1/jobs/{foreign['id']}")
    assert (job["state"], job["error"]["code"]) == ("failed", "invalid_request")
    state = house.until(lambda: found if (found := house.machine("a"))["health"] == "critical" else None)
    assert "policy" in [reason["code"] for reason in state["reasons"]]
    assert state["health"] == "critical"
    house.ask("PUT", "/v1/machines/a/policy", {"interval": 2, "verify_every": 0})
    assert house.until(lambda: house.machine("a")["health"] == "normal")


def test_a_job_does_not_wait_for_a_machine_that_left(house: House) -> None:
    house.start()
    disk = block(house, "slow", SLOW)
    house.points("slow", 1)
    house.ask("PUT", "/v1/machines/slow/policy", {"interval": 3600, "verify_every": 0, "rate": RATE})
    disk.write_bytes(os.urandom(SLOW))
    first = house.ask("POST", "/v1/machines/slow/replicate", {}, 202)
    house.until(lambda: house.ask("GET", f"/v1/jobs/{first['id']}")["progress"]["phase"] == "transfer")
    second = house.ask("POST", "/v1/machines/slow/replicate", {}, 202)
    house.until(lambda: house.ask("GET", f"/v1/jobs/{second['id']}")["state"] == "running")
    house.ask("DELETE", "/v1/machines/slow")
    ended = [
        house.until(lambda id_=job["id"]: found if (found := house.ask("GET", f"/v1/jobs/{id_}"))["ended_at"] else None)
        for job in (first, second)
    ]
    assert [job["state"] for job in ended] == ["succeeded", "failed"]
    assert "not followed any more" in ended[1]["error"]["message"]
    assert not list(house.directory.glob("state/vaults/*/machines/*/policy.json")), "its policy left with it"
