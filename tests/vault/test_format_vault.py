"""docs/format.md suffices: a reader made from it opens a replicated vault, end to end, and finds what the disks held."""

import base64
import json
import shutil
from hashlib import sha256
from pathlib import Path

from tests.vault.format_reader import FormatReader
from tests.vault.golden import OPERATOR_KEY
from tests.vault.golden_replicated import make
from understudy.store.file import FileStore
from understudy.vault.vault import Vault

GOLDEN = Path(__file__).parents[1] / "golden" / "replicated"
KEY_FILE = "understudy-key-1:" + base64.b64encode(bytes(range(32))).decode()


def held(root: Path) -> dict[str, dict[str, str]]:
    """Every point's disks as the independent reader has them, by their hashes."""
    reader = FormatReader(root, KEY_FILE)
    (machine,) = reader.machines
    points = reader.points(machine)
    return {point: {name: sha256(data).hexdigest() for name, data in reader.disks(machine, points, point).items()} for point in points}


def expected(root: Path) -> dict[str, dict[str, str]]:
    wanted: dict[str, dict[str, str]] = json.loads(root.with_suffix(".json").read_text())
    return wanted


def test_the_golden_vault_is_read_from_its_description() -> None:
    assert held(GOLDEN) == expected(GOLDEN)
    assert len(expected(GOLDEN)) == 20


async def test_our_own_reader_finds_the_same(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN, tmp_path / "vault")
    vault = await Vault.open(FileStore(tmp_path / "vault"), OPERATOR_KEY, None)
    log = await vault.find("web")
    assert [entry.point.id.hex() for entry in log.state.points] == list(expected(GOLDEN))
    assert [void.kind for void in log.state.void] == ["", "failover"]
    assert log.state.checkpoints
    assert any(entry.inlined for entry in log.state.points)
    assert any(entry.point.packs for entry in log.state.points)
    await vault.close()


async def test_a_vault_made_today_is_read_from_its_description(tmp_path: Path) -> None:
    await make(tmp_path / "vault")
    assert held(tmp_path / "vault") == expected(tmp_path / "vault")
