"""The deployment planner, as it is typed and as it is told."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.fake_service import FakeService
from tests.cli.conftest import Typed, lines
from tests.cli.fake_engine import FakeEngine
from tests.cli.installed import Host
from tests.source.machine import MIB, Machine, blockdev
from understudy.cli.profile_words import advice, what_was_seen
from understudy.engine import Policy
from understudy.engine.needs import needs_of
from understudy.engine.profiling import Profile, Profiled, counted


def test_a_machine_is_watched_and_its_needs_are_told(engine: FakeEngine, typed: Typed) -> None:
    told = typed("profile", "web", "--for", "2m", "--bandwidth", "100Mbit")
    assert told.exit_code == 0, told.stderr
    assert Profile(machine="web", seconds=120.0, every=10.0) in engine.asked
    assert "web was watched for 2 m, in units of 4.0 KiB" in told.stdout
    assert "RPO over 100 Mbit/s" in told.stdout
    assert told.stdout.splitlines()[-1].startswith("every 10.0 s needs ")
    (document,) = lines(typed("profile", "web", "--every", "5s", "--json"))
    assert document.keys() == {"machine", "watched", "figures", "policy", "line", "intervals", "recommended"}
    assert document["recommended"] == 60.0
    assert [one["at_most"] for one in document["intervals"]] == [False, False, True, True, True]


def test_points_alone_tell_something(engine: FakeEngine, typed: Typed) -> None:
    told = typed("profile", "web", "--no-watch")
    assert told.exit_code == 0, told.stderr
    assert not any(isinstance(asked, Profile) for asked in engine.asked)
    assert "points that tell how it changes" in told.stdout


def test_a_daemon_watches_its_machine(daemon: FakeService, typed: Typed) -> None:
    told = typed("profile", "web", "--for", "1m")
    assert told.exit_code == 0, told.stderr
    (started,) = daemon.started
    assert (started.kind, started.machine, started.parameters) == ("profile", "web", {"seconds": 60.0, "every": 10.0})


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("web", "--qmp", "s"),
        ("--qmp", "s", "--no-watch"),
        ("web", "--for", "1s"),
        ("web", "--bandwidth", "0"),
        ("web", "--every", "1ms"),
    ],
)
def test_what_makes_no_sense_is_refused(typed: Typed, words: tuple[str, ...]) -> None:
    assert typed("profile", *words).exit_code == 2


def told_of(*counts: float, line: float | None = None, policy: Policy | None = None) -> str:
    spans = (counted(10.0, counts),) if counts else ()
    watched = Profiled(machine="web", seconds=60.0, granularity=4096, disk_bytes=1 << 40, spans=spans)
    return advice(needs_of("web", watched, (), policy, line))


def test_a_sentence_says_what_to_do() -> None:
    assert told_of() == "nothing was counted: watch for longer"
    assert told_of(0.0) == "every 10.0 s needs 0 bit/s at the 95th percentile and 0 B a day"
    assert told_of(15e6) == "every 10.0 s needs 12 Mbit/s at the 95th percentile and 121 GiB a day"
    assert told_of(15e6, line=12.5e6) == f"{told_of(15e6)}; over 100 Mbit/s that is an RPO of 11.2 s"
    assert told_of(15e6, policy=Policy(all_for=3600)) == f"{told_of(15e6)}, and its policy keeps 5.0 GiB at most"
    assert told_of(15e6, line=1e6) == "this line carries none of it: even every 1 h sends 12 Mbit/s on average"


def test_what_is_not_known_is_said() -> None:
    assert "taken as not at all" in what_was_seen(needs_of("web", None, (), None, None))


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="us-") as name:
        machine = Machine(Path(name), [blockdev(Path(name), "vda", "raw", 8 * MIB)])
        await machine.start()
        yield machine
        await machine.kill()


async def test_a_vm_that_nobody_protects_is_watched_and_left_as_it_was(machine: Machine, tmp_path: Path) -> None:
    host = Host(machine.directory, tmp_path / "no-vault", tmp_path / "no-key")
    words = ("profile", "--qmp", machine.qmp, "--for", "10m", "--every", "200ms", "--json")
    for end in (signal.SIGKILL, signal.SIGINT):
        with host.start(*words) as process:
            await until_there(machine, there=True)
            await machine.write("vda", 0, MIB, 1)
            process.send_signal(end)
            output, errors = await asyncio.to_thread(process.communicate)
            assert process.returncode == (0 if end == signal.SIGINT else -end), errors
        await until_there(machine, there=False)
    assert '"recommended"' in output


async def until_there(machine: Machine, *, there: bool) -> None:
    """As much of a watch in QEMU, or nothing."""
    for _ in range(2000):
        if bool(await machine.leftovers()) == there:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{await machine.leftovers()}")
