"""A former primary's VM that somebody started past the monitor by which it was followed."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.daemon.test_reunited import LAST, Home
from tests.daemon.test_reunited import home as home
from tests.vault.worlds import QUICK, a_point
from understudy.daemon import standing_down
from understudy.engine import QemuSource
from understudy.local.machine_file import write_source
from understudy.qemu.image_locks import is_written
from understudy.vault import kinds, names
from understudy.vault.log.side_object import put_side_object


@pytest.fixture
def image(tmp_path: Path) -> Path:
    image = tmp_path / "vda.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"], check=True)
    return image


@contextmanager
def running(image: Path) -> Iterator[None]:
    disk = ["-drive", f"file={image},format=qcow2,if=virtio"]
    with subprocess.Popen(["qemu-system-x86_64", "-machine", "q35", "-S", "-display", "none", "-nodefaults", *disk]) as qemu:
        try:
            while not is_written(image):
                time.sleep(0.01)
            yield
        finally:
            qemu.kill()


async def test_it_is_seen_by_its_disks(home: Home, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing_down, "AGAIN", 0.0)
    log = home.log
    vault, _ = await home.sentinel._engine.watched(log.machine_id)
    said = msgspec.json.encode({"disks": [{"name": "vda", "filename": str(image), "format": "qcow2"}]})
    captured = await put_side_object(vault.store, vault.access, names.machine(log.machine_id), "definition", said, QUICK)
    await log.append(msgspec.structs.replace(a_point(LAST, b"p" * 16), definition=captured))
    await log.append(kinds.Failover(epoch=2, site="b", point=LAST, mode="unplanned", id=b"i" * 16))
    write_source(home.directory, QemuSource(qmp=str(tmp_path / "nobody")))
    with running(image):
        await home.look()
        assert (home.track.halted.code, home.track.halted.health) == ("split", "critical")
        assert f"its disk vda ({image}) is open for writing" in home.track.halted.message
        await log.refresh()
        assert [stood.running for stood in log.state.authority.stood] == [True]
    await home.look()
    assert home.track.halted.code == "superseded"
    await log.refresh()
    assert [stood.running for stood in log.state.authority.stood] == [False]
