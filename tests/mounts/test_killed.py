"""SIGKILL before steps of a mount and of an unmount: said again, it is whole; unmounted, it is gone."""

import asyncio
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.installed import Host
from tests.mounts import dying
from tests.mounts.conftest import nothing_is_left, of
from understudy import engine
from understudy.errors import NotFound

STRIDE = 2
"""Every other step, so that the suite stays short; 1 for all of them."""
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.mounts.dying"])


def attempt(work: Callable[..., None], *arguments: Any) -> bool:
    """In a process of its own; whether it came to its end."""
    process = CONTEXT.Process(target=work, args=arguments)
    process.start()
    process.join()
    assert process.exitcode in (0, -9)
    return process.exitcode == 0


def test_at_every_step(host: Host) -> None:
    """The export serves all the time, but for the last part."""
    point = host.json("points", "web")["points"][0]
    export, state = host.json("export", "web", "--name", "look.mount"), host.directory / "state"
    here, mounts = host.directory / "here", dying.mounts_in(str(state), host.vault.as_uri())
    alone, file = of(host), here / "vdb" / "files" / "etc" / "nginx.conf"
    request = engine.StartMount(
        name="look",
        machine=export["machine_id"],
        title="web",
        point=point["id"],
        number=point["number"],
        frozen_at=point["frozen_at"],
        directory=str(here),
        disks=("vdb",),
    )

    def unmounted() -> None:
        try:
            asyncio.run(mounts.stop("look"))
        except NotFound:
            assert not here.exists()
        assert of(host) == alone
        assert not here.exists()
        assert not (state / "mounts" / "look").exists()

    steps = 1 - STRIDE
    while not attempt(dying.mount, str(state), host.vault.as_uri(), request, steps := steps + STRIDE):
        if steps % 4 == 1:
            asyncio.run(mounts.start(request))
            assert file.read_text() == "newest\n"
        unmounted()
    assert steps > 10
    steps = 1 - STRIDE
    while not attempt(dying.unmount, str(state), host.vault.as_uri(), "look", steps := steps + STRIDE):
        if steps % 4 == 1:
            unmounted()
        if not here.exists():
            asyncio.run(mounts.start(request))
    assert steps > 10
    unmounted()
    host.run("unexport", "look.mount")
    killed_while_its_export_begins(host)


def killed_while_its_export_begins(host: Host) -> None:
    """It goes on by itself, and is taken over; what has no file system is there as it is."""
    assert not attempt(dying.export_begins, host.environment(), ("mount", "web", "--disk", "vdc", "--name", "last"))
    assert host.json("mounts")[0]["why"] == "it was not finished"
    mount = host.json("mount", "web", "--disk", "vdc", "--name", "last", expect=1)
    assert Path(mount["disks"][0]["raw"]).stat().st_size == 1 << 20
    assert "vda, vdb, vdc" in host.run("mount", "web", "--disk", "sda", expect=2).stderr
    assert "not empty" in host.run("mount", "web", str(host.directory), expect=2).stderr
    open_to_all = host.directory / "all"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    assert "others may write" in host.run("mount", "web", str(open_to_all), expect=2).stderr
    assert "vault" in host.run("mount", "web", str(host.vault / "here"), expect=2).stderr
    host.run("unmount", "last")
    nothing_is_left(host)
