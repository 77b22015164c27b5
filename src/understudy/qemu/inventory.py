"""What is plugged into a running QEMU and where, as its object model tells."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from understudy.qemu.session import QmpRefused, QmpSession

_CHILD = re.compile(r"child<(.+)>")
_CONTAINERS = ("/machine/peripheral", "/machine/peripheral-anon")
_UNATTACHED = "/machine/unattached"
_BY_SHORT_OPTIONS = frozenset(
    ("virtio-net-pci", "e1000", "e1000e", "rtl8139", "vmxnet3", "VGA", "virtio-vga", "qxl-vga", "cirrus-vga", "ide-hd", "ide-cd", "floppy")
)
"""What -nic, -vga, -hda and their defaults plug in, where the machine's own parts are."""
_WANTED = frozenset(
    (
        *("mac", "netdev", "addr", "parent_bus", "bootindex", "serial", "wwn", "scsi-id", "lun", "unit", "chassis", "port"),
        *("multifunction", "logical_block_size", "physical_block_size", "name"),
    )
)


@dataclass(frozen=True, slots=True)
class Device:
    """One device: its path, its model, and those of its properties that a definition is made of."""

    path: str
    model: str
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """As it was named when it was plugged in; empty if it was not."""
        container, _, name = self.path.rpartition("/")
        return name if container == _CONTAINERS[0] else ""

    @property
    def bus(self) -> str:
        """The name of the bus that it is on: `pcie.0`, `pci.1`, `scsi0.0`."""
        return str(self.properties.get("parent_bus") or "").rpartition("/")[2]

    @property
    def bus_owner(self) -> str:
        """The path of the device whose bus that is."""
        return str(self.properties.get("parent_bus") or "").rpartition("/")[0]

    @property
    def address(self) -> str:
        """Slot and function, as `03.0`; empty if it is on no PCI bus."""
        number = self.properties.get("addr")
        return f"{number >> 3:02x}.{number & 7}" if isinstance(number, int) and number >= 0 else ""


async def inventory(session: QmpSession) -> list[Device]:
    """All that was plugged in, in QEMU's order of names. Changes nothing."""
    found = []
    for container in (*_CONTAINERS, _UNATTACHED):
        for entry in await session.execute("qom-list", {"path": container}):
            model = _CHILD.fullmatch(entry["type"])
            if model and (container != _UNATTACHED or model[1] in _BY_SHORT_OPTIONS):
                found.append((f"{container}/{entry['name']}", model[1]))
    # Its own order is that of a hash table.
    found.sort(key=lambda pair: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", pair[0])])
    return list(await asyncio.gather(*(_device(session, path, model) for path, model in found)))


async def unplugged(session: QmpSession, model: str) -> int:
    """How many devices of this model the machine itself brought along or -serial and the like made."""
    entries = await session.execute("qom-list", {"path": _UNATTACHED})
    return sum(entry["type"] == f"child<{model}>" for entry in entries)


async def property_of(session: QmpSession, path: str, name: str) -> Any:
    """None where the object has no such property."""
    try:
        return await session.execute("qom-get", {"path": path, "property": name})
    except QmpRefused:
        return None


async def _device(session: QmpSession, path: str, model: str) -> Device:
    listed = {entry["name"] for entry in await session.execute("qom-list", {"path": path})} & _WANTED
    names = sorted(listed)
    values = await asyncio.gather(*(property_of(session, path, name) for name in names))
    return Device(path, model, dict(zip(names, values, strict=True)))
