"""App-consistent points: how they are asked for and what is told of them."""

import os

import msgspec

from tests.cli.conftest import Typed, lines
from tests.cli.fake_engine import FakeEngine
from understudy.engine import BlockSource, Protect, QemuSource


def test_agent_and_hooks_are_named_for_a_machine(engine: FakeEngine, typed: Typed) -> None:
    typed("protect", "web", "--qmp", "/run/web.qmp", "--agent", "web.qga", "--pre-hook", "/hooks/pre", "--post-hook", "post")
    agent, post = os.path.abspath("web.qga"), os.path.abspath("post")
    assert engine.asked == [
        Protect(name="web", source=QemuSource(qmp="/run/web.qmp", agent=agent, pre_hook="/hooks/pre", post_hook=post)),
    ]


def test_files_have_hooks_and_no_agent(engine: FakeEngine, typed: Typed) -> None:
    assert typed("protect", "db", "--disk", "vda=/dev/a", "--agent", "/run/a").exit_code == 2
    typed("protect", "db", "--disk", "vda=/dev/a", "--post-hook", "/hooks/post")
    assert engine.asked == [Protect(name="db", source=BlockSource(disks={"vda": "/dev/a"}, post_hook="/hooks/post"))]


def test_every_point_or_every_nth_is_asked_for(engine: FakeEngine, typed: Typed) -> None:
    typed("replicate", "web")
    typed("replicate", "web", "--app-consistent")
    typed("replicate", "web", "--every", "1ms", "--cycles", "4", "--app-every", "3")
    cycles = [asked for asked in engine.asked if isinstance(asked, str)]
    assert cycles == ["cycle", "app-consistent cycle", "app-consistent cycle", "cycle", "cycle", "app-consistent cycle"]


def test_what_came_of_it_is_told(engine: FakeEngine, typed: Typed) -> None:
    engine.points_now = [
        msgspec.structs.replace(engine.points_now[0], consistency="app"),
        msgspec.structs.replace(engine.points_now[1], downgrade="the guest's agent did not answer"),
    ]
    result = typed("points", "web")
    told = result.stdout.splitlines()
    assert " app " in told[1]
    assert " crash " in told[2]
    assert "not app-consistent: the guest's agent did not answer" in told[2]
    (document,) = lines(typed("points", "web", "--json"))
    assert [point["downgrade"] for point in document["points"]] == ["", "the guest's agent did not answer"]
