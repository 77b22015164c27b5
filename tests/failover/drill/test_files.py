"""A record of a test that cannot be read is told of, and ends nothing but what it may be about."""

from pathlib import Path

import pytest

from understudy.errors import NotFound, StateFailed
from understudy.failover.drill.files import RECORD, DrillFiles

ID = "a" * 32


def test_a_damaged_record(tmp_path: Path) -> None:
    files = DrillFiles(tmp_path / "drills")
    assert (files.all(), files.damaged()) == ([], {})
    record = tmp_path / "drills" / ID / RECORD
    record.parent.mkdir(parents=True)
    record.write_text("{")
    assert files.all() == []
    (error,) = files.damaged().values()
    assert str(record) in error.message
    assert f"move {record.parent} away" in error.hint
    # It may be of this machine, and stand.
    with pytest.raises(StateFailed):
        files.open("1d" * 16)
    with pytest.raises(StateFailed):
        files.find(ID[:6])
    with pytest.raises(NotFound):
        files.find("b" * 6)
