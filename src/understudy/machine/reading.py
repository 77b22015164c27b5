"""Definitions in and out of a point's JSON and an operator's TOML. Nothing comes in unjudged."""

from collections import Counter
from typing import Any

import msgspec

from understudy.errors import InvalidRequest
from understudy.machine.definition import MachineDefinition
from understudy.machine.extra import objections
from understudy.model import Definition

KEY = "start"
"""Where in a point's definition the machine's is."""


def judged(definition: MachineDefinition) -> MachineDefinition:
    """The same. `InvalidRequest` names everything in it that contradicts itself or may not be."""
    found = objections(definition.extra)
    names = Counter(
        [*(one.name for one in definition.controllers), *(disk.name for disk in definition.disks), *(nic.name for nic in definition.nics)]
    )
    found += [f"two parts have the name {name!r}" for name, count in names.items() if count > 1]
    macs = Counter(nic.mac for nic in definition.nics)
    found += [f"two network cards have the address {mac}" for mac, count in macs.items() if count > 1]
    found += [f"the network card {nic.name!r} has a multicast address" for nic in definition.nics if int(nic.mac[:2], 16) & 1]
    places = Counter((bus, address) for bus, address in _places(definition) if address)
    found += [f"two devices are at {address} of {bus or 'the first bus'}" for (bus, address), count in places.items() if count > 1]
    orders = Counter(boot for boot in [*(disk.boot for disk in definition.disks), *(nic.boot for nic in definition.nics)] if boot >= 0)
    found += [f"two devices are number {boot} in the boot order" for boot, count in orders.items() if count > 1]
    for disk in definition.disks:
        if disk.sector & (disk.sector - 1) or disk.physical_sector & (disk.physical_sector - 1) or disk.physical_sector < disk.sector:
            found.append(f"disk {disk.name!r}: sectors are powers of two, and the physical ones no smaller")
        if disk.bus in ("sata", "ide") and disk.sector != 512:
            found.append(f"disk {disk.name!r}: on {disk.bus} a sector has 512 bytes")
        if len(disk.serial) > (longest := 36 if disk.bus == "virtio-scsi" else 20):
            found.append(f"disk {disk.name!r}: on {disk.bus} a serial number has at most {longest} characters")
    if definition.firmware.kind == "uefi" and not (definition.firmware.code and definition.firmware.variables):
        found.append("UEFI needs firmware.code and firmware.variables, the paths of its two images")
    if found:
        raise InvalidRequest(f"the definition of {definition.name!r} cannot be used: {'; '.join(found)}", hint="correct the definition")
    return definition


def of_point(recorded: Definition, machine: str = "MACHINE") -> MachineDefinition:
    """From what a point of `machine`, as commands know it, carries. `InvalidRequest` if it cannot be started from it."""
    hint = f"give one: understudy definition set {machine} FILE"
    if KEY not in recorded:
        words = f"this point does not say what its machine is made of (its source is {recorded.get('kind', 'unknown')!r})"
        raise InvalidRequest(words, hint=hint)
    try:
        return judged(msgspec.convert(recorded[KEY], MachineDefinition))
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"this point's definition cannot be read here: {error}", hint=hint) from None


def as_recorded(definition: MachineDefinition) -> Definition:
    """JSON values that `of_point` reads under its key."""
    values: dict[str, Any] = msgspec.to_builtins(definition)
    return values


def from_toml(text: str, machine: str = "MACHINE") -> MachineDefinition:
    """From an operator's file for `machine`, as commands know it."""
    try:
        return judged(msgspec.toml.decode(text, type=MachineDefinition))
    except msgspec.DecodeError as error:
        hint = f"understudy definition show {machine} prints one to begin with"
        raise InvalidRequest(f"the definition cannot be read: {error}", hint=hint) from None


def to_toml(definition: MachineDefinition) -> str:
    """What `from_toml` reads, with what is not the default."""
    return msgspec.toml.encode(definition).decode()


def _places(definition: MachineDefinition) -> list[tuple[str, str]]:
    found = [(controller.bus, controller.address) for controller in definition.controllers]
    found += [(disk.controller, disk.address) for disk in definition.disks if disk.bus == "virtio-blk"]
    return found + [(nic.bus, nic.address) for nic in definition.nics]
