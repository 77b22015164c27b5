"""What is known of mounts and their processes, and what is not: without a mount."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from understudy import app, engine
from understudy.errors import NotFound, StateFailed
from understudy.mounts import processes
from understudy.mounts.record import Record, name_of, places_of, write


def kept(state: Path, name: str) -> Path:
    mount = engine.Mount(
        name=name,
        vault="file:///v",
        machine="web",
        machine_id="1",
        point="2",
        number=3,
        frozen_at=4,
        directory=f"{state}/at-{name}",
        export=f"{name}.mount",
        state="mounted",
    )
    write(places_of(state, name), Record(mount=mount, only=(), made=True, whole=True))
    return places_of(state, name).record


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """It is what it is to be, until it is killed in the end: for a moment after its start a process has no words."""
    with process:
        try:
            while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
                time.sleep(0.001)
            yield process
        finally:
            process.kill()


def test_a_damaged_record_hides_no_other(tmp_path: Path) -> None:
    record = kept(tmp_path, "bad")
    kept(tmp_path, "good")
    record.write_bytes(record.read_bytes()[:-9])
    bad, good = app.mounts(str(tmp_path))
    assert (bad.name, bad.state, good.name, good.machine, good.why) == ("bad", "broken", "good", "web", "its process has ended")
    assert str(record) in bad.why
    assert "findmnt" in bad.why
    assert name_of(tmp_path, f"{tmp_path}/at-good") == "good"
    with pytest.raises(StateFailed):
        name_of(tmp_path, f"{tmp_path}/at-bad")
    record.write_bytes(msgspec.json.encode({}))
    assert len(app.mounts(str(tmp_path))) == 2
    record.unlink()
    with pytest.raises(NotFound):
        name_of(tmp_path, f"{tmp_path}/at-bad")


def test_who_only_looks_at_its_file_is_not_taken_for_the_process(tmp_path: Path) -> None:
    pid, log = tmp_path / "pid", tmp_path / "log"
    pid.touch()
    ours = ("tail", "-f", str(pid))
    with ended(subprocess.Popen(ours)) as same, log.open("wb") as file, ended(subprocess.Popen(["tail", "-f", log], stderr=file)) as reader:
        processes.started(ours, log)
        assert len(processes.running(ours, log)) == 1
        assert processes.killed(ours, log)
        assert processes.running(ours, log) == []
        for other in (same, reader):
            assert other.poll() is None
