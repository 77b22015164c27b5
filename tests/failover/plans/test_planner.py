"""What comes next, as tables: the planner and what happens to a run know no clock and no file."""

from typing import Any

import pytest

from tests.failover.plans.kit import ASKED, SECOND, end, forward, group, manual, run_of, script, states
from understudy.engine import AnswerStep, PlanRun, Reply, entry_of
from understudy.engine.plan_page import page_of
from understudy.engine.plan_reached import rto_of, waited_of
from understudy.errors import Conflict, NotFound
from understudy.failover.plans.planner import decide
from understudy.failover.plans.progress import REPLIES, Result, answered, begun, ended, over

TWO = (
    group("db", "db1 db2", pre=(script(), manual()), post=(script(),), delay_seconds=5),
    group("web", "web1 web2 web3", parallel=2),
)


def said(run: PlanRun, reply: Reply, step: str = "", **fields: Any) -> PlanRun:
    return answered(run, AnswerStep(reply=reply, step=step, **fields), "anna", ASKED)


def test_steps_stand_in_the_order_in_which_they_are_done() -> None:
    assert [step.id for step in run_of(*TWO).steps] == [
        "1.delay",
        "1.pre.1",
        "1.pre.2",
        "1.machine.1",
        "1.machine.2",
        "1.post.1",
        "2.machine.1",
        "2.machine.2",
        "2.machine.3",
    ]


def test_groups_one_after_the_other_and_machines_at_once() -> None:
    run, order = run_of(*TWO), []
    while (decision := decide(run)).over is None:
        order.append([step.id for step in decision.begin])
        for step in decision.begin:
            run = begun(run, step.id, ASKED)
        asking = decide(run).asking
        run = said(run, "confirm") if asking else end(run, next(step.id for step in run.steps if step.state == "running"))
    assert decision.over == "succeeded"
    assert order == [
        ["1.delay"],
        ["1.pre.1"],
        ["1.pre.2"],
        ["1.machine.1", "1.machine.2"],
        [],
        ["1.post.1"],
        ["2.machine.1", "2.machine.2"],
        ["2.machine.3"],
        [],
    ]


@pytest.mark.parametrize(
    ("parallel", "begun_first"),
    [(0, ["1.machine.1", "1.machine.2", "1.machine.3"]), (1, ["1.machine.1"]), (2, ["1.machine.1", "1.machine.2"]), (9, 3)],
)
def test_so_many_at_once(parallel: int, begun_first: Any) -> None:
    found = [step.id for step in decide(run_of(group("a", "x y z", parallel=parallel))).begin]
    assert found == begun_first or len(found) == begun_first


@pytest.mark.parametrize(
    ("on_failure", "state", "begins", "outcome"), [("continue", "failed", ["2.machine.1"], "failed"), ("stop", "failed", [], None)]
)
def test_a_failure_stops_the_plan_or_does_not(on_failure: Any, state: str, begins: list[str], outcome: Any) -> None:
    run = forward(run_of(group("a", "x y", on_failure=on_failure), group("b", "z")))
    run = end(run, "1.machine.1", ok=False, text="no")
    assert states(run) == {"1.machine.1": state, "1.machine.2": "running", "2.machine.1": "pending"}
    # What runs beside it comes to its end.
    assert decide(run).begin == ()
    run = end(run, "1.machine.2")
    assert [step.id for step in decide(run).begin] == begins
    assert [step.id for step in decide(run).asking] == ([] if begins else ["1.machine.1"])
    if begins:
        assert decide(end(forward(run), "2.machine.1")).over == outcome


def test_a_stop_begins_nothing_more_in_its_group_either() -> None:
    run = forward(run_of(group("a", "x y z", parallel=1)))
    run = end(run, "1.machine.1", ok=False)
    assert decide(run).begin == ()
    assert decide(said(run, "skip")).begin[0].id == "1.machine.2"


