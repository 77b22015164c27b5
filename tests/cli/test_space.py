"""`collect` and `usage`: what is typed, and what is told."""

import pytest

from tests.cli.conftest import Typed, lines
from tests.cli.fake_engine import FakeEngine
from understudy.cli.collect import _lines as said
from understudy.engine import Collect, Collected, Weight


@pytest.mark.parametrize(("words", "seconds"), [((), 86400), (("--grace", "90m"), 5400), (("--grace", "0"), 0)])
def test_collect(engine: FakeEngine, typed: Typed, words: tuple[str, ...], seconds: int) -> None:
    told = typed("collect", "web", *words)
    assert told.exit_code == 0, told.stderr
    assert engine.asked == [Collect(machine="web", grace_seconds=seconds)]
    assert "2 objects (68 KiB) deleted" in told.stdout
    assert "3 objects (1.0 MiB) condemned" in told.stdout
    assert "400 records (2.0 MiB) of the log deleted" in told.stdout
    assert "100 records (512 KiB) of the log trimmed" in told.stdout
    assert "5 objects (20 KiB) due, and locked by the store" in told.stdout
    (document,) = lines(typed("collect", "web", "--dry-run", "--json"))
    assert document.keys() == {
        *(
            "machine",
            "dry_run",
            "deleted",
            "condemned",
            "waiting",
            "rewritten_packs",
            "written_bytes",
            "seconds",
            "swept",
            "trimmed",
            "locked",
        ),
    }
    assert engine.asked[-1] == Collect(machine="web", grace_seconds=86400, dry_run=True)
    assert "would be deleted" in typed("collect", "web", "--dry-run").stdout
    assert typed("collect", "web", "--grace", "soon").exit_code == 2


def test_a_collection_that_finds_nothing_yet_says_where_to_look() -> None:
    nothing = Weight(objects=0, bytes=0)
    done = Collected(
        machine="web",
        dry_run=False,
        seconds=1.0,
        deleted=nothing,
        condemned=nothing,
        waiting=nothing,
        rewritten_packs=0,
        written_bytes=0,
        swept=nothing,
        trimmed=nothing,
        locked=nothing,
    )
    assert said(done, 86400)[1:] == [
        "  nothing was to come back yet: `understudy usage web` tells what kept points need, and what may come back later"
    ]


def test_usage(engine: FakeEngine, typed: Typed) -> None:
    told = typed("usage", "web").stdout
    for words in (
        "3 points kept, 2 dropped",
        "stored       2.0 MiB in 9 objects",
        "512 KiB of it by more than one",
        "next collection",
        "9.0 MiB      dead inside packs that are still needed",
        "6.0 MiB      the log: 1500 records, with the small packs in them, 2.5 MiB in 500 records to be trimmed",
        "aa110000",
    ):
        assert words in told
    assert "grace has passed" not in told, "nothing waits"
    (one,) = lines(typed("usage", "web", "--json"))
    assert one.keys() == {
        *("machine", "dropped_points", "logical_bytes", "stored", "needed_bytes", "shared_bytes", "now", "later", "collectable"),
        *("moving_bytes", "unnamed", "points", "idle_bytes", "log", "trimmable"),
    }
    assert one["points"][0].keys() == {"point", "logical_bytes", "alone_bytes"}
    (every,) = lines(typed("usage", "--json"))
    assert every == [one]
    assert "aa110000" not in typed("usage").stdout
