"""bench.whole as it is run: what is refused, what a failing tool leaves, how it is stopped."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.whole.report import lines
from bench.whole.run import compared
from bench.whole.step import Step
from bench.whole.tool import IMAGE, Cannot, Command, Place
from bench.whole.workload import BLOCK

PATIENCE = 60


def ran(*words: str | Path, module: str = "bench.whole") -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_an_unknown_tool_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    code, said = ran("--only", "bogus", "--where", tmp_path / "there")
    assert code == 2
    assert "no such tool: bogus" in said
    assert not (tmp_path / "there").exists()


def test_a_run_that_would_fill_the_disk_is_refused_before_it_begins(tmp_path: Path) -> None:
    for code, said in (
        ran("--gib", "100000", "--where", tmp_path),
        ran("--gib", "100000", "--to", tmp_path / "to", module="bench"),
    ):
        assert code == 2
        assert "and an image of 100000 GiB needs 1000000" in said
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--gib", "0"), "at least"),
        (("--gib", "-1"), "at least"),
        (("--gib", "nan"), "at least"),
        (("--gib", "inf"), "at most"),
        (("--gib", "much"), "no number of GiB"),
        (("--rounds", "0"), "from 1 on"),
        (("--rounds", "-1"), "from 1 on"),
        (("--rounds", "1.5"), "from 1 on"),
        (("--only", ","), "names nothing"),
    ],
)
@pytest.mark.parametrize("module", ["bench", "bench.whole"])
def test_a_size_or_a_count_that_is_none_is_refused(module: str, words: Sequence[str], why: str) -> None:
    code, said = ran(*words, module=module)
    assert code == 2
    assert why in said


def test_an_image_that_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    short = tmp_path / "short.raw"
    short.write_bytes(os.urandom(99 * BLOCK))
    for image, why in (
        (tmp_path, "is no regular file"),
        (tmp_path / "nothing", "is no regular file"),
        (short, "has less than 100 blocks"),
    ):
        code, said = ran("--image", image, "--where", tmp_path / "there")
        assert code == 2
        assert why in said
    assert ran("--image", short, "--gib", "4")[0] == 2
    assert not (tmp_path / "there").exists()


def test_figures_that_could_not_be_written_are_not_measured(tmp_path: Path) -> None:
    for file in (tmp_path / "missing" / "whole.json", tmp_path):
        code, said = ran("--json", file, "--where", tmp_path / "there")
        assert code == 2
        assert "no such directory" in said
    assert not list(tmp_path.glob("there/*"))


class Copy:
    """A tool that copies; one that is `broken` fails at its second step."""

    why = "for a test"
    encrypts = False
    version = ("echo", "1")

    def __init__(self, *, broken: bool) -> None:
        self.name, self.setting, self.broken = "broken" if broken else "copy", "defaults", broken

    def environment(self, place: Place) -> dict[str, str]:
        return {}

    def prepared(self, place: Place) -> tuple[Command, ...]:
        return ()

    def commands(self, step: Step, place: Place) -> tuple[Command, ...] | Cannot:
        match step:
            case Step.RESTORE:
                return (Command(("cp", str(place.stored / IMAGE), str(place.restored)), place.home),)
            case Step.PRUNE:
                return Cannot("keeps no versions")
            case Step.UNCHANGED if self.broken:
                return (Command(("sh", "-c", "echo it is broken; exit 3"), place.home),)
        return (Command(("cp", str(place.image), str(place.stored)), place.home),)


def test_a_tool_that_fails_costs_no_other_its_figures(tmp_path: Path) -> None:
    image, home = tmp_path / "given.raw", tmp_path / "home"
    image.write_bytes(os.urandom(100 * BLOCK))
    home.mkdir()
    run = compared([Copy(broken=True), Copy(broken=False)], image, 2, home)
    done = {(result.tool, result.step): (len(result.rounds), result.cannot) for result in run.results}
    assert [done["copy", step] for step in Step] == [(2, "")] * 5 + [(0, "keeps no versions")]
    assert [done["broken", step] for step in Step] == [(1, "failed")] + [(0, "failed")] * 5
    (failed,) = run.failed
    assert failed.startswith("broken, defaults: ")
    assert failed.endswith("exit code 3\nit is broken\n")
    assert "FAILED: broken" in "\n".join(lines(run))


def test_a_program_is_loaded_before_each_of_its_steps(tmp_path: Path) -> None:
    class Noting(Copy):
        version = ("sh", "-c", f"echo loaded >> {tmp_path}/noted; echo 1")

        def commands(self, step: Step, place: Place) -> tuple[Command, ...] | Cannot:
            done = super().commands(step, place)
            return done if isinstance(done, Cannot) else (Command(("sh", "-c", f"echo {step} >> {tmp_path}/noted"), place.home), *done)

    image, home = tmp_path / "given.raw", tmp_path / "home"
    image.write_bytes(os.urandom(100 * BLOCK))
    home.mkdir()
    compared([Noting(broken=False)], image, 1, home)
    noted = (tmp_path / "noted").read_text().split()
    assert noted == ["loaded", *(word for step in list(Step)[:5] for word in ("loaded", str(step)))]


def test_a_program_that_cannot_be_loaded_any_more_costs_no_other_its_figures(tmp_path: Path) -> None:
    class Going(Copy):
        version = ("sh", "-c", f"echo 1; echo >> {tmp_path}/loads; test $(wc -l < {tmp_path}/loads) -lt 3")

        def __init__(self) -> None:
            super().__init__(broken=False)
            self.name = "going"

    image, home = tmp_path / "given.raw", tmp_path / "home"
    image.write_bytes(os.urandom(100 * BLOCK))
    home.mkdir()
    run = compared([Going(), Copy(broken=False)], image, 1, home)
    done = {(result.tool, result.step): (len(result.rounds), result.cannot) for result in run.results}
    assert [done["going", step] for step in Step] == [(1, "failed")] + [(0, "failed")] * 5
    assert [done["copy", step][0] for step in Step] == [1] * 5 + [0]
    assert len(run.failed) == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_who_is_stopped_ends_what_he_runs_and_leaves_nothing(tmp_path: Path, how: signal.Signals) -> None:
    image, where = tmp_path / "given.raw", tmp_path / "where"
    image.write_bytes(os.urandom(64 << 20))
    words = [sys.executable, "-m", "bench.whole", "--image", image, "--only", "understudy", "--rounds", "1000", "--where", where]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("round 1 of 1000, initial")
        process.send_signal(how)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == (-how if how is signal.SIGINT else 128 + how)
    assert image.exists()
    assert not list(where.iterdir())
