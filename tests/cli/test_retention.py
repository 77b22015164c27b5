"""Policies, prunes and holds, as an operator walks them: what is dropped is gone, what stays comes back byte for byte."""

import random
from pathlib import Path

import pytest

from tests.cli.installed import Host
from understudy.errors import AccessDenied, InvalidRequest, NotFound

POINTS = 5


@pytest.fixture
def operator(tmp_path: Path) -> Host:
    """A machine with five points, and an operator's key."""
    host = Host(tmp_path / "operator", tmp_path / "vault", tmp_path / "operator.key")
    host.run("vault", "create", host.vault.as_uri())
    chance = random.Random(11)
    disk = tmp_path / "disk.img"
    disk.write_bytes(chance.randbytes(100_000))
    host.run("protect", "web", "--disk", f"vda={disk}")
    for number in range(POINTS):
        with disk.open("r+b") as image:
            image.seek(chance.randrange(90_000))
            image.write(chance.randbytes(5000))
        (tmp_path / f"was-{number}").write_bytes(disk.read_bytes())
        host.run("replicate", "web")
    return host


def numbers(host: Host) -> list[int]:
    return [point["number"] for point in host.json("points", "web")["points"]]


def test_without_a_policy_nothing_goes(operator: Host) -> None:
    assert operator.json("retention", "show", "web")["policy"] is None
    assert "every point stays" in operator.run("retention", "show", "web").stdout
    assert all(point["keep"] for point in operator.json("prune", "web")["points"])
    assert len(numbers(operator)) == POINTS


def test_points_are_dropped_and_the_others_come_back(operator: Host, tmp_path: Path) -> None:
    before = numbers(operator)
    held = operator.json("hold", "add", f"web@{before[1]}", "--reason", "before the upgrade")
    assert (held["number"], held["reason"]) == (before[1], "before the upgrade")
    operator.run("verify", f"web@{before[2]}")
    shown = operator.json("retention", "set", "web", "--least", "2")
    assert shown["policy"] == {"all_for": 0, "hourly": 0, "daily": 0, "weekly": 0, "monthly": 0, "least": 2}
    dry = operator.json("prune", "web", "--dry-run")
    assert [point["keep"] for point in dry["points"]] == [False, True, True, True, True]
    assert [point["reasons"][0] for point in dry["points"]] == [
        "older than everything that the policy keeps",
        "held: before the upgrade",
        "the newest verified one",
        "one of the newest 2",
        "the newest",
    ]
    assert numbers(operator) == before
    words = operator.run("prune", "web").stdout
    assert "4 points stay, 1 dropped" in words
    assert numbers(operator) == before[1:]
    for index in range(1, POINTS):
        operator.run("restore", f"web@{before[index]}", "--to", str(tmp_path / "restored"))
        assert (tmp_path / "restored" / "vda.raw").read_bytes() == (tmp_path / f"was-{index}").read_bytes()
    operator.run("restore", f"web@{before[0]}", "--to", str(tmp_path / "none"), expect=NotFound.exit_code)
    # The machine goes on, laid on what was dropped.
    operator.run("replicate", "web")
    operator.run("verify", "web", "--all")
    (hold,) = operator.json("hold", "list", "web")
    operator.run("hold", "remove", "web", hold["id"][:8])
    assert operator.json("hold", "list", "web") == []
    operator.run("hold", "remove", "web", hold["id"][:8], expect=NotFound.exit_code)
    operator.run("prune", "web")
    assert len(numbers(operator)) == 2


def test_what_may_not_be_asked(operator: Host, tmp_path: Path) -> None:
    operator.run("retention", "set", "web", expect=InvalidRequest.exit_code)
    operator.run("retention", "set", "web", "--all-for", "soon", expect=InvalidRequest.exit_code)
    key = tmp_path / "source.key"
    operator.run("vault", "key", "add", "--role", "source", "--label", "host-a", "--new-key-file", str(key))
    source = Host(tmp_path / "source", operator.vault, key)
    source.run("retention", "set", "web", "--daily", "1", expect=AccessDenied.exit_code)
    source.run("hold", "add", "web", "--reason", "mine", expect=AccessDenied.exit_code)
    operator.run("retention", "set", "web", "--least", "2")
    assert len([point for point in source.json("prune", "web", "--dry-run")["points"] if not point["keep"]]) == POINTS - 2
    source.run("prune", "web", expect=AccessDenied.exit_code)
    assert len(numbers(source)) == POINTS
