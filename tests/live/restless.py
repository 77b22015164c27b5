"""A machine that much happens to: its disks as they are kept by whoever runs it, and what may be said to its QEMU."""

import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.live.followed import Followed
from tests.source.machine import MIB, Disk, Machine, make_image
from understudy.qemu.session import QmpRefused

KIB64 = 65536
LARGEST = 4 * MIB


class Impossible(Exception):
    """QEMU or a tool of its refuses what was wanted, or there is nothing to do it to. Another thing is done."""


@dataclass
class Slot:
    """A disk: its top image, those that it was laid on by snapshots, and how the VM has it."""

    name: str
    path: Path
    form: str
    thread: str = ""
    late: bool = False
    """Plugged in while the VM ran."""
    node: str = ""
    lower: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def device(self) -> str:
        """What qemu-io calls it."""
        return f"-d {self.name}" if self.late else f"-d /machine/peripheral/{self.name}/virtio-backend"

    def disk(self) -> Disk:
        """As QEMU's options."""
        file = f"driver=file,filename={self.path},node-name={self.node}-file,discard=unmap"
        image = f"driver={self.form},file={self.node}-file,node-name={self.node},discard=unmap"
        kind = "scsi-hd,bus=late.0" if self.late else "virtio-blk-pci" + self.thread
        return Disk(
            self.name,
            self.path,
            self.form,
            ["-blockdev", file, "-blockdev", image, "-device", f"{kind},drive={self.node},id={self.name}"],
            self.device,
        )


@dataclass
class Restless:
    """The machine, who follows it, and chance. `number`: makes names and contents that were never used before."""

    machine: Machine
    chance: random.Random
    followed: Followed = field(init=False)
    slots: list[Slot] = field(default_factory=list)
    number: int = 0
    unknown: bool = False
    """Whether points were made of which it is not known what the disks held."""

    @property
    def directory(self) -> Path:
        return self.machine.directory

    def another(self) -> int:
        self.number += 1
        return self.number

    def slot(self, *forms: str) -> Slot:
        return self.one([slot for slot in self.slots if not forms or slot.form in forms])

    def one(self, choices: Sequence[Any]) -> Any:
        if not choices:
            raise Impossible("there is none")
        return self.chance.choice(choices)

    def new(self, form: str, size: int, *, thread: str = "", late: bool = False) -> Slot:
        name = f"d{self.another()}"
        slot = Slot(name, make_image(self.directory / f"{name}.{form}", form, size), form, thread, late, f"{name}-node")
        self.slots.append(slot)
        return slot

    def fit(self) -> None:
        """Tell the machine what its disks are now."""
        self.machine.disks[:] = [slot.disk() for slot in self.slots]

    async def start(self) -> None:
        for slot in self.slots:
            if slot.node.startswith("#"):
                # QEMU's own name for what a commit left; an operator may not give such.
                slot.node = f"{slot.name}-again{self.another()}"
        self.fit()
        await self.machine.start()

    async def asked(self, command: str, **arguments: object) -> Any:
        """`Impossible` if QEMU refuses."""
        try:
            return await self.machine.execute(command, **arguments)
        except QmpRefused as error:
            raise Impossible(error.said) from None

    async def job(self, command: str, **arguments: object) -> None:
        """To its end; `Impossible` if it fails."""
        name = f"job{self.another()}"
        keeping = {"auto_dismiss": False} if command.startswith("block") else {}
        await self.asked(command, job_id=name, **keeping, **arguments)
        found: dict[str, Any] = {}

        async def over() -> bool:
            jobs = await self.machine.execute("query-jobs")
            assert isinstance(jobs, list)
            found.update(next(job for job in jobs if job["id"] == name))
            if found["status"] == "ready":
                await self.machine.execute("job-complete", id=name)
            return bool(found["status"] == "concluded")

        await self.machine.until(over)
        await self.machine.execute("job-dismiss", id=name)
        if "error" in found:
            raise Impossible(found["error"])

    async def nodes(self) -> list[dict[str, Any]]:
        found = await self.machine.execute("query-named-block-nodes", flat=True)
        assert isinstance(found, list)
        return found

    async def size(self, slot: Slot) -> int:
        return next(node["image"]["virtual-size"] for node in await self.nodes() if node["node-name"] == slot.node)

    def tool(self, *words: str | Path) -> str:
        done = subprocess.run([str(word) for word in words], check=False, capture_output=True, text=True)
        if done.returncode:
            raise Impossible((done.stderr + done.stdout).strip())
        return done.stdout

    def noise(self, length: int) -> Path:
        path = self.directory / "noise"
        path.write_bytes(self.chance.randbytes(length))
        return path

    def range(self, size: int) -> tuple[int, int]:
        """Some sectors of a disk: offset and length."""
        first = self.chance.randrange(size // 512)
        return first * 512, min(self.chance.choice([1, 8, 128, 200, 512]), size // 512 - first) * 512

    def touches(self, size: int) -> list[str]:
        """A few qemu-io commands that change something."""
        said = []
        for _ in range(self.chance.randint(1, 4)):
            offset, length = self.range(size)
            kind = self.chance.choice(["write -P {value}", "write -P {value}", "write -z", "write -z -u", "discard"])
            said.append(f"{kind.format(value=self.chance.randrange(256))} {offset} {length}")
        offset, length = self.range(size)
        return [*said, f"write -s {self.noise(length)} {offset} {length}"]

    async def touch(self, slot: Slot) -> None:
        """What a guest does to a disk."""
        for command in self.touches(await self.size(slot)):
            await self.machine.io(slot.name, command)