@pytest.mark.parametrize(("reply", "then", "outcome"), [("retry", "running", "succeeded"), ("skip", "skipped", "failed")])
def test_after_a_stop_a_person_decides(reply: Reply, then: str, outcome: str) -> None:
    run = end(forward(run_of(group("a", "x"))), "1.machine.1", ok=False, text="no")
    run = forward(said(run, reply, note="because"))
    assert states(run) == {"1.machine.1": then}
    assert [(one.reply, one.actor, one.note) for one in run.steps[0].said] == [(reply, "anna", "because")]
    if then == "running":
        run = end(run, "1.machine.1")
        assert [one.outcome for one in run.steps[0].tries] == ["failed", "succeeded"]
    # A machine that was left out is not up, whoever said so.
    assert decide(run).over == outcome


def test_an_action_that_was_left_out_fails_nothing() -> None:
    run = said(forward(run_of(group("a", pre=(manual(),)))), "skip")
    assert decide(run).over == "succeeded"
    assert run.steps[0].tries[0].ended_at == ASKED


@pytest.mark.parametrize(
    ("repeat", "lost", "state"),
    [("ask", 1, "unknown"), ("yes", 1, "pending"), ("yes", 2, "pending"), ("yes", 3, "unknown")],
)
def test_a_script_of_which_nobody_knows_how_it_ended(repeat: Any, lost: int, state: str) -> None:
    run = run_of(group("a", pre=(script(repeat=repeat),), on_failure="continue"))
    for _ in range(lost):
        run = end(forward(run), "1.pre.1", ok=None, text="nobody knows")
    assert states(run) == {"1.pre.1": state}
    assert [one.outcome for one in run.steps[0].tries] == ["unknown"] * lost
    if state == "unknown":
        assert decide(said(run, "confirm")).over == "succeeded"
        assert said(run, "confirm").steps[0].tries[-1].outcome == "unknown"


ASKING = {
    "": forward(run_of(group("a", "x"))),
    "confirm": forward(run_of(group("a", pre=(manual(),)))),
    "failed": end(forward(run_of(group("a", pre=(script(),)))), "1.pre.1", ok=False),
    "unknown": end(forward(run_of(group("a", pre=(script(),)))), "1.pre.1", ok=None),
}


@pytest.mark.parametrize("question", list(REPLIES))
@pytest.mark.parametrize("reply", ["confirm", "retry", "skip", "abort"])
def test_what_may_be_said_when(question: Any, reply: Reply) -> None:
    run = ASKING[question]
    if reply in (*REPLIES[question], "abort"):
        assert said(run, reply) != run
    else:
        with pytest.raises(Conflict):
            said(run, reply)


def test_which_of_several_steps_is_meant() -> None:
    run = end(forward(run_of(group("a", "x y"))), "1.machine.1", "1.machine.2", ok=False)
    with pytest.raises(Conflict, match="2 steps ask") as refused:
        said(run, "skip")
    assert refused.value.hint == "say which: 1.machine.1, 1.machine.2"
    assert states(said(run, "skip", "1.machine.2")) == {"1.machine.1": "failed", "1.machine.2": "skipped"}
    with pytest.raises(NotFound):
        said(run, "skip", "9.post.1")
    with pytest.raises(Conflict, match="asks nothing"):
        said(said(run, "skip", "1.machine.2"), "skip", "1.machine.2")


def test_an_aborted_run_begins_nothing_and_lets_what_runs_end() -> None:
    run = forward(run_of(group("a", "x y", pre=()), group("b", "z")))
    run = end(run, "1.machine.1", ok=False)
    run = said(run, "abort", note="wrong site")
    assert states(run) == {"1.machine.1": "failed", "1.machine.2": "running", "2.machine.1": "pending"}
    assert (decide(run).begin, decide(run).over) == ((), None)
    run = end(run, "1.machine.2", ok=False)
    assert (decide(run).over, states(run)["1.machine.2"]) == ("aborted", "failed")
    for reply in ("abort", "skip"):
        with pytest.raises(Conflict, match="is being aborted"):
            said(run, reply)
    with pytest.raises(Conflict, match="has aborted"):
        said(over(run, "aborted", ASKED), "abort")


