"""Plans as people write them: what is wrong is told with its key."""

from pathlib import Path

import pytest

from understudy.engine.plan_text import plan_of
from understudy.engine.plans import Manual, PlanGroup, RecoveryPlan, Script
from understudy.errors import InvalidRequest

WHOLE = """
description = "all"
[[group]]
name = "data"
machines = ["db1", "db2"]
parallel = 1
delay = 2
on-failure = "continue"
[[group.pre]]
kind = "script"
command = ["/bin/echo", "a b"]
timeout = 1.5
user = "nobody"
repeat = "yes"
[[group]]
name = "by hand"
post = [{ kind = "manual", text = "turn the key" }]
"""


def test_what_a_plan_says() -> None:
    script = Script(command=("/bin/echo", "a b"), timeout=1.5, user="nobody", repeat="yes")
    data = PlanGroup(name="data", machines=("db1", "db2"), parallel=1, delay_seconds=2.0, on_failure="continue", pre=(script,))
    assert plan_of(WHOLE) == RecoveryPlan(groups=(data, PlanGroup(name="by hand", post=(Manual(text="turn the key"),))), description="all")


def test_the_plan_of_the_runbook() -> None:
    text = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    plan = plan_of(text.partition("<<'PLAN'\n")[2].partition("\nPLAN\n")[0])
    assert [group.machines for group in plan.groups] == [("db",), ("web1", "web2", "web3")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "group: is missing"),
        ("[[group", "this is not TOML"),
        ("group = []", "group: a plan of 0 groups makes no sense"),
        ("group = 3", "group: Expected array, got int"),
        ('grup = "a"', "grup: there is no such key"),
        ('[[group]]\nmachines = ["a"]', "group[1].name: is missing"),
        ('[[group]]\nname = "a"', "group[1]: it has neither machines nor actions"),
        ('[[group]]\nname = "a"\nmachines = "b"', "group[1].machines: Expected array, got str"),
        ('[[group]]\nname = "a"\nmachines = ["../b"]', "group[1].machines: '../b' cannot name a machine"),
        ('[[group]]\nname = "a"\nmachines = ["b", "b"]', "group[1].machines: b is in this plan twice"),
        ('[[group]]\nname = "a\\u001b"\nmachines = ["b"]', "group[1].name: 'a\\x1b' is no name of a group"),
        ('[[group]]\nname = "a"\nmachines = ["b"]\n[[group]]\nname = "a"\nmachines = ["c"]', "group[2].name: there are two groups 'a'"),
        ('[[group]]\nname = "a"\nmachines = ["b"]\n[[group]]\nname = "c"\nmachines = ["b"]', "group[2].machines: b is in this plan twice"),
        ('[[group]]\nname = "a"\nmachines = ["b"]\nparalel = 2', "group[1].paralel: there is no such key"),
        ('[[group]]\nname = "a"\nmachines = ["b"]\nparallel = -1', "group[1].parallel: -1 at once make no sense"),
        ('[[group]]\nname = "a"\nmachines = ["b"]\nparallel = "2"', "group[1].parallel: Expected int, got str"),
        ('[[group]]\nname = "a"\nmachines = ["b"]\ndelay = 1e9', "group[1].delay: 1e+09 s make no sense"),
        ('[[group]]\nname = "a"\nmachines = ["b"]\ndelay = nan', "group[1].delay: nan s make no sense"),
        ('[[group]]\nname = "a"\nmachines = ["b"]\non-failure = "no"', "group[1].on-failure: Invalid enum value 'no'"),
        ('[[group]]\nname = "a"\npre = [{ kind = "shell" }]', "group[1].pre[1].kind: Invalid value 'shell'"),
        ('[[group]]\nname = "a"\npre = [{ text = "x" }]', "group[1].pre[1].kind: is missing"),
        ('[[group]]\nname = "a"\npre = [{ kind = "manual", text = " " }]', "group[1].pre[1].text: ' ' is no text for a manual step"),
        ('[[group]]\nname = "a"\npre = [{ kind = "script" }]', "group[1].pre[1].command: is missing"),
        ('[[group]]\nname = "a"\npre = [{ kind = "script", command = [] }]', "group[1].pre[1].command: a program's absolute path"),
        ('[[group]]\nname = "a"\npre = [{ kind = "script", command = ["true"] }]', "group[1].pre[1].command: a program's absolute path"),
        (
            '[[group]]\nname = "a"\npre = [{ kind = "script", command = ["/a", "\\u0000"] }]',
            "group[1].pre[1].command: no program takes this",
        ),
        (
            '[[group]]\nname = "a"\npost = [{ kind = "script", command = ["/a"], timeout = 0 }]',
            "group[1].post[1].timeout: 0 s make no sense",
        ),
        ('[[group]]\nname = "a"\npost = [{ kind = "script", command = ["/a"], user = "a b" }]', "group[1].post[1].user: 'a b' is no user"),
        (
            '[[group]]\nname = "a"\npost = [{ kind = "script", command = ["/a"], time-out = 1 }]',
            "group[1].post[1].time-out: there is no such key",
        ),
        ('description = "a\\nb"\n[[group]]\nname = "a"\nmachines = ["b"]', "description: 'a\\nb' is no description"),
        ("#" * 300_000, "this plan is longer than 256 KiB"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        plan_of(text)
    assert refused.value.message.startswith(words), refused.value.message
