"""Every command against a real daemon: what it does goes over the API, and who asked for it is kept."""

import os
from typing import Any

import pytest
from click.testing import CliRunner

from tests.daemon.house import House
from understudy.cli.main import cli, in_process


def test_every_command_asks_the_daemon(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("UNDERSTUDY_"):
            monkeypatch.delenv(name)
    house.start()

    def typed(*words: str, expect: int = 0) -> str:
        done = CliRunner().invoke(cli, words, obj=in_process, prog_name="understudy", env={"UNDERSTUDY_SOCKET": str(house.socket)})
        assert done.exit_code == expect, (words, done.stdout, done.stderr)
        return done.stdout + done.stderr

    disk, other = house.directory / "disk", house.directory / "other"
    for path in (disk, other):
        path.write_bytes(os.urandom(1 << 20))
    key, seed, restored = (house.directory / name for name in ("other.key", "seed", "restored"))
    assert "the daemon replicates it from now on" in typed("protect", "web", "--disk", f"vda={disk}")
    typed("protect", "db", "--disk", f"vda={other}")
    house.points("web", 1)
    typed("policy", "set", "web", "--interval", "1h", "--verify-every", "0")
    typed("policy", "set", "db", "--interval", "2h", "--pause")
    house.until(
        lambda: "the policy of db was set: interval changed; replication is paused" in typed("events", "db", "--kind", "policy.set")
    )
    typed("policy", "set", "db", "--resume")
    house.until(lambda: "the policy of db was set: replication goes on" in typed("events", "db", "--kind", "policy.set"))
    for words in (
        ("replicate", "web"),
        ("hold", "add", "web", "--reason", "why not"),
        ("hold", "list", "web"),
        ("retention", "set", "web", "--daily", "7"),
        ("retention", "show", "web"),
        ("prune", "web", "--dry-run"),
        ("collect", "web", "--dry-run"),
        ("usage", "web"),
        ("verify", "web"),
        ("verify",),
        ("restore", "web", "--to", str(restored)),
        ("seed", "export", "web", str(seed)),
        ("group", "create", "shop", "web", "db"),
        ("replicate", "--group", "shop"),
        ("group", "list"),
        ("points", "--group", "shop"),
        ("restore", "--group", "shop", "--to", str(restored / "shop")),
        ("group", "remove", "shop"),
        ("vault", "info"),
        ("vault", "key", "add", "--role", "source", "--label", "host-b", "--new-key-file", str(key)),
        ("vault", "key", "remove", "host-b", "--yes"),
        ("vault", "key", "list"),
        ("policy", "show", "web"),
        ("status", "web"),
        ("jobs", "web"),
    ):
        typed(*words)
    assert (restored / "vda.raw").read_bytes() == disk.read_bytes()
    assert "before it is started again" in typed("vault", "key", "rotate", "operator", "--new-key-file", f"{key}2")
    typed("restore", "web@99", "--to", str(restored), expect=3)
    typed("protect", "nobody", "--disk", f"vda={house.directory / 'none'}", expect=12)
    typed("unprotect", "web")
    asked: list[Any] = house.ask("GET", "/v1/events?kind=request&limit=1000")["items"]
    assert [event["data"]["operation"] for event in asked] == [
        *(
            "protect",
            "protect",
            *("setPolicy",) * 3,
            "replicate",
            "addHold",
            "setRetention",
            "prune",
            "collect",
            "verify",
            "scrub",
            "restore",
            "exportSeed",
        ),
        *("createGroup", "replicateGroup", "restoreGroup", "removeGroup", "addKey", "removeKey", "rotateKey", "protect", "unprotect"),
    ]
    assert len({event["actor"] for event in asked}) == 1
    assert house.end() == 0
