"""What is typed reaches the engine, and what the engine answers is told, in words and in JSON."""

import os
import time
from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import Typed, lines
from tests.cli.fake_engine import FakeEngine
from understudy.engine import (
    AddKey,
    BlockSource,
    CreateVault,
    Damage,
    Key,
    KeyFile,
    Passphrase,
    Protect,
    QemuSource,
    Restore,
    RotateKey,
    SeedExport,
    SeedImport,
    Unprotect,
    Verify,
)

KEYS = {"slot", "role", "label", "kind", "current", "damage"}
POINT = {
    *("number", "id", "frozen_at", "cause", "reason", "method", "consistency", "scanned_blocks", "changed_blocks"),
    *("zero_blocks", "stored_bytes", "seconds", "held", "disks", "downgrade", "group", "verified_at"),
    *("superseded", "final", "immutable_until"),
}


def test_a_vault_is_created_where_the_argument_says(engine: FakeEngine, typed: Typed, tmp_path: Path) -> None:
    result = typed("vault", "create", "file:///mnt/other", "--label", "ops")
    assert result.exit_code == 0, result.stderr
    assert engine.asked == [CreateVault(label="ops")]
    assert engine.connections[0].vault == "file:///mnt/other"
    assert engine.connections[0].credential == KeyFile(path=str(tmp_path / "key"))
    assert "keep a copy" in result.stdout


def test_a_vault_is_described(typed: Typed) -> None:
    words = typed("vault", "info").stdout
    assert "web" in words
    assert "ops" in words
    (document,) = lines(typed("vault", "info", "--json"))
    assert document.keys() == {"id", "url", "role", "identity", "keys", "machines", "damage", "place"}
    assert document["machines"][0].keys() == {"id", "name", "epoch", "site", "here", "points", "newest"}


def test_a_damaged_slot_is_shown_among_the_others(engine: FakeEngine, typed: Typed) -> None:
    why = "key slot " + "7c" * 16 + " is damaged"
    engine.keys_now.append(Key(slot="7c" * 16, role=None, label="", kind="damaged", current=False, damage=why))
    for words in (("vault", "info"), ("vault", "key", "list")):
        told = typed(*words)
        assert told.exit_code == 0
        assert "ops" in told.stdout
        assert "7c7c7c7c7c7c  damaged" in told.stdout
        assert f"{why}; put the object keys/{'7c' * 16} back" in told.stderr


def test_keys_are_listed_added_rotated_and_removed(engine: FakeEngine, typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "phrase").write_text("correct horse\nsecond line\n")
    assert "ops" in typed("vault", "key", "list").stdout
    (added,) = lines(typed("vault", "key", "add", "--role", "source", "--label", "host-a", "--new-key-file", "relative", "--json"))
    assert added.keys() == KEYS
    rotated = typed("vault", "key", "rotate", "ops", "--new-passphrase-file", str(tmp_path / "phrase"))
    removed = typed("vault", "key", "remove", "5a5a", "--yes")
    assert (rotated.exit_code, removed.exit_code) == (0, 0)
    assert "last one" in removed.stdout
    assert engine.asked == [
        "keys",
        AddKey(role="source", label="host-a", credential=KeyFile(path=os.path.abspath("relative"))),
        RotateKey(slot="ops", credential=Passphrase(text="correct horse")),
        "5a5a",
    ]
    assert "horse" not in rotated.output + repr(engine.asked)


def test_a_running_vm_is_protected(engine: FakeEngine, typed: Typed) -> None:
    result = typed("protect", "web", "--qmp", "/run/web.sock", "--disk", "vda=node0", "--adopt")
    assert result.exit_code == 0, result.stderr
    assert engine.asked == [Protect(name="web", source=QemuSource(qmp="/run/web.sock", disks={"vda": "node0"}), adopt=True)]
    assert "1.0 GiB" in result.stdout


