"""`retention`, `prune` and `hold` as typed: what is asked for, what is told, and what is refused before anything is asked."""

import pytest

from tests.cli.conftest import Typed, lines
from tests.cli.fake_engine import FakeEngine
from tests.cli.fake_keeping import HOLD
from understudy.engine import AddHold, Policy, Prune, RemoveHold, SetRetention


@pytest.mark.parametrize(
    ("words", "policy", "said"),
    [
        (("--all-for", "24h"), Policy(all_for=86400), "all of the newest 1 d; never fewer than 1 point"),
        (("--all-for", "1ms"), Policy(all_for=1), "all of the newest 1.0 s"),
        (("--all-for", "0s", "--daily", "1"), Policy(daily=1), "web keeps the newest of each of 1 day"),
        (
            ("--hourly", "48", "--weekly", "8", "--monthly", "12", "--least", "3"),
            Policy(hourly=48, weekly=8, monthly=12, least=3),
            "the newest of each of 48 hours; the newest of each of 8 weeks; the newest of each of 12 months; never fewer than 3 points",
        ),
    ],
)
def test_a_policy_is_set_and_shown(engine: FakeEngine, typed: Typed, words: tuple[str, ...], policy: Policy, said: str) -> None:
    assert "web has no retention policy: every point stays" in typed("retention", "show", "web").stdout
    told = typed("retention", "set", "web", *words)
    assert told.exit_code == 0, told.stderr
    assert engine.asked[-1] == SetRetention(machine="web", policy=policy)
    assert said in told.stdout
    assert typed("retention", "show", "web").stdout == told.stdout
    (document,) = lines(typed("retention", "show", "web", "--json"))
    assert document["policy"].keys() == {"all_for", "hourly", "daily", "weekly", "monthly", "least"}


@pytest.mark.parametrize(
    "words",
    [(), ("--all-for", "0s"), ("--all-for", "soon"), ("--all-for", "9" * 400), ("--daily", "-1"), ("--least", "0"), ("--hourly", "1h")],
)
def test_a_policy_that_makes_no_sense_is_refused(engine: FakeEngine, typed: Typed, words: tuple[str, ...]) -> None:
    assert typed("retention", "set", "web", *words).exit_code == 2
    assert engine.asked == []


def test_a_prune_explains_itself(engine: FakeEngine, typed: Typed) -> None:
    told = typed("prune", "web", "--dry-run").stdout
    assert engine.asked == [Prune(machine="web", dry_run=True)]
    assert "1 point stays, 2 would go" in told
    assert "the newest; held: why" in told
    told = typed("prune", "web").stdout
    assert engine.asked[-1] == Prune(machine="web")
    assert "1 point stays, 2 dropped" in told
    (document,) = lines(typed("prune", "web", "--json"))
    assert document.keys() == {"machine", "dry_run", "policy", "points"}
    assert [(one["number"], one["keep"]) for one in document["points"]] == [(3, False), (4, False), (7, True)]


@pytest.mark.parametrize(
    ("module", "words", "said"),
    [
        ("prune", ("prune", "web"), "2 points of web will be dropped, and can be restored no more"),
        ("retention_set", ("retention", "set", "web", "--daily", "2"), "web has no retention policy: every point stays; from now on"),
        ("unprotect", ("unprotect", "web", "--forget"), "web will have no new points from this host; its VM is not visited"),
        ("collect", ("collect", "web", "--grace", "0"), "what no kept point of web needs is deleted at once"),
    ],
)
def test_whoever_sits_at_a_terminal_is_asked_first(
    engine: FakeEngine, typed: Typed, monkeypatch: pytest.MonkeyPatch, module: str, words: tuple[str, ...], said: str
) -> None:
    """Timers are not."""
    with monkeypatch.context() as there:
        there.setattr(f"understudy.cli.{module}.is_asked", lambda yes: not yes)
        told = typed(*words)
        assert told.exit_code == 2
        assert said in told.stderr
        assert "nothing was done" in told.stderr
        looked = (Prune(machine="web", dry_run=True), ("retention", "web"))
        assert [request for request in engine.asked if request not in looked] == []
        assert typed(*words, "--yes").exit_code == 0
        assert engine.asked != []
    assert typed(*words).exit_code == 0


def test_points_are_held_listed_and_left_again(engine: FakeEngine, typed: Typed) -> None:
    assert "nothing of web is held" in typed("hold", "list", "web").stdout
    told = typed("hold", "add", "web@3", "--reason", "before the upgrade")
    assert engine.asked[-1] == AddHold(machine="1d" * 16, point="aa11".ljust(32, "0"), reason="before the upgrade")
    assert "point 3 of web is held (f0f0f0f0): before the upgrade" in told.stdout
    engine.holds_now.append(HOLD)
    assert "before the upgrade" in typed("hold", "list", "web").stdout
    (document,) = lines(typed("hold", "list", "web", "--json"))
    assert document == [{"id": HOLD.id, "machine": "web", "point": HOLD.point, "number": 3, "reason": HOLD.reason}]
    assert "not held by f0f0f0f0 any more" in typed("hold", "remove", "web", "f0f0").stdout
    assert engine.asked[-1] == RemoveHold(machine="web", hold="f0f0")


@pytest.mark.parametrize(("words", "code"), [(("web",), 2), (("web@99", "--reason", "x"), 3), (("@3", "--reason", "x"), 2)])
def test_a_hold_needs_a_point_and_a_reason(typed: Typed, words: tuple[str, ...], code: int) -> None:
    assert typed("hold", "add", *words).exit_code == code
