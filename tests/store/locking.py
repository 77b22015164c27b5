"""S3 servers with object lock, each a process of its own on a free port of the loopback: one that means it, and one that does not."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from understudy.store.opening import open_locks
from understudy.store.remote.s3_locks import S3Locks

ROOT = Path(__file__).parents[2]
WAIT = 60.0
"""Seconds until a server must answer: a limit, not a measure."""
DAY = 86400.0


class LockServer:
    """`endpoint` as it stands in an address."""

    def __init__(self, port: int, directory: Path) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._credentials = directory / "s3.toml"
        self._credentials.touch(mode=0o600)
        self._credentials.write_text('access-key-id = "an-id"\nsecret-access-key = "a-secret"\n')
        path = Config(s3={"addressing_style": "path"})
        session = botocore.session.get_session()
        self.client: Any = session.create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="an-id",
            aws_secret_access_key="a-secret",
            config=path,
        )

    def bucket(self, name: str, *, mode: str = "", days: int = 0, lock: bool = True) -> str:
        """A new one, and the address of a vault in it. `mode`, `days`: its default retention."""
        self.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        if mode:
            rule = {"DefaultRetention": {"Mode": mode, "Days": days}}
            self.client.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule})
        return f"s3://{name}/a/vault?endpoint={self.endpoint}&credentials={self._credentials}"

    def locks(self, name: str, **more: Any) -> S3Locks:
        locks = open_locks(self.bucket(name, **more))
        assert isinstance(locks, S3Locks)
        return locks


@contextmanager
def honest(directory: Path) -> Iterator[LockServer]:
    """ministack's: locks hold, in both modes, as Amazon describes them."""
    port = _free_port()
    # Nothing but S3 is to listen anywhere.
    more = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "SERVICES": "s3", "IOT_MTLS_ENABLED": "0"}
    command = [sys.executable, "-c", "from ministack.app import main; main()"]
    with _running(command, port, directory / "ministack.log", more):
        yield LockServer(port, directory)


@contextmanager
def lying(directory: Path) -> Iterator[LockServer]:
    """moto's, made worse: see `lying_s3`."""
    port = _free_port()
    with _running([sys.executable, "-m", "tests.store.lying_s3", str(port)], port, directory / "lying.log", {}):
        yield LockServer(port, directory)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], port: int, log: Path, more: dict[str, str]) -> Iterator[None]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | more
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=ROOT)
    try:
        end = time.monotonic() + WAIT
        while not _answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=WAIT)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True