def test_disks_of_a_running_vm_are_left_out(engine: FakeEngine, typed: Typed) -> None:
    assert typed("protect", "web", "--qmp", "/run/web.sock", "--exclude", "swap", "--exclude", "swap").exit_code == 0
    assert engine.asked == [Protect(name="web", source=QemuSource(qmp="/run/web.sock", exclude=("swap",)))]


def test_files_are_protected_under_absolute_paths(engine: FakeEngine, typed: Typed) -> None:
    (document,) = lines(typed("protect", "web", "--disk", "vda=a.raw", "--disk", "vdb=/dev/b=c", "--json"))
    assert engine.asked == [Protect(name="web", source=BlockSource(disks={"vda": os.path.abspath("a.raw"), "vdb": "/dev/b=c"}))]
    assert document.keys() == {"machine", "found", "outcome"}


@pytest.mark.parametrize(
    "words",
    [
        ("protect", "web"),
        ("protect", "no/name", "--qmp", "s"),
        ("protect", "web", "--disk", "vda"),
        ("protect", "web", "--disk", "vda=x", "--disk", "vda=y"),
        ("protect", "web", "--disk", "../x=y"),
        ("protect", "web", "--disk", "vda=x", "--exclude", "vda"),
        ("protect", "web", "--qmp", "s", "--disk", "vda=x", "--exclude", "vdb"),
        ("restore", "web"),
        ("restore", "@3", "--to", "d"),
        ("verify", "--all"),
        ("verify", "--level", "digest"),
        ("verify", "web@3", "--all"),
        ("replicate", "web", "--every", "soon"),
        ("replicate", "web", "--cycles", "0"),
        ("vault", "key", "add", "--role", "king", "--label", "x"),
        ("vault", "create", "--label", "a b"),
        ("protect", "web", "--disk", "vda=/x", "--disk", "vdb=/y/../x"),
        ("nonsense",),
        (),
        ("vault", "key"),
        ("points",),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(engine: FakeEngine, typed: Typed, words: tuple[str, ...]) -> None:
    result = typed(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert not [request for request in engine.asked if not (isinstance(request, tuple) and request[0] == "points")]


def test_unprotecting_says_what_stays(engine: FakeEngine, typed: Typed) -> None:
    assert "3 recovery points stay" in typed("unprotect", "web").stdout
    assert "not visited" in typed("unprotect", "web", "--forget").stdout
    assert engine.asked == [Unprotect(name="web"), Unprotect(name="web", forget=True)]


def test_points_are_listed(typed: Typed) -> None:
    result = typed("points", "web")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["point", "3", "4", "7", "point"]
    assert "aa110000" in result.stdout
    assert "record 5" in result.stderr
    (document,) = lines(typed("points", "web", "--json"))
    assert document.keys() == {"machine", "points", "void", "damage", "dropped", "trimmed"}
    assert all(point.keys() == POINT for point in document["points"])


def test_points_that_were_proven_are_told(engine: FakeEngine, typed: Typed) -> None:
    assert "verified" not in typed("points", "web").stdout
    first, *others = engine.points_now
    engine.points_now[:] = [msgspec.structs.replace(first, verified_at=time.time_ns() - 7200 * 10**9), *others]
    heading, proven, other, *_ = typed("points", "web").stdout.splitlines()
    assert "verified" in heading
    assert "2 h ago" in proven
    assert " no " in other


def test_what_looks_like_markup_is_shown_as_it_is(engine: FakeEngine, typed: Typed) -> None:
    reason = "disk [/red]:boom: was added"
    engine.points_now[:] = [msgspec.structs.replace(engine.points_now[0], reason=reason)]
    result = typed("points", "web")
    assert result.exit_code == 0, result.stderr
    assert reason in result.stdout


def test_no_points_are_said(engine: FakeEngine, typed: Typed) -> None:
    engine.points_now.clear()
    result = typed("points", "web")
    assert (result.exit_code, result.stdout) == (0, "web has no recovery point yet\n")


def test_the_point_that_is_meant_is_restored(engine: FakeEngine, typed: Typed) -> None:
    result = typed("restore", "web@4", "--to", "/r", "--disk", "vdb=/dev/x", "--format", "qcow2", "--overwrite")
    assert result.exit_code == 0, result.stderr
    targets = {"vda": "/r/vda.qcow2", "vdb": "/dev/x"}
    assert engine.asked[-1] == Restore(machine="1d" * 16, point="aa22".ljust(32, "0"), format="qcow2", targets=targets, overwrite=True)
    assert "known to hold point aa11" in result.stdout
    (document,) = lines(typed("restore", "web", "--disk", "vda=/x", "--json"))
    assert document.keys() == {"machine", "point", "seconds", "disks"}
    disk = {"name", "path", "size", "trusted", "known_point", "reason", "written_bytes", "zeroed_bytes", "proven"}
    assert document["disks"][0].keys() == disk
    assert isinstance(engine.asked[-1], Restore)
    assert engine.asked[-1].targets == {"vda": "/x"}


def test_a_disk_that_the_point_lacks_is_not_restored(typed: Typed) -> None:
    result = typed("restore", "web", "--disk", "vdz=/x")
    assert result.exit_code == 3
    assert "vda, vdb" in result.stderr


def test_points_are_verified(engine: FakeEngine, typed: Typed) -> None:
    assert typed("verify", "web").exit_code == 0
    assert typed("verify", "web@3", "--level", "frames").exit_code == 0
    (document,) = lines(typed("verify", "web", "--all", "--json"))
    assert [request for request in engine.asked if isinstance(request, Verify)] == [
        Verify(machine="1d" * 16, points=("bb33".ljust(32, "0"),), level="digest"),
        Verify(machine="1d" * 16, points=("aa11".ljust(32, "0"),), level="frames"),
        Verify(machine="1d" * 16, points=tuple(point.id for point in engine.points_now), level="digest"),
    ]
    assert document.keys() == {"level", "machine", "points", "objects", "read_bytes", "seconds", "damage", "unrecorded"}


def test_a_vault_is_scrubbed_without_a_key(engine: FakeEngine, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDERSTUDY_KEY_FILE")
    assert typed("verify").exit_code == 0
    assert engine.asked == ["scrub"]
    assert engine.connections[0].credential is None


@pytest.mark.parametrize("words", [("verify",), ("verify", "web")])
def test_damage_is_named_and_has_an_exit_code(engine: FakeEngine, typed: Typed, words: tuple[str, ...]) -> None:
    engine.damage = (Damage(name="machines/1d/packs/77", reason="its hash is another"),)
    result = typed(*words)
    assert result.exit_code == 6
    assert "machines/1d/packs/77: its hash is another" in result.stdout
    machine_readable = typed(*words, "--json")
    assert machine_readable.exit_code == 6
    (document,) = lines(machine_readable)
    assert document["damage"] == [{"name": "machines/1d/packs/77", "reason": "its hash is another", "points": []}]


def test_seeds_are_exported_and_imported(engine: FakeEngine, typed: Typed, tmp_path: Path) -> None:
    (document,) = lines(typed("seed", "export", "web@4", str(tmp_path / "seed"), "--json"))
    assert document.keys() == {"kind", "machine", "point", "directory", "objects", "copied", "copied_bytes", "seconds"}
    assert "seed import" in typed("seed", "export", "web", str(tmp_path / "seed")).stdout
    brought = typed("seed", "import", str(tmp_path / "seed"))
    assert "replicate web" in brought.stdout
    engine.points_now.clear()
    assert "initial replication" in typed("seed", "export", "web", str(tmp_path / "seed")).stdout
    assert typed("seed", "export", "web@latest", str(tmp_path / "seed")).exit_code == 3
    directory = str(tmp_path / "seed")
    requests = [request for request in engine.asked if isinstance(request, SeedExport | SeedImport)]
    assert requests == [
        SeedExport(machine="1d" * 16, point="aa22".ljust(32, "0"), directory=directory),
        SeedExport(machine="1d" * 16, point="bb33".ljust(32, "0"), directory=directory),
        SeedImport(directory=directory),
        SeedExport(machine="1d" * 16, point=None, directory=directory),
    ]
