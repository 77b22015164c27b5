"""`understudy wrap`, as an operator types it."""

import json
import os
from pathlib import Path

from click.testing import CliRunner

from understudy.cli.main import cli, in_process


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["wrap", *words], obj=in_process, prog_name="understudy")
    return done.exit_code, done.stdout, done.stderr


def test_a_raw_disk_is_wrapped(tmp_path: Path) -> None:
    raw, to = tmp_path / "disk.raw", tmp_path / "disk.qcow2"
    raw.write_bytes(os.urandom(1 << 20))
    code, said, _ = run(str(raw), "--to", str(to))
    assert code == 0
    assert f"file={to},format=qcow2" in said
    assert to.exists()
    code, said, _ = run(str(raw), "--to", str(to), "--json")
    assert (code, json.loads(said)["error"]["code"]) == (4, "conflict")
    code, said, _ = run(str(raw), "--to", str(tmp_path / "second.qcow2"), "--json")
    assert (code, json.loads(said)) == (0, {"wrapper": str(tmp_path / "second.qcow2"), "raw": str(raw), "size": 1 << 20})
    assert run(str(tmp_path / "none"), "--to", str(tmp_path / "third.qcow2"))[0] == 3
