"""Single files of a point, as an operator gets them back: real exports, real file systems, kill −9."""

import errno
import os
import shlex
import subprocess
from pathlib import Path
from typing import Never

import click
import pytest

from tests.cli.installed import Host
from tests.mounts.conftest import kill, nothing_is_left
from tests.mounts.images import run
from understudy import engine
from understudy.cli.completing import mount_names
from understudy.errors import InvalidRequest
from understudy.mounts.mounts import Exports, Mounts
from understudy.mounts.overlaid import command
from understudy.mounts.processes import running
from understudy.mounts.record import Record, places_of, write


def kernel_knows(kind: str) -> bool:
    return kind in Path("/proc/filesystems").read_text().split()


def end_process_of(host: Host, name: str) -> None:
    places = places_of(host.directory / "state", name)
    (pid,) = running(command(places), places.log)
    kill(pid)


def test_the_files_of_every_disk_are_there_come_back_and_go(host: Host) -> None:
    here = host.directory / "here"
    mount = host.json("mount", "web", str(here))
    volumes = {(volume["disk"], volume["partition"]): volume for volume in mount["volumes"]}
    assert [(*place, volume["kind"]) for place, volume in volumes.items()] == [
        ("vda", 1, "ext4"),
        ("vda", 2, "vfat"),
        ("vda", 3, "crypto_LUKS"),
        ("vda", 4, "LVM2_member"),
        ("vdb", 0, "ext4"),
        ("vdc", 0, ""),
    ]
    assert volumes["vda", 1]["label"] == "root"
    for files in (here / "vda" / "p1", here / "vdb" / "files"):
        # It was in the journal alone.
        assert (files / "etc" / "nginx.conf").read_text() == "newest\n"
        with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
            (files / "etc" / "nginx.conf").write_text("changed")
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            (files / "etc" / "link").read_text()
    vfat = volumes["vda", 2]
    if kernel_knows("vfat"):
        assert (Path(vfat["path"]) / "boot.txt").read_text() == "boot\n"
    else:
        assert "kernel does not know" in vfat["note"]
        assert "modprobe vfat" in vfat["hint"]
    assert "cryptsetup" in volumes["vda", 3]["hint"]
    # By what is said of it the physical volume becomes a device, which can be written to.
    words = volumes["vda", 4]["hint"].partition("losetup ")[2].partition(";")[0].split()
    device = run("losetup", *words).strip()
    assert run("blkid", "--probe", "--match-tag", "TYPE", "--output", "value", device).strip() == "LVM2_member"
    Path(device).open("r+b").close()
    assert f"{device} on {here}/vda/disk.raw" in host.run("unmount", str(here), expect=4).stderr
    run("losetup", "--detach", device)
    with subprocess.Popen(["sleep", "60"], cwd=here / "vda" / "p1" / "etc") as user:
        assert f"process {user.pid} (sleep) by its working directory" in host.run("unmount", str(here), expect=4).stderr
        user.kill()
    assert "already" in host.run("mount", "web", str(here), expect=4).stderr
    assert "another name" in host.run("mount", "web", expect=4).stderr

    with (here / "vdb" / "files" / "etc" / "nginx.conf").open() as used:
        kill(host.json("exports")[0]["pid"])
        shown = host.json("mounts")[0]
        assert (shown["state"], shown["why"]) == ("broken", "its export has ended")
        host.run("mount", "web", str(here))
        assert (here / "vdb" / "files" / "etc" / "old").read_text() == "old\n" * 5000
        assert used.read() == "newest\n"
        end_process_of(host, "web-3")
        assert host.json("mounts")[0]["why"] == "its process has ended"
        assert f"process {os.getpid()}" in host.run("mount", "web", str(here), expect=4).stderr
    host.run("mount", "web", str(here))
    assert (here / "vda" / "p1" / "etc" / "nginx.conf").read_text() == "newest\n"

    typed = click.Context(click.Command("unmount"))
    typed.params["state_dir"] = str(host.directory / "state")
    assert mount_names(typed, click.Argument(["which"]), "we") == ["web-3"]
    assert mount_names(typed, click.Argument(["which"]), "db") == []
    (here / "vdb" / "mine").write_text("the operator's")
    assert host.json("unmount", "web-3")["left"] == [str(here / "vdb")]
    assert (here / "vdb" / "mine").read_text() == "the operator's"
    (here / "vdb" / "mine").unlink()
    (here / "vdb").rmdir()
    here.rmdir()
    without_its_vault(host)
    nothing_is_left(host)


def without_its_vault(host: Host) -> None:
    """What is shown goes at once; what the vault holds for it is asked for as long as there may be one."""
    host.run("mount", "web", "--disk", "vdc", "--name", "left", expect=1)
    away = host.vault.rename(host.directory / "away")
    assert "unmount left --forget" in host.run("unmount", "left", expect=10).stderr
    host.run("unmount", "left", "--forget")
    away.rename(host.vault)
    (hold,) = host.json("hold", "list", "web")
    host.run("hold", "remove", "web", hold["id"])


async def test_a_vault_that_is_to_be_named_can_be_typed(tmp_path: Path) -> None:
    """A shell takes the & of an address for something else."""

    async def never(asked: object) -> Never:
        raise AssertionError(asked)

    url = "s3://bucket/x?endpoint=https://s3.example&credentials=/etc/s3.toml"
    mount = engine.Mount(
        name="web-3",
        vault=url,
        machine="web",
        machine_id="1",
        point="2",
        number=3,
        frozen_at=4,
        directory=f"{tmp_path}/at",
        export="web-3.mount",
        state="mounted",
    )
    write(places_of(tmp_path, "web-3"), Record(mount=mount, only=(), made=True, whole=True))
    with pytest.raises(InvalidRequest) as caught:
        await Mounts(tmp_path, "file:///other", None, Exports(never, never, never)).stop("web-3")
    assert caught.value.hint == f"name that one: --vault {shlex.quote(url)}"
