"""Servers that keep vaults on a disk, each a process that can be killed and started again where it was."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.cli.installed import Host
from tests.daemon.house import House
from tests.store.servers import ACCOUNT, Server, azurite_command

UP = 60.0
"""Seconds in which a server listens: a limit, not a measure."""
FORGETFUL = ("azurite",)
"""Those that write down seconds later what they have acknowledged. (Azurite: its index, each 5 s.)"""


class Place(Protocol):
    """A server, and an empty place for a vault there. `address` is known once it runs."""

    name: str
    address: str

    def start(self) -> None: ...

    def kill(self) -> None: ...


@dataclass
class Bucket:
    """`command`: given the port, which stays the same."""

    name: str
    kind: str
    command: Callable[[int], list[str]]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    def start(self) -> None:
        self.port = self.port or free_port()
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AZURE_", "AZURITE_"))}
        with (self.directory / "log").open("ab") as log:
            command = ["setpriv", "--pdeathsig", "KILL", *self.command(self.port)]
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**inherited, **self.environment}, cwd=self.directory
            )
        end = time.monotonic() + UP
        while not _listens(self.port):
            assert self.process.poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < end, (self.directory / "log").read_text()
            time.sleep(0.02)
        if not self.address:
            account = f"/{ACCOUNT}" * (self.kind == "az")
            server = Server(self.kind, f"http://127.0.0.1:{self.port}{account}", self.port)
            self.address = server.address("bucket", self.directory, "vault")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@dataclass
class Site:
    """A daemon that serves a peer's vault. `peer`: who joins."""

    house: House
    peer: Host
    name: str = "peer"
    address: str = ""

    def start(self) -> None:
        if not self.address:
            self.house.create()
            self.house.configure(f'[peers]\nlisten = "127.0.0.1:{free_port()}"\n')
        self.house.start()
        if not self.address:
            self.house.until(lambda: self.house.events("peers.served"))
            invited = self.house.host.json(
                "peer", "invite", "here", "--prefix", "here", "--maintenance", "--config", str(self.house.config)
            )
            self.address = str(self.peer.json("peer", "join", invited["key"])["url"])

    def kill(self) -> None:
        if self.house.process is not None:
            self.house.process.kill()
            self.house.process.wait()


@contextlib.contextmanager
def place(name: str, directory: Path, peer: Host) -> Iterator[Place]:
    directory.mkdir()
    data = directory / "data"
    match name:
        case "localbucket":
            made: Place = Bucket(
                name, "s3", lambda port: [str(Path(sys.executable).with_name(name)), "--port", str(port), str(data)], directory
            )
        case "ministack":
            more = {"BIND_HOST": "127.0.0.1", "SERVICES": "s3", "IOT_MTLS_ENABLED": "0", "S3_PERSIST": "1", "S3_DATA_DIR": str(data)}
            run = [sys.executable, "-c", "from ministack.app import main; main()"]
            made = Bucket(name, "s3", lambda port: ["env", f"GATEWAY_PORT={port}", *run], directory, more)
        case "azurite":
            made = Bucket(name, "az", lambda port: azurite_command(port, "--location", str(data)), directory)
        case _:
            made = Site(House(directory, site="there"), peer)
    data.mkdir()
    made.start()
    try:
        yield made
    finally:
        made.kill()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False
