"""Two machines as a group, from files to a vault and back, as an operator walks it."""

import json
from pathlib import Path

import pytest

from tests.cli.installed import Host
from understudy.errors import NotFound


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(tmp_path / "host", tmp_path / "vault", tmp_path / "key")
    host.run("vault", "create", host.vault.as_uri())
    return host


def disk(tmp_path: Path, name: str) -> Path:
    return tmp_path / f"{name}.img"


def write(tmp_path: Path, text: str) -> dict[str, bytes]:
    for name in ("db", "web"):
        disk(tmp_path, name).write_bytes(f"{name} {text} ".encode() * 5000)
    return {name: disk(tmp_path, name).read_bytes() for name in ("db", "web")}


def restored(host: Host, which: str, target: Path) -> dict[str, bytes]:
    host.run("restore", "--group", which, "--to", str(target))
    return {name: (target / name / "vda.raw").read_bytes() for name in ("db", "web")}


def test_machines_are_frozen_listed_and_restored_together(host: Host, tmp_path: Path) -> None:
    write(tmp_path, "at first")
    for name in ("db", "web"):
        host.run("protect", name, "--disk", f"vda={disk(tmp_path, name)}")
    assert "db, web" in host.run("group", "create", "shop", "db", "web").stdout
    host.run("group", "create", "shop", "web", "db")
    first = write(tmp_path, "one")
    made = host.json("replicate", "--group", "shop")
    assert [(member["machine"], member["cause"]) for member in made["members"]] == [("db", "initial"), ("web", "initial")]
    write(tmp_path, "two")
    newest = write(tmp_path, "three")
    host.run("replicate", "--group", "shop")

    assert restored(host, "shop", tmp_path / "back") == newest
    assert restored(host, f"shop@{made['instant']}", tmp_path / "earlier") == first
    (row,) = host.json("group", "list")
    assert (row["here"], row["members"], row["instants"], row["incomplete"]) == (True, ["db", "web"], 2, 0)
    points = host.json("points", "db")["points"]
    assert [point["group"] and point["group"]["name"] for point in points] == ["shop", "shop"]
    assert "shop" in host.run("points", "db").stdout

    # With the vault and its key alone, on a host that knows of no group.
    elsewhere = Host(tmp_path / "elsewhere", host.vault, host.key)
    assert restored(elsewhere, "shop", tmp_path / "there") == newest
    (row,) = elsewhere.json("group", "list")
    assert (row["here"], row["members"], row["instants"]) == (False, ["db", "web"], 2)
    assert [line["complete"] for line in elsewhere.json("points", "--group", "shop")] == [True, True]


def test_pruning_keeps_whole_instants(host: Host, tmp_path: Path) -> None:
    """One member's policy keeps one point, the other's three and a held one: the group keeps these four instants, whole, and no more."""
    write(tmp_path, "at first")
    for name in ("db", "web"):
        host.run("protect", name, "--disk", f"vda={disk(tmp_path, name)}")
    host.run("group", "create", "shop", "db", "web")
    instants: dict[str, dict[str, bytes]] = {}
    for text in ("one", "two", "three", "four", "five", "six"):
        content = write(tmp_path, text)
        instants[host.json("replicate", "--group", "shop")["instant"]] = content
    host.run("retention", "set", "db", "--hourly", "1")
    host.run("retention", "set", "web", "--hourly", "1", "--least", "3")
    second = host.json("points", "web")["points"][1]["number"]
    host.run("hold", "add", f"web@{second}", "--reason", "an audit")
    for name in ("db", "web", "db"):
        host.run("prune", name)
        host.run("collect", name, "--grace", "0")
    kept = [identity for turn, identity in enumerate(instants) if turn in (1, 3, 4, 5)]
    listed = host.json("points", "--group", "shop")
    assert [(line["id"], line["complete"]) for line in listed] == [(identity, True) for identity in kept]
    for identity in kept:
        assert restored(host, f"shop@{identity}", tmp_path / identity) == instants[identity]
    dropped = host.json("points", "db")["dropped"]
    assert len(dropped) == 2
    for words in (("restore", f"db@{dropped[0]['number']}", "--to", str(tmp_path / "gone")), ("verify", f"db@{dropped[1]['id']}")):
        assert "was dropped by pruning on" in host.run(*words, expect=NotFound.exit_code).stderr


