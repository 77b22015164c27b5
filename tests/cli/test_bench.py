"""What an operator is told of this host, by the installed command."""

import signal
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Typed
from tests.cli.installed import Host
from tests.store.servers import s3_server


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "vault").mkdir()
    return Host(tmp_path, tmp_path / "vault", tmp_path / "key")


def test_a_host_and_a_vault_are_measured(host: Host, tmp_path: Path) -> None:
    image = tmp_path / "disk"
    image.write_bytes(bytes(range(256)) * 16384)
    told = host.run("bench", "--disk", str(image), "--seconds", "1")
    assert "a block in" in told.stderr
    assert "256 MiB at most in file://" in told.stderr
    assert f"reading {image}" in told.stdout
    assert "what bounds it is" in told.stdout.splitlines()[-1]
    found = host.json("bench", "--seconds", "1")
    assert found.keys() == {"measured", "stages", "bottleneck", "cycle_seconds", "sustained"}
    assert found["bottleneck"] == min(found["stages"], key=found["stages"].get)
    assert list((tmp_path / "vault").iterdir()) == []


def test_a_bucket_is_measured(tmp_path: Path) -> None:
    with s3_server(tmp_path) as server:
        host = Host(tmp_path, tmp_path / "none", tmp_path / "key", address=server.address("bench", tmp_path))
        found = host.json("bench", "--seconds", "1")["measured"]["storing"]
        assert found["put_rate"] > 0
        assert (found["left"], found["left_bytes"]) == ([], 0)


def test_a_wrong_address_is_said(host: Host, typed: Typed) -> None:
    assert "no vault" not in host.run("bench", "--vault", "file:///nowhere/at/all", "--seconds", "1", expect=10).stderr
    assert typed("bench", "--seconds", "0").exit_code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing(host: Host, tmp_path: Path, number: signal.Signals) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    with host.start("bench", "--seconds", "600") as process:
        while not list((tmp_path / "vault").rglob("*-*")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        _, errors = process.communicate()
        assert process.returncode == 130, errors
    assert list((tmp_path / "vault").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == before
