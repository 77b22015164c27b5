"""The whole way, as an operator walks it: files are protected, replicated, lost, and come back from the vault."""

import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.installed import COMMAND, Host

MIB = 1 << 20


@pytest.fixture
def operator(tmp_path: Path) -> Host:
    """A vault, and a host that holds its operator key."""
    host = Host(tmp_path / "operator", tmp_path / "vault", tmp_path / "operator.key")
    host.run("vault", "create", host.vault.as_uri())
    return host


@pytest.fixture
def source(operator: Host, tmp_path: Path) -> Host:
    """A host that only replicates: its key can restore nothing."""
    key = tmp_path / "source.key"
    operator.run("vault", "key", "add", "--role", "source", "--label", "host-a", "--new-key-file", str(key))
    return Host(tmp_path / "source", operator.vault, key)


@pytest.fixture
def disks(tmp_path: Path) -> dict[str, Path]:
    """Two disks: some MiB of data and a hole, and one whose last block is short."""
    chance = random.Random(7)
    paths = {"vda": tmp_path / "a.img", "vdb": tmp_path / "b.img"}
    paths["vda"].write_bytes(chance.randbytes(3 * MIB) + b"text " * 50_000)
    with paths["vda"].open("r+b") as image:
        image.truncate(16 * MIB)
    paths["vdb"].write_bytes(chance.randbytes(99 * 512))
    return paths


def protect(host: Host, disks: dict[str, Path], *more: str, expect: int = 0) -> Any:
    pairs = (word for name, path in disks.items() for word in ("--disk", f"{name}={path}"))
    return host.json("protect", "web", *pairs, *more, expect=expect)


def change(path: Path, chance: random.Random, writes: int = 20) -> None:
    """Random writes and zeroes; never beyond the end."""
    size = path.stat().st_size
    with path.open("r+b") as image:
        for _ in range(writes):
            length = min(chance.choice([1, 512, 4096, 65536, 200_000]), size)
            image.seek(chance.randrange(size - length + 1))
            image.write(bytes(length) if chance.random() < 0.3 else chance.randbytes(length))


def contents(disks: dict[str, Path]) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in disks.items()}


def restored(host: Host, which: str, target: Path) -> dict[str, bytes]:
    answer = host.json("restore", which, "--to", str(target))
    return {disk["name"]: Path(disk["path"]).read_bytes() for disk in answer["disks"]}


def test_every_point_comes_back_bit_for_bit(operator: Host, source: Host, disks: dict[str, Path], tmp_path: Path) -> None:
    assert operator.key.stat().st_mode & 0o777 == 0o600
    assert [disk["size"] for disk in protect(source, disks)["found"]["disks"]] == [16 * MIB, 99 * 512]
    chance = random.Random(8)
    kept = []
    for number in range(4):
        made = source.json("replicate", "web")
        assert (made["event"], made["cause"]) == ("cycle", "delta" if number else "initial")
        kept.append((made, contents(disks)))
        for path in disks.values():
            change(path, chance)
    listing = operator.json("points", "web")
    assert [point["id"] for point in listing["points"]] == [made["point"] for made, _ in kept]
    for made, wanted in kept:
        assert restored(operator, f"web@{made['number']}", tmp_path / f"fresh-{made['number']}") == wanted
    back = [kept[3], kept[0], kept[2]]
    for made, wanted in back:
        assert restored(operator, f"web@{made['point'][:8]}", tmp_path / "again") == wanted
    assert operator.json("verify", "web", "--all")["damage"] == []
    assert operator.json("verify", "web", "--level", "frames")["damage"] == []
    stranger = Host(tmp_path / "stranger", operator.vault, tmp_path / "no.key")
    assert stranger.json("verify")["objects"] > 0


def test_the_installed_command_does_the_same(tmp_path: Path, disks: dict[str, Path]) -> None:
    host = Host(tmp_path / "host", tmp_path / "vault", tmp_path / "key")
    assert host.run_installed("vault", "create")["role"] == "operator"
    host.run_installed("protect", "web", "--disk", f"vda={disks['vda']}")
    assert host.run_installed("replicate", "web")["cause"] == "initial"
    host.run_installed("restore", "web", "--to", str(tmp_path / "r"))
    assert (tmp_path / "r" / "vda.raw").read_bytes() == disks["vda"].read_bytes()


