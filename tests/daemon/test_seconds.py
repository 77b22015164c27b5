"""A daemon brings a second vault on behind its cycles, which go on whatever becomes of that."""

import json
import os
import shutil
import signal
from pathlib import Path

from click.testing import CliRunner

from tests.daemon.house import House
from understudy.cli.main import cli, in_process
from understudy.vault import names


def typed(house: House, *words: str, expect: int) -> str:
    """What a command says of the daemon's health, which is so bad at least: on a busy host it may be worse."""
    done = CliRunner().invoke(cli, words, obj=in_process, prog_name="understudy", env={"UNDERSTUDY_SOCKET": str(house.socket)})
    assert expect <= done.exit_code <= 2, done.output
    return done.stdout


def follow(house: House, second: Path) -> Path:
    """A daemon that replicates a file, and copies its points."""
    disk = house.directory / "disk"
    disk.write_bytes(b"x" * (1 << 20))
    house.host.run("vault", "copy", "create", second.as_uri())
    house.policy["second"] = second.as_uri()
    house.configure()
    house.start()
    house.ask("POST", "/v1/machines", {"name": "web", "source": {"kind": "block", "disks": {"vda": str(disk)}}})
    return disk


def test_points_are_copied_and_cycles_do_not_wait_for_a_place_that_is_gone(house: House, short: Path) -> None:
    second, away = short / "second", short / "away"
    disk = follow(house, second)

    def copied() -> int:
        shown = house.machine("web")["second"]
        return int(shown["point"] or 0) if shown["state"] in ("current", "copying") else 0

    before = house.until(copied)
    house.end(signal.SIGKILL)
    second.rename(away)
    disk.write_bytes(b"y" * (1 << 20))
    house.start()
    reasons = house.until(lambda: [reason for reason in house.machine("web")["reasons"] if reason["code"] == "second-failed"])
    assert "mounted" in reasons[0]["hint"]
    house.until(lambda: (now := house.machine("web"))["newest_point"] > before and now["failures"] == 0)
    assert f"at {second.as_uri()}; failing" in " ".join(typed(house, "status", "web", expect=1).split())
    away.rename(second)
    house.until(lambda: copied() > before)
    house.until(lambda: house.events("second.failed"))
    house.until(lambda: house.events("second.recovered"))
    # The copy alone is named, whoever else is there; of the vault's keys nothing is known then.
    alone = {"UNDERSTUDY_SOCKET": str(house.socket), "UNDERSTUDY_KEY_FILE": str(house.host.key), "UNDERSTUDY_STATE_DIR": str(short / "any")}
    words = ("vault", "copy", "verify", second.as_uri(), "--json")
    proven = CliRunner().invoke(cli, words, obj=in_process, prog_name="understudy", env=alone)
    assert (proven.exit_code, json.loads(proven.stdout)["keys"]) == (0, None), proven.output
    house.end()
    # Nothing was appended but what the vault has, and the copy alone brings the machine back.
    assert "the copy is whole" in house.host.run("vault", "copy", "verify", second.as_uri()).stdout
    (machine,) = (path.name for path in (second / names.MACHINES).iterdir())
    log = names.log(names.machine(machine))
    assert all(path.read_bytes() == (house.host.vault / log / path.name).read_bytes() for path in (second / log).iterdir())
    shutil.rmtree(house.host.vault)
    house.start(waits=False)
    house.until(lambda: house.log.count("event=daemon.started") == 3)
    assert "stop this site's daemon" in house.host.run("vault", "promote", second.as_uri(), "--yes", expect=4).stderr
    house.end()
    assert "No such file" in house.host.run("vault", "promote", second.as_uri(), "--yes").stderr
    last = max(int(path.name) for path in (second / log).iterdir())
    house.address, house.policy["second"] = second.as_uri(), ""
    house.configure()
    disk.write_bytes(b"z" * (1 << 20))
    house.start()
    house.until(house._answers)
    house.until(lambda: (house.machine("web")["newest_point"] or 0) > last)
    (followed,) = house.until(lambda: house.events("vault.followed"))
    assert followed["data"]["url"] == second.as_uri()
    assert "second, promoted " in typed(house, "status", expect=0).replace("\n", "")
    house.end()
    house.host.run("restore", "web@latest", "--to", str(short / "restored"))
    assert (short / "restored" / "vda.raw").read_bytes() == disk.read_bytes()


def test_what_rots_in_the_copy_is_found_and_healed_and_told_where_it_cannot_be(house: House, short: Path) -> None:
    second = short / "second"
    house.policy["verify-every"] = "1s"
    follow(house, second).write_bytes(os.urandom(1 << 20))
    (pack, *_) = house.until(lambda: list(second.glob("machines/*/packs/*")))
    house.until(lambda: (house.machine("web")["second"] or {}).get("verified_at"))
    assert "verified" in typed(house, "status", "web", expect=0)
    ours, whole = house.host.vault / pack.relative_to(second), pack.read_bytes()

    def rot(path: Path) -> None:
        path.chmod(0o600)
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))

    rot(pack)
    house.until(lambda: house.events("second.healed"))
    assert pack.read_bytes() == whole
    rot(ours)
    rot(pack)
    reasons = house.until(lambda: [reason for reason in house.machine("web")["reasons"] if reason["code"] == "second-damaged"])
    assert reasons[0]["health"] == "critical"
    assert pack.name in reasons[0]["message"]
    assert f"DAMAGED: machines/{pack.parent.parent.name}/packs/{pack.name}" in "".join(typed(house, "status", "web", expect=2).split("\n"))
    ours.write_bytes(whole)
    house.until(lambda: not house.machine("web")["second"]["damage"])
    assert pack.read_bytes() == whole


def test_a_machine_whose_log_does_not_read_keeps_no_other_from_being_copied(house: House, short: Path) -> None:
    second = short / "second"
    follow(house, second)
    disk = house.directory / "other"
    disk.write_bytes(b"x" * (1 << 20))
    house.ask("POST", "/v1/machines", {"name": "db", "source": {"kind": "block", "disks": {"vda": str(disk)}}})

    def copied(name: str) -> int:
        return int((house.machine(name)["second"] or {}).get("point") or 0)

    house.until(lambda: copied("web"))
    before = house.until(lambda: copied("db"))
    web = house.machine("web")["id"]
    house.end(signal.SIGKILL)
    *_, last = sorted((house.host.vault / names.log(names.machine(web))).iterdir())
    whole = last.read_bytes()
    last.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    disk.write_bytes(b"y" * (1 << 20))
    house.start()
    house.until(lambda: copied("db") > before)
    (failed, *_) = house.until(lambda: [event for event in house.events("second.failed") if event["machine"] == web])
    assert failed["data"]["code"] == "integrity"
