"""How processes of ours end while a thread of a bucket's client is still on its way back."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.installed import Host
from tests.store.servers import Server

BEGIN = "import asyncio; from tests.ending import Policy; asyncio.set_event_loop_policy(Policy()); "


@pytest.fixture
def host(s3: Server, tmp_path: Path) -> Host:
    return Host(tmp_path / "host", tmp_path / "vault", tmp_path / "key", address=s3.address("ending", tmp_path, tmp_path.name))


def ended(host: Host, program: str, *words: str, told: str = "") -> subprocess.CompletedProcess[Any]:
    command = [sys.executable, "-c", BEGIN + program, *words]
    root = Path(__file__).parents[2]
    return subprocess.run(command, input=told, capture_output=True, text=True, timeout=60, env=host.environment(), cwd=root)


def test_a_command_ends_with_its_own_code(host: Host) -> None:
    host.run("vault", "create", host.url)
    program = "from understudy.cli.main import run; run()"
    for code, words in (0, ["vault", "info"]), (4, ["vault", "create"]):
        done = ended(host, program, *words)
        assert done.returncode == code, done.stderr


def test_so_does_a_process_that_serves_a_point(host: Host) -> None:
    credential = {"kind": "passphrase", "text": "of nobody"}
    connection = {"vault": host.url, "state_dir": str(host.directory / "state"), "site": "here", "credential": credential}
    order = {"connection": connection, "request": {"machine": "web", "point": "latest", "name": "look"}}
    done = ended(host, "from understudy.exporter import main; main()", told=json.dumps(order))
    assert done.returncode == 3, done.stderr
    assert "there is no vault" in json.loads(done.stdout)["failure"]["message"]