def test_an_image_that_holds_another_point_is_brought_along(operator: Host, source: Host, disks: dict[str, Path], tmp_path: Path) -> None:
    protect(source, disks)
    source.run("replicate", "web")
    target = tmp_path / "back"
    first = operator.json("restore", "web", "--to", str(target))
    assert {disk["trusted"] for disk in first["disks"]} == {"new"}
    with disks["vda"].open("r+b") as image:
        image.write(b"!" * 4096)
    source.run("replicate", "web")
    second = operator.json("restore", "web", "--to", str(target))
    assert [(disk["trusted"], disk["written_bytes"]) for disk in second["disks"]] == [("known", 4096), ("known", 0)]
    (target / "vda.raw").write_bytes(b"x" * (16 * MIB))
    third = operator.json("restore", "web", "--to", str(target), "--overwrite")
    assert third["disks"][0]["trusted"] == "scan"
    assert (target / "vda.raw").read_bytes() == disks["vda"].read_bytes()


def test_a_file_that_is_not_ours_is_not_overwritten(operator: Host, source: Host, disks: dict[str, Path], tmp_path: Path) -> None:
    protect(source, disks)
    source.run("replicate", "web")
    precious = tmp_path / "precious"
    precious.write_bytes(b"p" * disks["vdb"].stat().st_size)
    refused = operator.run("restore", "web", "--disk", f"vdb={precious}", expect=4)
    assert "--overwrite" in refused.stderr
    assert not precious.read_bytes().strip(b"p")
    operator.run("restore", "web", "--disk", f"vdb={precious}", "--overwrite")
    assert precious.read_bytes() == disks["vdb"].read_bytes()
    other = tmp_path / "other"
    other.write_bytes(b"of another size")
    operator.run("restore", "web", "--disk", f"vdb={other}", "--overwrite", expect=14)
    assert other.read_bytes() == b"of another size"


def test_a_qcow2_image_holds_the_same(operator: Host, source: Host, disks: dict[str, Path], tmp_path: Path) -> None:
    protect(source, disks)
    source.run("replicate", "web")
    operator.run("restore", "web", "--to", str(tmp_path / "q"), "--format", "qcow2")
    subprocess.run(
        ["qemu-img", "compare", "-f", "raw", "-F", "qcow2", str(disks["vda"]), str(tmp_path / "q" / "vda.qcow2")],
        check=True,
        capture_output=True,
    )


def test_a_source_key_replicates_and_restores_nothing(operator: Host, source: Host, disks: dict[str, Path], tmp_path: Path) -> None:
    protect(source, disks)
    source.run("replicate", "web")
    error = source.json("restore", "web", "--to", str(tmp_path / "r"), expect=5)["error"]
    assert (error["code"], error["exit_code"]) == ("access_denied", 5)
    assert source.json("vault", "key", "add", "--role", "operator", "--label", "thief", "--new-key-file", str(tmp_path / "t"), expect=5)
    assert operator.json("vault", "info")["role"] == "operator"
    assert source.json("vault", "info")["role"] == "source"


def test_killed_at_any_moment_no_point_is_partial_and_none_is_lost(
    operator: Host, source: Host, disks: dict[str, Path], tmp_path: Path
) -> None:
    """The disks stand still while a process runs, so every point must hold one of the contents that were there."""
    protect(source, disks)
    chance = random.Random(9)
    versions: list[dict[str, bytes]] = []
    acknowledged: dict[str, int] = {}
    for version in range(6):
        versions.append(contents(disks))
        with source.start("replicate", "web", "--every", "10ms", "--json") as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()] if version % 2 else []
            time.sleep(chance.uniform(0.0, 0.2) if version % 2 else chance.uniform(0.2, 0.9))
            process.kill()
            for line in [*lines, *process.stdout]:
                if line.endswith("\n"):
                    acknowledged[json.loads(line)["point"]] = version
        for path in disks.values():
            change(path, chance)
    final = source.json("replicate", "web")
    versions.append(contents(disks))
    acknowledged[final["point"]] = len(versions) - 1
    points = operator.json("points", "web")["points"]
    assert acknowledged.keys() <= {point["id"] for point in points}
    newest = 0
    for point in [*chance.sample(points[:-1], min(8, len(points) - 1)), points[-1]]:
        got = restored(operator, f"web@{point['id']}", tmp_path / "r")
        assert got in versions
        if point["id"] in acknowledged:
            assert got == versions[acknowledged[point["id"]]]
        newest = max(newest, versions.index(got))
    assert newest == len(versions) - 1
    assert operator.json("verify", "web", "--all")["damage"] == []


