"""A daemon keeps images of a machine that another site replicates."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.daemon.house import House
from tests.daemon.test_stand_in import elsewhere
from understudy.cli.main import cli, in_process


def state(house: House) -> Any:
    return house.ask("GET", "/v1/machines/web/standby")


def ask(house: House, *words: str) -> str:
    """A command to the daemon."""
    done = CliRunner().invoke(cli, words, obj=in_process, prog_name="understudy", env={"UNDERSTUDY_SOCKET": str(house.socket)})
    assert done.exit_code == 0, f"{words} ended with {done.exit_code}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def at(house: House, point: int, image: Path, held: bytes) -> None:
    """Wait for it: the point's number and the bytes."""
    house.until(lambda: (found := state(house))["number"] == point and found["behind"] == 0)
    assert image.read_bytes() == held


def newest(house: House) -> int:
    return int(house.ask("GET", "/v1/machines/web/points")["points"][-1]["number"])


@contextmanager
def started_by_hand(image: Path) -> Iterator[None]:
    command = ["qemu-system-x86_64", "-S", "-m", "32", "-nodefaults", "-display", "none", "-drive", f"file={image},format=raw,if=virtio"]
    with subprocess.Popen(command) as qemu:
        yield
        qemu.kill()


def test_it_follows_and_outlives_the_daemon(house: House, short: Path) -> None:
    there = elsewhere(house)
    disk, image = house.directory / "disk", house.directory / "images" / "vda.raw"
    house.start()
    assert "a standby of web is kept here" in ask(house, "standby", "create", "web", "--to", str(image.parent))
    at(house, newest(house), image, disk.read_bytes())
    shown = house.machine("web")
    assert (shown["phase"], shown["health"], shown["points"]) == ("standby", "normal", 1)
    assert shown["standby"]["disks"][0]["path"] == str(image)
    house.end(signal.SIGKILL)
    disk.write_bytes(b"a" * (1 << 20))
    there.run("replicate", "web")
    house.start()
    at(house, newest(house), image, disk.read_bytes())
    assert "following" in ask(house, "standby", "list")
    assert str(image) in ask(house, "standby", "show", "web")
    assert "nothing of web was put aside here" in ask(house, "orphan", "list", "web")
    assert "elsewhere; standby following, at point" in ask(house, "status")
    assert "proven by digest" in ask(house, "standby", "verify", "web")
    ask(house, "standby", "pause", "web")
    disk.write_bytes(b"b" * (1 << 20))
    there.run("replicate", "web")
    house.until(lambda: any(reason["code"] == "standby-paused" for reason in house.machine("web")["reasons"]))
    assert len(house.ask("GET", "/v1/machines/web/holds")["items"]) == 1
    assert state(house)["behind"] == 1
    ask(house, "standby", "resume", "web")
    at(house, newest(house), image, disk.read_bytes())
    # Somebody starts the machine by hand here, too.
    with started_by_hand(image):
        (reason,) = house.until(lambda: house.machine("web")["reasons"])
        assert (reason["code"], reason["health"], f"fuser -v {image}" in reason["hint"]) == ("standby-written", "warning", True)
        held = disk.read_bytes()
        disk.write_bytes(b"c" * (1 << 20))
        there.run("replicate", "web")
        house.until(lambda: house.machine("web")["health"] == "critical")
        assert "it runs at" in house.machine("web")["reasons"][0]["message"]
        assert image.read_bytes() == held
    at(house, newest(house), image, disk.read_bytes())
    assert house.machine("web")["reasons"] == []
    # What somebody else writes is not overwritten; it is told.
    with image.open("r+b") as file:
        file.write(b"precious")
    there.run("replicate", "web")
    warned = house.until(lambda: [reason for reason in house.machine("web")["reasons"] if reason["code"] == "standby-failed"])
    assert "something else has written to" in warned[0]["message"]
    assert house.machine("web")["health"] == "warning"
    ask(house, "standby", "create", "web", "--to", str(image.parent), "--adopt")
    at(house, newest(house), image, disk.read_bytes())
    assert "are deleted" in ask(house, "standby", "remove", "web", "--yes")
    assert not image.exists()
    house.until(lambda: house.ask("GET", "/v1/machines")["items"] == [])
    assert house.end() == 0