def test_a_group_is_of_machines_that_this_host_follows(host: Host, tmp_path: Path) -> None:
    write(tmp_path, "at first")
    host.run("protect", "db", "--disk", f"vda={disk(tmp_path, 'db')}")
    host.run("group", "create", "shop", "db", expect=2)
    host.run("group", "create", "shop", "db", "db", expect=2)
    host.run("group", "create", "shop", "db", "web", expect=3)
    host.run("group", "create", "../shop", "db", "web", expect=2)
    host.run("replicate", "--group", "shop", expect=3)
    host.run("group", "remove", "shop", expect=3)
    for name in ("web", "mail"):
        disk(tmp_path, name).write_bytes(b"x" * 5000)
        host.run("protect", name, "--disk", f"vda={disk(tmp_path, name)}")
    host.run("group", "create", "shop", "db", "web")
    host.run("group", "create", "shop", "db", "mail", expect=4)
    host.run("group", "remove", "shop")
    host.run("group", "create", "shop", "db", "mail")
    assert [row["members"] for row in host.json("group", "list")] == [["db", "mail"]]
    host.run("unprotect", "mail")
    document = host.json("replicate", "--group", "shop", expect=3)
    assert "mail" in document["error"]["message"]


def test_a_member_that_fails_fails_the_group_and_is_named(host: Host, tmp_path: Path) -> None:
    write(tmp_path, "at first")
    for name in ("db", "web"):
        host.run("protect", name, "--disk", f"vda={disk(tmp_path, name)}")
    host.run("group", "create", "shop", "db", "web")
    host.run("replicate", "--group", "shop")
    disk(tmp_path, "web").write_bytes(b"")
    said = host.run("replicate", "--group", "shop", "--json", expect=13).stdout.splitlines()
    assert json.loads(said[-1])["error"]["message"].startswith("web: ")
    assert [len(host.json("points", name)["points"]) for name in ("db", "web")] == [1, 1]
    changed = write(tmp_path, "mended")
    host.run("replicate", "--group", "shop")
    assert restored(host, "shop", tmp_path / "back") == changed


def test_an_incomplete_instant_is_never_restored_as_whole(host: Host, tmp_path: Path) -> None:
    write(tmp_path, "at first")
    for name in ("db", "web"):
        host.run("protect", name, "--disk", f"vda={disk(tmp_path, name)}")
    host.run("group", "create", "shop", "db", "web")
    made = host.json("replicate", "--group", "shop")
    newest = sorted((host.vault / "machines").glob("*/log/*"))
    web = next(machine["id"] for machine in host.json("vault", "info")["machines"] if machine["name"] == "web")
    last = [path for path in newest if web in str(path)][-1]
    last.unlink()
    fresh = Host(tmp_path / "fresh", host.vault, host.key)
    document = fresh.json("restore", "--group", made["instant"], "--to", str(tmp_path / "back"), expect=4)
    assert "web" in document["error"]["message"]
    fresh.run("restore", "--group", "shop", "--to", str(tmp_path / "back"), expect=3)
    assert not (tmp_path / "back").exists()
    assert "without web" in fresh.run("points", "db").stdout


def test_a_damaged_log_of_a_stranger_keeps_no_group_from_being_restored(host: Host, tmp_path: Path) -> None:
    disks = write(tmp_path, "at first")
    disk(tmp_path, "mail").write_bytes(b"x" * 5000)
    for name in ("db", "web", "mail"):
        host.run("protect", name, "--disk", f"vda={disk(tmp_path, name)}")
    host.run("group", "create", "shop", "db", "web")
    host.run("replicate", "--group", "shop")
    mail = next(machine["id"] for machine in host.json("vault", "info")["machines"] if machine["name"] == "mail")
    record = next((host.vault / "machines" / mail / "log").iterdir())
    record.chmod(0o600)
    record.write_bytes(bytes(record.stat().st_size))
    fresh = Host(tmp_path / "fresh", host.vault, host.key)
    assert restored(fresh, "shop", tmp_path / "back") == disks