def test_a_machine_has_one_owner_on_a_host(source: Host, disks: dict[str, Path]) -> None:
    protect(source, disks)
    with source.start("replicate", "web", "--every", "1h", "--json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        for words in (("replicate", "web"), ("unprotect", "web")):
            error = source.json(*words, expect=4)["error"]
            assert error["code"] == "busy"
            assert f"process {process.pid} (understudy replicate web --every 1h --json)" in error["message"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    source.run("replicate", "web")


def test_two_hosts_that_follow_one_machine_find_out(operator: Host, source: Host, disks: dict[str, Path], tmp_path: Path) -> None:
    protect(source, disks)
    other = Host(tmp_path / "other", source.vault, source.key)
    with source.start("replicate", "web", "--every", "50ms", "--json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert "another host that is called" in protect(other, disks, expect=4)["error"]["message"]
        assert not other.json("vault", "info")["machines"][0]["here"]
        protect(other, disks, "--adopt")
        other.run("replicate", "web")
        output, _ = process.communicate(timeout=20)
        assert process.returncode == 8
    assert json.loads(output.splitlines()[-1])["error"]["code"] == "second_writer"
    # Nor does it take the machine back when it is started again, though the two have one name.
    for error in (source.json("replicate", "web", expect=4)["error"], protect(source, disks, expect=4)["error"]):
        assert "another host that is called" in error["message"]
    other.run("replicate", "web")
    assert operator.json("verify", "web", "--all")["damage"] == []


def test_a_lost_state_directory_costs_a_scan_and_no_point(operator: Host, source: Host, disks: dict[str, Path], tmp_path: Path) -> None:
    protect(source, disks)
    first = source.json("replicate", "web")
    shutil.rmtree(source.directory)
    assert source.json("replicate", "web", expect=3)["error"]["hint"]
    assert "--adopt" in protect(source, disks, expect=4)["error"]["hint"]
    assert protect(source, disks, "--adopt")["outcome"] == "adopted"
    change(disks["vda"], random.Random(1))
    second = source.json("replicate", "web")
    assert second["stored_bytes"] < first["stored_bytes"]
    assert restored(operator, "web", tmp_path / "r") == contents(disks)


def test_a_rolled_back_vault_is_refused(operator: Host, source: Host, disks: dict[str, Path], tmp_path: Path) -> None:
    protect(source, disks)
    source.run("replicate", "web")
    shutil.copytree(source.vault, tmp_path / "old")
    source.run("replicate", "web")
    operator.run("points", "web")
    shutil.rmtree(source.vault)
    (tmp_path / "old").rename(source.vault)
    for host in (source, operator):
        assert host.json("points", "web", expect=6)["error"]["code"] == "rolled_back"
    assert source.json("replicate", "web", expect=6)["error"]["code"] == "rolled_back"


def test_damage_is_found_and_named(operator: Host, source: Host, disks: dict[str, Path], tmp_path: Path) -> None:
    protect(source, disks)
    source.run("replicate", "web")
    pack = next(source.vault.glob("machines/*/packs/*"))
    raw = bytearray(pack.read_bytes())
    raw[len(raw) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(raw)
    for words in (("verify",), ("verify", "web", "--level", "scrub"), ("verify", "web", "--level", "frames"), ("verify", "web")):
        damage = operator.json(*words, expect=6)["damage"]
        assert any(pack.name in thing["name"] + thing["reason"] for thing in damage), (words, damage)
    assert operator.json("restore", "web", "--to", str(tmp_path / "r"), expect=6)["error"]["code"] == "integrity"
    assert not (tmp_path / "r" / "vda.raw").exists()


def test_unprotecting_leaves_points_and_nothing_else(operator: Host, source: Host, disks: dict[str, Path], tmp_path: Path) -> None:
    protect(source, disks)
    source.run("replicate", "web")
    assert source.json("unprotect", "web")["cleaned"]
    left = [path.name for path in (source.directory / "state").rglob("*") if path.is_file() and "guard" not in path.parts]
    assert {name.rpartition(".")[2] for name in left} == {"lock"}
    source.run("replicate", "web", expect=3)
    source.run("unprotect", "web", expect=3)
    assert restored(operator, "web", tmp_path / "r") == contents(disks)
    assert protect(source, disks)["outcome"] == "adopted"
    source.run("replicate", "web")


def test_a_name_is_one_machine(operator: Host, source: Host, disks: dict[str, Path]) -> None:
    created = protect(source, disks)
    again = protect(source, {"vda": disks["vda"]})
    assert (created["outcome"], again["outcome"]) == ("created", "renewed")
    assert created["machine"]["id"] == again["machine"]["id"]
    source.run("protect", "db", "--disk", f"vda={disks['vdb']}")
    assert {machine["name"] for machine in operator.json("vault", "info")["machines"]} == {"web", "db"}


def test_what_cannot_be_read_is_not_protected(operator: Host, source: Host, tmp_path: Path) -> None:
    source.run("protect", "web", "--disk", f"vda={tmp_path / 'absent'}", expect=12)
    source.run("protect", "web", "--qmp", str(tmp_path / "absent.sock"), expect=12)
    assert operator.json("vault", "info")["machines"] == []


def test_keys_come_and_go(operator: Host, tmp_path: Path) -> None:
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse battery staple\n")
    operator.run("vault", "key", "add", "--role", "operator", "--label", "safe", "--new-passphrase-file", str(phrase))
    by_phrase = Host(tmp_path / "safe", operator.vault, operator.key)
    listing = by_phrase.json("vault", "key", "list", "--passphrase-file", str(phrase))
    assert {(key["label"], key["kind"], key["current"]) for key in listing} == {
        ("operator", "key-file", False),
        ("safe", "passphrase", True),
    }
    fresh = tmp_path / "fresh.key"
    operator.run("vault", "key", "rotate", "operator", "--new-key-file", str(fresh))
    operator.run("vault", "info", expect=5)
    renewed = Host(operator.directory, operator.vault, fresh)
    for taken in (("--new-key-file", str(fresh)), ("--new-passphrase-file", str(phrase))):
        error = renewed.json("vault", "key", "add", "--role", "source", "--label", "twice", *taken, expect=4)["error"]
        assert "opens the vault already" in error["message"]
    assert renewed.json("vault", "key", "remove", "safe", "--yes")["revoked"]
    renewed.run("vault", "info", "--passphrase-file", str(phrase), expect=5)
    assert "last" in renewed.run("vault", "key", "remove", "operator", "--yes", expect=4).stderr


def test_a_vault_is_not_made_twice_nor_beside_its_key(operator: Host, tmp_path: Path) -> None:
    operator.run("vault", "create", operator.vault.as_uri(), expect=4)
    operator.run("vault", "info")
    inside = Host(tmp_path / "x", tmp_path / "v2", tmp_path / "v2" / "key")
    inside.run("vault", "create", expect=2)
    absent = Host(tmp_path / "x", tmp_path / "nowhere", operator.key)
    assert "mounted" in absent.run("vault", "info", expect=10).stderr
    absent.run("points", "web", expect=10)
    (tmp_path / "nowhere").mkdir()
    absent.run("vault", "info", expect=3)
    absent.run("vault", "info", "--key-file", str(tmp_path / "absent.key"), expect=3)


def test_a_reader_that_goes_away_is_no_news(operator: Host) -> None:
    with operator.start("vault", "info") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(20) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_log_on_a_full_disk_ends_no_replication(operator: Host, source: Host, disks: dict[str, Path]) -> None:
    protect(source, disks)
    words = [COMMAND, "replicate", "web", "--every", "10ms", "--cycles", "3"]
    for more in ([], ["--json"]):
        with Path("/dev/full").open("wb") as full:
            subprocess.run([*words, *more], env=source.environment(), stdout=full, stderr=full, check=False, timeout=60)
    assert len(operator.json("points", "web")["points"]) == 6
    environment = {**operator.environment(), "TMPDIR": str(operator.directory)}
    with Path("/dev/full").open("wb") as full:
        assert subprocess.run([COMMAND, "points", "web", "--json"], env=environment, stdout=full, check=False, timeout=60).returncode == 20
