"""The parts of bench.whole that decide something: what is run, what is changed, what the figures come to."""

import os
import sys
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bench.whole.figures import Figure, Host, Result, Run, Told, ratios
from bench.whole.measure import Cost, cost_of
from bench.whole.report import lines
from bench.whole.step import Step
from bench.whole.tool import Cannot, Command, Place, Tool
from bench.whole.tools.known import TOOLS, chosen
from bench.whole.workload import BLOCK, change, targets

BLOCKS = 1000


def figure(wall: float, cpu: float, others: float = 0.0) -> Figure:
    return Figure(wall=wall, cpu=cpu, kernel=0.0, rss=1 << 20, stored=2 << 20, local=0, others=others)


def result(tool: str, setting: str, *rounds: Figure, step: Step = Step.INITIAL) -> Result:
    return Result(tool, setting, step, rounds)


def run_of(*results: Result) -> Run:
    told = (Told("understudy", "defaults", "a reason", "1", True),)
    return Run("now", Host("a processor", 2, 1 << 30, "6"), 1 << 30, 1 << 29, 10, told, results, ratios(results))


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: f"{tool.name} {tool.setting}")
@pytest.mark.parametrize("step", Step)
def test_a_tool_says_for_every_step_what_to_run_or_why_it_cannot(tool: Tool, step: Step, tmp_path: Path) -> None:
    commands = tool.commands(step, Place(tmp_path / "image.raw", tmp_path / "home"))
    if isinstance(commands, Cannot):
        assert commands.reason
        assert tool.name not in ("understudy", "restic", "borg")
    else:
        assert commands


def test_no_two_tools_are_told_apart_by_nothing() -> None:
    assert len({(tool.name, tool.setting) for tool in TOOLS}) == len(TOOLS)


def test_tools_are_chosen_by_name() -> None:
    assert chosen(()) == TOOLS
    assert {tool.name for tool in chosen(["restic", "understudy"])} == {"restic", "understudy"}
    assert set(chosen((), brief=True)) < set(TOOLS)
    assert {tool.name for tool in chosen((), brief=True)} == {tool.name for tool in TOOLS}
    with pytest.raises(ValueError, match="no such tool: bogus; there are understudy, restic, borg"):
        chosen(["bogus", "borg"])


def test_scattered_blocks_are_each_named_once_and_a_run_is_one() -> None:
    scattered = targets(BLOCKS, 100, np.random.default_rng(1), scattered=True)
    assert len(set(scattered.tolist())) == 100
    assert 0 <= scattered.min() <= scattered.max() < BLOCKS
    run = targets(BLOCKS, 100, np.random.default_rng(1), scattered=False)
    assert all(after - before == 1 for before, after in pairwise(run.tolist()))
    assert 0 <= run.min() <= run.max() < BLOCKS


@pytest.mark.parametrize("scattered", [True, False])
def test_a_change_overwrites_one_block_in_a_hundred_and_is_the_same_each_time(tmp_path: Path, scattered: bool) -> None:
    before = np.random.default_rng(2).bytes(BLOCKS * BLOCK)
    images = [tmp_path / name for name in ("one", "other")]
    for image in images:
        image.write_bytes(before)
        assert change(image, scattered=scattered, seed=3) == BLOCKS // 100
    one, other = (image.read_bytes() for image in images)
    assert one == other
    assert sum(one[at : at + BLOCK] != before[at : at + BLOCK] for at in range(0, len(before), BLOCK)) == BLOCKS // 100


def test_of_an_image_of_holes_one_block_in_a_hundred_is_changed_too(tmp_path: Path) -> None:
    image = tmp_path / "holes"
    image.touch()
    os.truncate(image, BLOCKS * BLOCK)
    assert change(image, scattered=True, seed=3) == BLOCKS // 100
    blocks = np.frombuffer(image.read_bytes(), dtype=np.uint8).reshape(-1, BLOCK)
    assert blocks.any(axis=1).sum() == BLOCKS // 100


def test_a_ratio_is_against_the_faster_peer_in_its_best_round() -> None:
    results = (
        result("understudy", "defaults", figure(3, 4), figure(2, 5)),
        result("restic", "defaults", figure(10, 20), figure(9, 21)),
        result("borg", "defaults", figure(12, 8)),
        result("borg", "fixed 4 MiB", figure(6, 10)),
        result("nbdcopy", "defaults", figure(1, 1)),
    )
    at_defaults, at_any = ratios(results)
    assert (at_defaults.settings, at_defaults.wall, at_defaults.against, at_defaults.cpu) == ("defaults", 4.5, "restic, defaults", 2)
    assert (at_any.settings, at_any.wall, at_any.against, at_any.cpu) == ("any", 3, "borg, fixed 4 MiB", 2)
    assert at_any.target == 5


def test_there_is_no_ratio_without_both_sides() -> None:
    assert not ratios([result("understudy", "defaults", figure(1, 1))])
    assert not ratios([result("restic", "defaults", figure(1, 1)), result("understudy", "defaults", figure(1, 1), step=Step.PRUNE)])


def test_a_report_says_what_a_tool_cannot_and_when_the_host_was_busy() -> None:
    ours, peer = result("understudy", "defaults", figure(1, 1, others=1.25)), result("borg", "defaults", figure(2, 2))
    said = "\n".join(lines(run_of(ours, peer, Result("qemu-img", "convert", Step.PRUNE, cannot="keeps no versions"))))
    assert "keeps no versions" in said
    assert "MISSED" in said
    assert "up to 1.2 processors were busy" in said
    assert "busy" not in "\n".join(lines(run_of(peer)))


def test_a_run_is_read_back_from_its_json() -> None:
    run = run_of(result("understudy", "defaults", figure(1, 1)), result("restic", "defaults", figure(2, 2)))
    assert msgspec.json.decode(msgspec.json.encode(run), type=Run) == run


def test_the_cost_of_a_tree_counts_its_children(tmp_path: Path) -> None:
    busy = "import time\nheld = bytearray(64 << 20)\nwhile time.process_time() < 0.5: sum(held)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {busy!r}], check=True)"
    cost = cost_of([Command((sys.executable, "-c", parent), tmp_path)] * 2, {})
    assert cost.cpu > 1
    assert cost.rss > 64 << 20


def test_a_child_that_has_not_begun_its_program_holds_nothing_of_its_own(tmp_path: Path) -> None:
    """As subprocess starts one: in its parent's memory. Where it counted, one of a few hundred was met at that, and doubled the figure."""
    parent = "import subprocess\nheld = bytearray(b'1') * (96 << 20)\nfor _ in range(400): subprocess.run(['true'], check=True)"
    assert cost_of([Command((sys.executable, "-c", parent), tmp_path)], {"PATH": os.environ["PATH"]}).rss < 150 << 20


def test_nothing_costs_nothing() -> None:
    assert cost_of([], {}) == Cost(0, 0, 0, 0)


def test_a_failing_command_is_named_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"exit code 3\nit is broken"):
        cost_of([Command((sys.executable, "-c", "print('it is broken'); raise SystemExit(3)"), tmp_path)], {})
