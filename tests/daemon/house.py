"""A real daemon as a process of its own, with a vault, a state directory and a socket."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cli.installed import COMMAND, Host

PATIENCE = 60.0


class Line(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float = 30.0) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass
class House:
    """`directory` leaves room for a socket's name."""

    directory: Path
    policy: dict[str, str] = field(default_factory=lambda: {"interval": "1s", "verify-every": "0"})
    limits: dict[str, Any] = field(default_factory=dict)
    patience: float = PATIENCE
    environment: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = (COMMAND,)
    process: subprocess.Popen[str] | None = None
    site: str = "here"
    shared: Path | None = None
    """Where the vault and its key are; by default in `directory`."""
    address: str = ""
    """The vault's, where it is no directory."""

    @property
    def host(self) -> Host:
        home = self.shared or self.directory
        return Host(self.directory, home / "vault", home / "key", {"UNDERSTUDY_SITE": self.site}, self.address)

    @property
    def config(self) -> Path:
        return self.directory / "understudy.toml"

    @property
    def socket(self) -> Path:
        return self.directory / "api.sock"

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    def create(self) -> None:
        self.host.run("vault", "create", self.host.url)
        self.configure()

    def configure(self, more: str = "") -> None:
        tables = {
            "vault": {"url": self.host.url, "key-file": str(self.host.key)},
            "api": {"socket": str(self.socket)},
            "policy": self.policy,
            "limits": self.limits,
        }
        lines = [f'site = "{self.site}"', f'state-dir = "{self.directory}/state"', more]
        for name, table in tables.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        self.config.write_text("\n".join(lines) + "\n")

    def start(self, *, waits: bool = True) -> None:
        with (self.directory / "log").open("a") as log:
            environment = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")}
            command = [*self.command, "serve", "--config", str(self.config)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment | self.environment, text=True)
        if waits and (self.address or self.host.vault.exists()):
            self.until(self._answers)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        with contextlib.suppress(OSError):
            return bool(self.ask("GET", "/v1/health")["vault_id"])
        return False

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        self.send(number)
        assert self.process is not None
        code = self.process.wait(self.patience)
        self.process = None
        return code

    def ask(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        line = Line(self.socket, self.patience)
        try:
            line.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            answer = line.getresponse()
            found = json.loads(answer.read() or b"null")
        finally:
            line.close()
        assert answer.status == status if status else answer.status < 300, (method, path, answer.status, found)
        return found

    def machine(self, name: str) -> Any:
        return self.ask("GET", f"/v1/machines/{name}")

    def events(self, *kinds: str) -> list[Any]:
        found = self.ask("GET", "/v1/events?limit=500")["items"]
        return [event for event in found if not kinds or event["kind"] in kinds]

    def until(self, what: Callable[[], Any]) -> Any:
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            found = what()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"it does not happen:\n{self.log[-4000:]}")

    def points(self, name: str, at_least: int) -> Any:
        """The machine's state once it has so many points."""
        return self.until(lambda: state if (state := self.machine(name))["points"] >= at_least else None)
