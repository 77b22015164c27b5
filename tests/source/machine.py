"""A real QEMU without a guest: disks are written from outside, through the same block layer, as a guest's device would."""

import asyncio
import contextlib
import shlex
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.source.conformance import Contents
from understudy.errors import SourceUnavailable
from understudy.model import Bytes
from understudy.qemu.session import QmpSession
from understudy.source.qemu import QemuSource
from understudy.source.qemu_method import BREAK_SNAPSHOT, FLEECING, PUSH, SNAPSHOT_ACCESS, Wanted

MACHINE = "0123456789abcdef0123456789abcdef"
MIB = 1 << 20


def _version() -> tuple[int, ...]:
    said = subprocess.run(["qemu-system-x86_64", "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(map(int, said.split()[3].split(".")))


METHODS = [FLEECING, PUSH] + ([BREAK_SNAPSHOT] if _version() >= SNAPSHOT_ACCESS else [])
"""Those that this QEMU can serve by."""


@dataclass(slots=True)
class Disk:
    """A disk image and the QEMU options that attach it to a device; `device`: how qemu-io names that."""

    name: str
    path: Path
    form: str
    options: list[str]
    device: str


@dataclass(slots=True)
class Machine:
    """Two QMP sockets: one for whoever replicates, one for the test."""

    directory: Path
    disks: list[Disk]
    options: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    control: QmpSession | None = None
    wanted: Wanted = field(default_factory=Wanted)
    below: dict[str, Path] = field(default_factory=dict)
    """By disk: its image under the overlay of a snapshot."""
    tracks: bool = True
    shared: bool = True

    @property
    def partial(self) -> bool:
        return self.wanted.method == PUSH

    @property
    def qmp(self) -> str:
        return f"{self.directory}/qmp"

    @property
    def state(self) -> Path:
        return self.directory / "state"

    async def start(self) -> None:
        command = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-m", "16", "-nodefaults", "-display", "none", "-S"]
        for name in ("qmp", "control"):
            command += ["-qmp", f"unix:{self.directory}/{name},server=on,wait=off"]
        command += self.options + [option for disk in self.disks for option in disk.options]
        self.process = await asyncio.to_thread(subprocess.Popen, command, stdin=subprocess.DEVNULL)
        for _ in range(500):
            with contextlib.suppress(Exception):
                self.control = await QmpSession.connect(f"{self.directory}/control")
                return
            assert self.process.poll() is None, shlex.join(command)
            await asyncio.sleep(0.01)
        raise AssertionError("QEMU did not start")

    async def quit(self) -> None:
        """An orderly end, to its end."""
        with contextlib.suppress(SourceUnavailable):
            await self.execute("quit")
        assert self.process is not None
        await asyncio.to_thread(self.process.wait)
        await self.kill()

    async def snapshot(self, name: str) -> None:
        """From now on the device writes to an overlay."""
        file = f"{self.directory}/{name}.over"
        await self.execute("blockdev-snapshot-sync", node_name=f"{name}-format", snapshot_file=file, snapshot_node_name=f"{name}-over")
        disk = next(disk for disk in self.disks if disk.name == name)
        self.below[name], disk.path = disk.path, Path(file)

    async def commit(self, name: str) -> None:
        """Write the overlay back, and to the image below it again."""

        async def ready() -> bool:
            jobs = await self.execute("query-jobs")
            assert isinstance(jobs, list)
            return any(job["id"] == "commit" and job["status"] == "ready" for job in jobs)

        async def over() -> bool:
            return await self.execute("query-jobs") == []

        await self.execute("block-commit", job_id="commit", device=f"{name}-over")
        await self.until(ready)
        await self.execute("block-job-complete", device="commit")
        await self.until(over)
        next(disk for disk in self.disks if disk.name == name).path = self.below.pop(name)

    async def kill(self) -> None:
        if self.control is not None:
            await self.control.close()
        if self.process is not None:
            self.process.kill()
            await asyncio.to_thread(self.process.wait)
        self.process = None

    async def execute(self, command: str, **arguments: object) -> object:
        assert self.control is not None
        return await self.control.execute(command, {name.replace("_", "-"): value for name, value in arguments.items()})

    async def io(self, name: str, command: str) -> None:
        """A qemu-io command on the device's own backend."""
        disk = next(disk for disk in self.disks if disk.name == name)
        said = await self.execute("human-monitor-command", command_line=f'qemu-io {disk.device} "{command}"')
        assert isinstance(said, str)
        assert not said or "bytes at offset" in said, said

    async def until(self, what: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(6000):
            if await what():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it does not happen")

    async def write(self, disk: str, offset: int, length: int, value: int) -> None:
        await self.io(disk, f"write -P {value} {offset} {length}")

    async def contents(self) -> Contents:
        found: Contents = {}
        for disk in self.disks:
            await self.io(disk.name, "flush")
            found[disk.name] = await asyncio.to_thread(read_image, disk)
        return found

    def source(self) -> QemuSource:
        return QemuSource(MACHINE, self.qmp, self.state, wanted=self.wanted)

    async def leftovers(self, *, lasting: bool = True) -> list[str]:
        """What of ours is in this QEMU or on its host; `lasting`: with what outlives QEMU in images."""
        nodes = await self.execute("query-named-block-nodes", flat=True)
        jobs = await self.execute("query-jobs")
        exports = await self.execute("query-block-exports")
        assert isinstance(nodes, list)
        assert isinstance(jobs, list)
        assert isinstance(exports, list)
        found = [node["node-name"] for node in nodes if node["node-name"].startswith("us-")]
        found += [
            f"{node['node-name']}:{bitmap['name']}"
            for node in nodes
            for bitmap in node.get("dirty-bitmaps", ())
            if bitmap.get("name", "").startswith("understudy-")
        ]
        found += [entry["id"] for entry in jobs + exports]
        with contextlib.suppress(Exception):
            await self.execute("nbd-server-stop")
            found.append("NBD server")
        if self.state.exists():
            found += [str(path) for path in self.state.rglob("*")]
        return [name for name in found if lasting or "understudy-kept-" not in name]


def read_image(disk: Disk) -> Bytes:
    if disk.form == "raw":
        content = np.fromfile(disk.path, np.uint8)
        # QEMU shows an image in whole sectors.
        return np.concatenate([content, np.zeros(-len(content) % 512, np.uint8)])
    with tempfile.NamedTemporaryFile(dir=disk.path.parent) as copy:
        subprocess.run(["qemu-img", "convert", "-U", "-f", disk.form, "-O", "raw", str(disk.path), copy.name], check=True)
        return np.fromfile(copy.name, np.uint8)


def make_image(path: Path, form: str, size: int) -> Path:
    if form == "raw":
        with path.open("wb") as out:
            out.truncate(size)
    else:
        subprocess.run(["qemu-img", "create", "-q", "-f", form, str(path), str(size)], check=True)
    return path


def blockdev(directory: Path, name: str, form: str, size: int, *, sector: int = 512, device: str = "", above: str = "") -> Disk:
    """-blockdev and -device with an id; `above`: a filter's options, `{}` for the node below it."""
    path = make_image(directory / f"{name}.{form}", form, size)
    options = ["-blockdev", f"driver=file,filename={path},node-name={name}-file,discard=unmap"]
    options += ["-blockdev", f"driver={form},file={name}-file,node-name={name}-format,discard=unmap"]
    node = f"{name}-format"
    if above:
        options += ["-blockdev", f"{above.format(node)},node-name={name}-top"]
        node = f"{name}-top"
    options += ["-device", f"{device or 'virtio-blk-pci'},drive={node},id={name},logical_block_size={sector},physical_block_size={sector}"]
    scsi = device.startswith("scsi")
    return Disk(name, path, form, options, f"-d {name}" if scsi else f"-d /machine/peripheral/{name}/virtio-backend")


def drive(directory: Path, name: str, form: str, size: int, interface: str = "none") -> Disk:
    """-drive, whose nodes QEMU names by itself."""
    path = make_image(directory / f"{name}.{form}", form, size)
    options = ["-drive", f"file={path},format={form},if={interface},id={name},discard=unmap"]
    if interface == "none":
        options += ["-device", f"virtio-blk-pci,drive={name}"]
    return Disk(name, path, form, options, name)