def test_what_a_machine_reached_is_kept() -> None:
    run = forward(run_of(group("a", "x")))
    run = end(run, "1.machine.1", point="ab" * 16, number=7, frozen_at=ASKED - 3 * SECOND, running_at=ASKED + 8 * SECOND)
    entry = entry_of(over(run, "succeeded", ASKED + 9 * SECOND))
    assert (entry.worst_rpo, entry.worst_rto, entry.done, entry.steps) == (3.0, 8.0, 1, 1)


def test_what_a_person_was_waited_for_is_told_apart() -> None:
    """Before the first machine; after the second had failed, while a third was brought up; and not what came after all ran."""
    run = forward(run_of(group("a", "x y z", pre=(manual(),), post=(manual(),))))
    run = answered(run, AnswerStep(reply="confirm"), "anna", ASKED + 60 * SECOND)
    for number in (1, 2, 3):
        run = begun(run, f"1.machine.{number}", ASKED + 60 * SECOND)
    told = {"point": "ab" * 16, "number": 7, "frozen_at": ASKED}
    run = ended(run, "1.machine.1", ASKED + 65 * SECOND, Result(ok=True, running_at=ASKED + 64 * SECOND, **told))
    run = ended(run, "1.machine.2", ASKED + 70 * SECOND, Result(ok=False))
    run = ended(run, "1.machine.3", ASKED + 90 * SECOND, Result(ok=True, running_at=ASKED + 90 * SECOND, **told))
    run = answered(run, AnswerStep(reply="retry"), "anna", ASKED + 100 * SECOND)
    run = begun(run, "1.machine.2", ASKED + 100 * SECOND)
    run = ended(run, "1.machine.2", ASKED + 108 * SECOND, Result(ok=True, running_at=ASKED + 107 * SECOND, **told))
    run = answered(begun(run, "1.post.1", ASKED + 108 * SECOND), AnswerStep(reply="confirm"), "anna", ASKED + 200 * SECOND)
    machines = [step for step in run.steps if step.machine]
    assert [(rto_of(run, step), waited_of(run, step)) for step in machines] == [(64.0, 60.0), (107.0, 90.0), (90.0, 60.0)]
    assert (entry_of(run).worst_rto, entry_of(run).worst_rto_waited) == (107.0, 90.0)
    assert "1 m 47 s, 1 m 30 s of it waiting for a person" in page_of(run)


TESTED = (group("a", "x y", on_failure="continue"), group("b", "z"))


def test_a_test_ends_with_the_removal_of_what_it_started() -> None:
    run = end(forward(run_of(*TESTED, kind="test")), "1.machine.1", "1.machine.2")
    run = end(forward(run), "2.machine.1")
    asking = decide(forward(run)).asking
    assert [(step.id, step.question) for step in asking] == [("3.pre.1", "confirm")]
    removing = forward(said(forward(run), "confirm", note="could log in"))
    assert [step.id for step in decide(removing).running] == ["3.cleanup.1", "3.cleanup.2", "3.cleanup.3"]
    bad = end(removing, "3.cleanup.2", ok=False)
    assert states(bad)["3.cleanup.2"] == "failed"
    assert decide(end(removing, "3.cleanup.1", "3.cleanup.2", "3.cleanup.3")).over == "succeeded"
    # Or it is left standing, which is no failure.
    left = said(forward(run), "skip")
    assert decide(left).over == "succeeded"
    assert {step.state for step in left.steps if step.phase == "cleanup"} == {"skipped"}
    assert decide(run_of(*TESTED, kind="test", cleanup=True)).begin
    assert "3.pre.1" not in states(run_of(*TESTED, kind="test", cleanup=True))
    assert run_of(group("only", pre=(script(),)), kind="test").plan.groups[1:] == ()


def test_an_aborted_test_removes_what_it_started() -> None:
    run = end(forward(run_of(*TESTED, kind="test")), "1.machine.1")
    run = said(run, "abort")
    assert (decide(run).begin, decide(run).over) == ((), None)
    run = end(run, "1.machine.2", ok=False)
    assert [step.id for step in decide(run).begin] == ["3.cleanup.1", "3.cleanup.2"]
    run = end(forward(run), "3.cleanup.1", "3.cleanup.2")
    assert (decide(run).begin, decide(run).over, states(run)["3.cleanup.3"]) == ((), "aborted", "pending")
