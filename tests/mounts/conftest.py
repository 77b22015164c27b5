"""A host with a machine of several disks, of which there is a point."""

import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.installed import Host
from tests.mounts import images
from understudy.mounts.loop import loops_on
from understudy.mounts.processes import everyone
from understudy.mounts.table import mounted_below

# Only root can mount anything.
collect_ignore = [] if os.geteuid() == 0 else ["test_mount.py", "test_killed.py"]


@pytest.fixture
def host() -> Iterator[Host]:
    """Under a short path: a socket's may have 107 bytes."""
    directory = Path(tempfile.mkdtemp(prefix="us-"))
    made = Host(directory, directory / "vault", directory / "key")
    made.run("vault", "create", made.vault.as_uri())
    parts = [directory / name for name in ("root", "boot", "secret", "volumes")]
    for make, path in zip((images.dirty_ext4, images.fat, images.luks, images.physical_volume), parts, strict=True):
        make(path)
    images.partitioned(directory / "vda.img", *parts)
    (directory / "vdc.img").write_bytes(bytes(images.MIB))
    disks = {"vda": "vda.img", "vdb": "root", "vdc": "vdc.img"}
    made.run("protect", "web", *(word for name, file in disks.items() for word in ("--disk", f"{name}={directory}/{file}")))
    made.run("replicate", "web")
    yield made
    for mount in made.json("mounts"):
        made.run("unmount", mount["name"])
    for export in made.json("exports"):
        made.run("unexport", export["name"])
    shutil.rmtree(directory)


def of(host: Host) -> list[Any]:
    """Mounts, loop devices and processes of this host. An export's process is told by its log."""
    directory, found = str(host.directory), []
    for pid in everyone():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            log = os.readlink(f"/proc/{pid}/fd/2")
        except OSError:
            continue
        if directory in words or log.startswith(directory):
            found.append(log)
    return [*found, *mounted_below(directory), *loops_on(directory)]


def nothing_is_left(host: Host) -> None:
    until = time.monotonic() + 30
    while left := of(host):
        # An export that has let go of everything is still a process for a moment.
        assert time.monotonic() < until, left
        time.sleep(0.02)
    assert host.json("mounts") == host.json("exports") == host.json("hold", "list", "web") == []
    for name in ("mounts", "exports"):
        assert not list((host.directory / "state" / name).glob("*"))
    assert not (host.directory / "here").exists()


def kill(pid: int) -> None:
    """SIGKILL; the process is gone when this returns."""
    process = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([process], [], [], 30)[0]
    os.close(process)
