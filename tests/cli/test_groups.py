"""Consistency groups as typed: which instant is meant, and what is never offered as whole."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Typed, lines
from tests.cli.fake_engine import FakeEngine, instant
from understudy.cli.selecting_instant import select_instant
from understudy.cli.words import local_time
from understudy.engine import CreateGroup, Instant, RestoreGroup
from understudy.errors import InvalidRequest, NotFound

INSTANTS = (instant("e111"), instant("e222", 60), instant("e333", 120, complete=False))


def time_of(which: Instant) -> str:
    return local_time(which.frozen_at)[:19].replace(" ", "T")


@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("shop", 1),
        ("shop@latest", 1),
        ("shop@e111", 0),
        ("shop@e333", 2),
        ("e222", 1),
        (f"shop@{time_of(INSTANTS[0])}", 0),
        (f"shop@{time_of(INSTANTS[2])}", 1),
    ],
)
def test_an_instant_is_the_newest_whole_one_or_the_one_that_is_named(text: str, which: int) -> None:
    assert select_instant(INSTANTS, text) is INSTANTS[which]


@pytest.mark.parametrize(
    ("text", "error"),
    [("", InvalidRequest), ("shop@", InvalidRequest), ("bank", NotFound), ("shop@soon", NotFound), ("shop@1999-01-01", NotFound)],
)
def test_what_names_no_instant_is_said(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        select_instant(INSTANTS, text)


def test_an_id_must_tell_which() -> None:
    with pytest.raises(InvalidRequest, match="2 instants"):
        select_instant((instant("e1111111"), instant("e1112222")), "e111")


def test_a_group_without_a_whole_instant_has_no_newest() -> None:
    with pytest.raises(NotFound, match="no instant of group 'shop' is complete"):
        select_instant(INSTANTS[2:], "shop")


def test_a_group_is_made_listed_and_forgotten(engine: FakeEngine, typed: Typed) -> None:
    result = typed("group", "create", "shop", "db", "web")
    assert result.stdout.startswith("group shop: db, web")
    assert engine.asked == [CreateGroup(name="shop", machines=("db", "web"))]
    (row,) = json.loads(typed("group", "list", "--json").stdout)
    assert (row["name"], row["members"], row["instants"], row["incomplete"], row["newest"]["id"][:4]) == (
        "shop",
        ["db", "web"],
        3,
        1,
        "e222",
    )
    assert "db, web" in typed("group", "list").stdout
    assert typed("group", "remove", "shop").exit_code == 0
    assert engine.asked[-1] == ("remove group", "shop")


def test_a_group_is_replicated(engine: FakeEngine, typed: Typed) -> None:
    result = typed("replicate", "--group", "shop")
    assert "web: point 8" in result.stdout
    assert "group shop, instant eeeeeeee: paused for 12 ms" in result.stdout
    made = lines(typed("replicate", "--group", "shop", "--every", "10ms", "--cycles", "2", "--json"))
    assert [(line["event"], line["group"], line["paused_seconds"]) for line in made] == [("group-cycle", "shop", 0.012)] * 2
    assert made[0]["members"][0]["machine"] == "web"
    assert engine.asked.count(("replicate group", "shop")) == 2


@pytest.mark.parametrize(
    "words", [("replicate",), ("replicate", "web", "--group", "shop"), ("points",), ("points", "web", "--group", "shop")]
)
def test_it_is_a_machine_or_a_group(typed: Typed, words: tuple[str, ...]) -> None:
    assert typed(*words).exit_code == 2


def test_a_group_is_restored_machine_by_machine(engine: FakeEngine, typed: Typed, tmp_path: Path) -> None:
    result = typed("restore", "--group", "shop", "--to", str(tmp_path))
    assert result.exit_code == 0, result.stderr
    assert "1 later instant of group shop is incomplete and was passed over" in result.stderr
    assert "2 machines restored" in result.stdout
    request = next(request for request in engine.asked if isinstance(request, RestoreGroup))
    assert request.instant.startswith("e222")
    assert request.targets["2d" * 16]["vda"] == str(tmp_path / "db" / "vda.raw")
    assert request.targets["1d" * 16]["vdb"] == str(tmp_path / "web" / "vdb.raw")


@pytest.mark.parametrize(
    "words",
    [
        ("restore",),
        ("restore", "web", "--group", "shop"),
        ("restore", "--group", "shop"),
        ("restore", "--group", "shop", "--disk", "vda=x"),
    ],
)
def test_a_restore_of_a_group_must_say_where_and_of_what(typed: Typed, words: tuple[str, ...]) -> None:
    assert typed(*words).exit_code == 2


def test_instants_are_listed_with_what_they_lack(typed: Typed) -> None:
    told = typed("points", "--group", "shop").stdout.splitlines()
    assert [line.split()[0] for line in told] == ["instant", "e1110000", "e2220000", "e3330000"]
    assert "db@3, web@4" in told[1]
    assert told[3].endswith("no: without db")
    assert typed("points", "--group", "bank").exit_code == 3
