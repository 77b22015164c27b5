"""App-consistent points: how they are asked for and what is told of them."""

import os
from pathlib import Path

import msgspec

from tests.cli.conftest import Typed, lines
from tests.cli.fake_engine import FakeEngine
from tests.cli.installed import Host
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


def test_files_are_quiesced_by_hooks_the_whole_way(tmp_path: Path) -> None:
    host = Host(tmp_path / "host", tmp_path / "vault", tmp_path / "key")
    host.run("vault", "create", host.vault.as_uri())
    disk, told = tmp_path / "a.raw", tmp_path / "told"
    disk.write_bytes(bytes(8192))
    for name, script in (("pre", "echo stopped"), ("post", "echo started $UNDERSTUDY_OUTCOME")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script} >> {told}\n")
        (tmp_path / name).chmod(0o755)
    words = ("protect", "web", "--disk", f"vda={disk}", "--pre-hook", f"{tmp_path}/pre", "--post-hook", f"{tmp_path}/post")
    assert host.json(*words)["found"]["quiesce"] == f"pre-hook {tmp_path}/pre, post-hook {tmp_path}/post"
    assert host.json("replicate", "web")["consistency"] == "crash"
    assert not told.exists()
    assert host.json("replicate", "web", "--app-consistent")["consistency"] == "app"
    assert told.read_text() == "stopped\nstarted app\n"
    (tmp_path / "pre").write_text("#!/bin/sh\nexit 1\n")
    assert host.json("replicate", "web", "--app-consistent")["downgrade"].endswith("/pre ended with status 1")
    listed = host.json("points", "web")["points"]
    assert [(point["consistency"], bool(point["downgrade"])) for point in listed] == [("crash", False), ("app", False), ("crash", True)]
    (tmp_path / "pre").unlink()
    host.run(*words, expect=2)
