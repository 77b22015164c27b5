from pathlib import Path

import pytest

from understudy.engine import BlockSource, MachineSource, QemuSource
from understudy.errors import StateFailed
from understudy.local.machine_file import NAME, read_source, remove_source, write_source


@pytest.mark.parametrize("source", [QemuSource(qmp="/run/x.sock", disks={"vda": "node"}), BlockSource(disks={"vda": "/dev/x"})])
def test_a_source_is_kept(tmp_path: Path, source: MachineSource) -> None:
    assert read_source(tmp_path / "m") is None
    write_source(tmp_path / "m", source)
    assert read_source(tmp_path / "m") == source
    assert [path.name for path in (tmp_path / "m").iterdir()] == [NAME]
    remove_source(tmp_path / "m")
    remove_source(tmp_path / "m")
    assert read_source(tmp_path / "m") is None


def test_the_documented_form_is_read(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"kind":"qemu","qmp":"/x.sock","disks":{"vda":"node"}}')
    assert read_source(tmp_path) == QemuSource(qmp="/x.sock", disks={"vda": "node"})
    (tmp_path / NAME).write_text('{"kind":"block","disks":{"vda":"/path"},"later":1}')
    assert read_source(tmp_path) == BlockSource(disks={"vda": "/path"})


@pytest.mark.parametrize("text", ["", "{", "{}", '{"kind":"tape","disks":{}}', '{"kind":"block","disks":[1]}', '"block"'])
def test_a_damaged_file_is_said_not_taken_for_absent(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(StateFailed, match=NAME) as caught:
        read_source(tmp_path)
    assert "again" in caught.value.hint


def test_a_leftover_of_a_killed_writer_is_replaced(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.new").write_text("half")
    write_source(tmp_path, BlockSource(disks={"vda": "/a"}))
    assert read_source(tmp_path) == BlockSource(disks={"vda": "/a"})


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateFailed, match=NAME):
        write_source(tmp_path / "file", BlockSource(disks={"vda": "/a"}))
    with pytest.raises(StateFailed, match="cannot be read"):
        read_source(tmp_path / "file")
