"""`make test-systemd`: what `make install` installs, under a booted systemd. Needs root and systemd-nspawn.

python -m tests.systemd.boot DESTDIR
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.systemd.machine import Machine
from understudy.qemu.session import QmpSession

CONFIGURATION = """\
site = "booted"
[vault]
url = "file:///srv/vault"
credential = "vault-key"
[api]
operators = ["nobody"]
[policy]
interval = "{interval}"
verify-every = 0
"""
QEMU = (
    *("qemu-system-x86_64", "-accel", "tcg", "-machine", "q35", "-nodefaults", "-display", "none", "-m", "64"),
    *("-qmp", "unix:/srv/vm.qmp,server=on,wait=off", "-blockdev", "driver=file,filename=/srv/vm.raw,node-name=file0"),
    *("-blockdev", "driver=raw,file=file0,node-name=disk0", "-device", "virtio-blk-pci,drive=disk0"),
)


def configure(machine: Machine, interval: str = "1s", more: str = "") -> None:
    (machine.etc / "understudy" / "understudy.toml").write_text(more + CONFIGURATION.format(interval=interval))


def asked(machine: Machine, *words: str) -> Any:
    return json.loads(machine.run("understudy", *words, "--json"))


def state(machine: Machine, name: str) -> Any:
    """As `understudy status` has it, whatever its exit code says."""
    return next(one for one in json.loads(machine.try_("understudy", "status", "--json").stdout)["machines"] if one["name"] == name)


def points_go_on(machine: Machine) -> None:
    for name in ("vm", "files"):
        before = machine.until(lambda name=name: state(machine, name)["newest_point"], "make a point")
        machine.until(lambda name=name, before=before: state(machine, name)["newest_point"] > before + 1, "make more points")


def prepare(machine: Machine) -> None:
    """A vault, whose key only root reads, and a VM that has nothing to do with the service."""
    machine.run(
        "understudy",
        "vault",
        "create",
        "file:///srv/vault",
        "--key-file",
        "/etc/understudy/vault.key",
        "--state-dir",
        "/var/lib/understudy",
    )
    machine.run("truncate", "-s", "64M", "/srv/vm.raw", "/srv/files")
    machine.run("systemd-run", "--unit=vm", *QEMU)
    machine.until((machine.srv / "vm.qmp").exists, "start a VM")


def it_starts_and_replicates(machine: Machine) -> None:
    configure(machine)
    machine.run("systemctl", "start", "understudy")
    assert (machine.shown("ActiveState"), machine.shown("Type"), machine.shown("NRestarts")) == ("active", "notify", "0")
    asked(machine, "protect", "vm", "--qmp", "/srv/vm.qmp")
    asked(machine, "protect", "files", "--disk", "vda=/srv/files")
    points_go_on(machine)
    key = (machine.etc / "understudy" / "vault.key").read_bytes().strip().decode(errors="replace")
    assert key not in machine.journal()


def only_its_users_may(machine: Machine) -> None:
    as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "understudy")
    machine.run(*as_nobody, "replicate", "files")
    refused = machine.try_(*as_nobody, "unprotect", "files")
    assert refused.returncode == 5, (refused.returncode, refused.stderr)


def it_reloads(machine: Machine) -> None:
    pid = machine.shown("MainPID")
    configure(machine, "2s")
    machine.run("systemctl", "reload", "understudy")
    machine.until(lambda: state(machine, "vm")["policy"]["interval"] == 2, "reload")
    configure(machine, more="colour = 1\n")
    machine.run("systemctl", "reload", "understudy")
    machine.until(lambda: "colour: there is no such key" in machine.try_("understudy", "status").stdout, "say what is wrong")
    configure(machine)
    machine.run("systemctl", "reload", "understudy")
    machine.until(lambda: state(machine, "vm")["policy"]["interval"] == 1, "reload")
    assert machine.shown("MainPID") == pid
    points_go_on(machine)


def it_comes_back(machine: Machine, signal: str, told: str) -> None:
    pid, restarts = machine.shown("MainPID"), int(machine.shown("NRestarts"))
    machine.run("kill", f"-{signal}", pid)
    machine.until(lambda: machine.shown("ActiveState") == "active" and machine.shown("MainPID") not in (pid, "0"), "come back")
    assert int(machine.shown("NRestarts")) == restarts + 1
    assert told in machine.run("journalctl", "--no-pager", "-u", "understudy"), told
    points_go_on(machine)


def it_stops_and_the_vm_does_not(machine: Machine) -> None:
    machine.run("systemctl", "stop", "understudy")
    assert (machine.shown("ActiveState"), machine.shown("Result")) == ("inactive", "success")
    assert "the daemon has stopped" in machine.journal()
    assert machine.run("systemctl", "is-active", "vm").strip() == "active"
    left = machine.try_("pgrep", "-af", "understudy").stdout
    assert "serve" not in left, left
    nodes = asyncio.run(block_nodes(str(machine.srv / "vm.qmp")))
    assert {node["node-name"] for node in nodes} == {"file0", "disk0"}, nodes
    bitmaps = [(node["node-name"], bitmap["name"]) for node in nodes for bitmap in node.get("dirty-bitmaps", ())]
    assert {node for node, _ in bitmaps} == {"disk0"}, f"change tracking does not go on: {bitmaps}"


async def block_nodes(qmp: str) -> Any:
    session = await QmpSession.connect(qmp)
    try:
        return await session.execute("query-named-block-nodes", {"flat": True})
    finally:
        await session.close()


def a_wrong_file_is_told_at_the_start(machine: Machine) -> None:
    configure(machine, more="colour = 1\n")
    assert machine.try_("systemctl", "start", "understudy").returncode != 0
    assert "colour: there is no such key" in machine.journal()
    machine.try_("systemctl", "stop", "understudy")
    configure(machine)
    machine.run("systemctl", "start", "understudy")
    points_go_on(machine)


def main(installed: Path) -> None:
    with Machine(installed) as machine:
        watched = machine.etc / "systemd" / "system" / "understudy.service.d"
        watched.mkdir(parents=True)
        (watched / "sooner.conf").write_text("[Service]\nWatchdogSec=4\n")
        machine.run("systemctl", "daemon-reload")
        prepare(machine)
        for step in (it_starts_and_replicates, only_its_users_may, it_reloads):
            step(machine)
            print("holds:", step.__name__.replace("_", " "), flush=True)
        it_comes_back(machine, "STOP", "Watchdog timeout")
        print("holds: the watchdog ends one that is stuck, and it comes back", flush=True)
        it_comes_back(machine, "KILL", "status=9/KILL")
        print("holds: killed, it comes back", flush=True)
        for step in (it_stops_and_the_vm_does_not, a_wrong_file_is_told_at_the_start):
            step(machine)
            print("holds:", step.__name__.replace("_", " "), flush=True)
        print(machine.run("systemd-analyze", "security", "--no-pager", "understudy").strip().splitlines()[-1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
