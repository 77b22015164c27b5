"""Where the vault of two sites is: in a directory of both, at a real server of objects, or at site b, which serves it to site a."""

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from typing import Literal, TypeAlias, cast

from tests.daemon.house import House
from tests.store.servers import azurite, s3_server

Kind: TypeAlias = Literal["file", "s3", "az", "peer"]
NETWORKS = '[[networks]]\nsource = "*"\ntarget = "none"\n'
"""At site b: whatever a network card was joined to, it is joined to nothing there."""


def chosen(kind: Kind) -> Kind:
    """`kind`, unless all tests shall have one and the same: UNDERSTUDY_TEST_VAULT."""
    return cast(Kind, os.environ.get("UNDERSTUDY_TEST_VAULT", kind))


@contextlib.contextmanager
def vault_of(kind: Kind, a: House, b: House, listen: str = "") -> Iterator[str]:
    """Both sites are configured, and b runs; an address at which nothing answers, for a site that is to lose sight of the vault.

    `listen`: where b listens for site a, if they have networks of their own.
    """
    assert b.shared is not None
    with contextlib.ExitStack() as stack:
        away = (b.shared / "elsewhere").as_uri()
        if kind in ("s3", "az"):
            server = stack.enter_context((s3_server if kind == "s3" else azurite)(b.shared))
            a.address = b.address = server.address("two-sites", b.shared, "of-both")
            away = a.address.replace(f":{server.port}", ":1")
        b.create()
        listen = listen or f"127.0.0.1:{_free_port()}"
        b.configure(NETWORKS + f'[peers]\nlisten = "{listen}"\n' * (kind == "peer"))
        b.start()
        if kind == "peer":
            b.until(lambda: b.events("peers.served"))
            a.address = _joined(a, b)
            away = a.address.replace(listen, f"{listen.rpartition(':')[0]}:1")
        a.configure()
        yield away


def _joined(a: House, b: House) -> str:
    """How site a names the vault that b serves."""
    invited = _said(*b.command, "peer", "invite", "a", "--config", str(b.config), "--json")
    return str(
        json.loads(_said(*a.command, "peer", "join", json.loads(invited)["key"], "--state-dir", f"{a.directory}/state", "--json"))["url"]
    )


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True).stdout


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
