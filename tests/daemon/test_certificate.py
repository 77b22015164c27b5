"""The certificate is renewed while connections are open, in a real daemon."""

import hashlib
import http.client
import signal
import socket
import ssl
from pathlib import Path

import pytest

from tests.api.browser import certificate
from tests.daemon.house import House

TOKEN = "t0ken"


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def port(house: House) -> int:
    """Where the daemon listens, with the first certificate."""
    port = _free()
    _configure(house, port, house.directory)
    house.start()
    return port


def _configure(house: House, port: int, files: Path) -> None:
    files.mkdir(exist_ok=True)
    certificate(files)
    (house.directory / "tokens").write_text(f"me viewer {hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
    lines = {"certificate": files / "tls.crt", "private-key": files / "tls.key", "tokens": house.directory / "tokens"}
    words = "\n".join(f'{name} = "{path}"' for name, path in lines.items())
    house.configure(f'[api.tcp]\nlisten = "127.0.0.1:{port}"\n{words}')


def _connected(port: int, name: str = "127.0.0.1") -> http.client.HTTPSConnection:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    line = http.client.HTTPSConnection(name, port, context=context, timeout=30)
    # Whether this host knows its own name does not matter.
    line.sock = context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30), server_hostname=name)
    return line


def _shown(line: http.client.HTTPSConnection) -> bytes:
    assert isinstance(line.sock, ssl.SSLSocket)
    found = line.sock.getpeercert(binary_form=True)
    assert found
    return found


def _answers(line: http.client.HTTPSConnection) -> bool:
    line.request("GET", "/v1/version", headers={"Authorization": f"Bearer {TOKEN}"})
    answer = line.getresponse()
    answer.read()
    return answer.status == 200


def _in(directory: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert((directory / "tls.crt").read_text())


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_renewed_certificate_is_shown_from_the_reload_on(house: House, port: int, name: str) -> None:
    """By an address no name is asked for."""
    before = _connected(port, name)
    first = _shown(before)
    assert _answers(before)
    assert first == _in(house.directory)
    certificate(house.directory)
    unaware = _connected(port, name)
    assert _shown(unaware) == first, "before it is told nothing changes"

    house.send(signal.SIGHUP)
    house.until(lambda: house.events("config.loaded"))
    after = _connected(port, name)
    assert _shown(after) == _in(house.directory) != first
    assert _answers(after)
    assert _answers(before), "open connections go on"
    assert _answers(unaware)

    # Another pair of files, beside the other one.
    _configure(house, port, house.directory / "other")
    house.send(signal.SIGHUP)
    house.until(lambda: len(house.events("config.loaded")) == 2)
    last = _connected(port, name)
    assert _shown(last) == _in(house.directory / "other")
    assert house.events("config.restart") == []
    assert all(_answers(line) for line in (before, unaware, after, last))
    for line in (before, unaware, after, last):
        line.close()


def test_a_certificate_that_does_not_fit_changes_nothing(house: House, port: int) -> None:
    first = _in(house.directory)
    key = (house.directory / "tls.key").read_bytes()
    certificate(house.directory)
    (house.directory / "tls.key").write_bytes(key)
    house.send(signal.SIGHUP)
    house.until(lambda: house.events("config.refused"))
    line = _connected(port)
    assert _shown(line) == first
    assert _answers(line)
    line.close()
    (reason,) = house.ask("GET", "/v1/health")["reasons"]
    assert reason["code"] == "config"
    assert "api.tcp.certificate" in reason["message"]

    certificate(house.directory)
    house.send(signal.SIGHUP)
    house.until(lambda: house.events("config.loaded"))
    line = _connected(port)
    assert _shown(line) == _in(house.directory)
    line.close()
    assert house.ask("GET", "/v1/health")["health"] == "normal"
