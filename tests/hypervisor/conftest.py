"""Machines for tests: the kit's kernel with an init of our own, that says what it sees and then does what the test wants."""

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.hypervisor.stage import Stage, make_kernel
from tests.live.conftest import kit as kit
from understudy.demo.machine import KERNEL_LINE
from understudy.hypervisor.protocol import Host, RawImage
from understudy.hypervisor.qemu.driver import QemuHypervisor
from understudy.machine.definition import Disk, Kernel, MachineDefinition, Nic


@pytest.fixture
def root() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="us-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
async def stage(kit, root: Path) -> AsyncIterator[Stage]:
    stage = Stage(QemuHypervisor(root / "vms", lambda: [root, kit.kernel.parent]), root)
    yield stage
    for run in await stage.hypervisor.find():
        await stage.hypervisor.destroy(run)


@pytest.fixture
def define(kit, root: Path) -> Callable[..., tuple[MachineDefinition, Host]]:
    """A machine of one raw disk and one network card whose guest runs this script."""

    def make(script: str, **more: object) -> tuple[MachineDefinition, Host]:
        disk = root / f"{secrets.token_hex(4)}.raw"
        with disk.open("wb") as file:
            file.truncate(1 << 20)
        kernel = Kernel(image=str(kit.kernel), initrd=str(make_kernel(kit, root, script)), command_line=KERNEL_LINE)
        fields: dict[str, object] = {
            "name": "web1",
            "uuid": "00112233-4455-6677-8899-aabbccddeeff",
            "memory": 192 << 20,
            "kernel": kernel,
            "disks": (Disk(name="vda", serial="S-1"),),
            "nics": (Nic(name="nic0", mac="52:54:00:00:00:01"),),
        }
        definition = MachineDefinition(**(fields | more))
        return definition, Host({"vda": RawImage(disk)}, accelerator="tcg")

    return make
