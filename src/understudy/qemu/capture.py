"""A definition from a running machine: what QMP tells, what its process's command line adds, and plainly what neither does."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import msgspec

from understudy.errors import InvalidRequest
from understudy.machine.definition import (
    Controller,
    ControllerModel,
    Cpu,
    Disk,
    DiskBus,
    Firmware,
    Kernel,
    MachineDefinition,
    Nic,
    NicModel,
    Video,
)
from understudy.machine.extra import objections
from understudy.machine.reading import judged
from understudy.qemu.command_line import command_line, properties, values_of
from understudy.qemu.inventory import Device, inventory, property_of, unplugged
from understudy.qemu.networks import networks_of
from understudy.qemu.session import QmpSession

AGENT_PORT = "org.qemu.guest_agent.0"
CORRECT = "see understudy definition set"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_BUSES: dict[str, DiskBus] = {"virtio-blk-pci": "virtio-blk", "scsi-hd": "virtio-scsi", "ide-hd": "ide"}
_HARMLESS = ("-boot", "-global", "-rtc", "-smbios")


@dataclass(slots=True)
class _Findings:
    """While one is made: its devices, the command line if it could be seen, and what is not known."""

    session: QmpSession
    devices: Sequence[Device]
    words: list[str] | None
    unknown: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    """Paths of devices that found their place."""

    def miss(self, what: str) -> None:
        self.unknown.append(f"unknown: {what}")

    def at(self, path: str) -> Device | None:
        """The device at this path, or the one that contains what is."""
        return next((device for device in self.devices if path == device.path or path.startswith(device.path + "/")), None)


@dataclass(frozen=True, slots=True)
class Followed:
    """A disk under its name in the points, its device's path, and the bytes of its sectors."""

    name: str
    device: str
    sector: int


async def capture(session: QmpSession, disks: Sequence[Followed]) -> MachineDefinition:
    """Changes nothing. `InvalidRequest` if what is found cannot be a definition."""
    found = _Findings(session, await inventory(session), command_line(session.peer))
    if found.words is None:
        found.miss("processor flags and firmware files, since the VM's process cannot be seen from here; add them to the definition")
    machine = await property_of(session, "/machine", "type") or ""
    controllers = _controllers(found)
    kept = {controller.name for controller in controllers}
    captured_disks = tuple([await _disk(found, disk, kept) for disk in disks])
    nics = await _nics(found, kept)
    agent, agent_bus = _agent(found, kept)
    video = _video(found)
    extra = await _extra(found)
    memory = await session.execute("query-memory-size-summary")
    fields: dict[str, Any] = {
        "name": (await session.execute("query-name")).get("name") or "machine",
        "uuid": (await session.execute("query-uuid"))["UUID"],
        "architecture": (await session.execute("query-target"))["arch"],
        "machine": machine.removesuffix("-machine"),
        "memory": memory["base-memory"] + memory.get("plugged-memory", 0),
        "cpu": await _processor(found),
        "firmware": await _firmware(found),
        "kernel": await _kernel(found),
        "controllers": controllers,
        "disks": captured_disks,
        "nics": nics,
        "video": video,
        "serial": await unplugged(session, "isa-serial") + sum(device.model == "isa-serial" for device in found.devices) > 0,
        "agent": agent,
        "agent_bus": agent_bus,
        "extra": extra,
    }
    if memory.get("plugged-memory"):
        found.miss("memory that was plugged in is given from the start; nothing to do unless the guest minds")
    _rest(found)
    fields["unknown"] = tuple(_plain(words) for words in found.unknown)
    try:
        return judged(msgspec.convert(msgspec.to_builtins(fields), MachineDefinition))
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"this VM cannot be described: {error}", hint="give a definition by hand: understudy definition set") from None


def _controllers(found: _Findings) -> tuple[Controller, ...]:
    made = []
    for device in found.devices:
        if device.model not in get_args(ControllerModel):
            continue
        # Another device names it by its id, or there was none.
        if not _NAME.fullmatch(device.id):
            continue
        found.used.add(device.path)
        made.append(
            Controller(
                name=device.id,
                model=msgspec.convert(device.model, ControllerModel),
                bus=_bus(device),
                address=device.address,
                multifunction=bool(device.properties.get("multifunction")) and device.model == "pcie-root-port",
                chassis=int(device.properties.get("chassis") or 0),
                port=int(device.properties.get("port") or 0),
            )
        )
    return tuple(made)


async def _disk(found: _Findings, disk: Followed, controllers: set[str]) -> Disk:
    device = found.at(disk.device)
    model = device.model if device is not None else ""
    bus = _BUSES.get(model)
    if device is None or bus is None:
        found.miss(f"disk {disk.name} is on {model or 'a device'} that cannot be started here: it is put on virtio-blk; {CORRECT}")
        return Disk(name=disk.name, sector=disk.sector, physical_sector=disk.sector)
    found.used.add(device.path)
    told = device.properties
    boot = told.get("bootindex")
    physical = told.get("physical_block_size") or disk.sector
    unit, lun, controller, address = -1, 0, "", ""
    if bus == "virtio-blk":
        controller, address = _place(found, device, controllers)
    elif bus == "virtio-scsi":
        owner = found.at(device.bus_owner)
        if owner is not None and owner.model != "virtio-scsi-pci":
            found.miss(f"disk {disk.name} was on a {owner.model}: it is put on a virtio-scsi-pci; {CORRECT}")
        elif owner is not None:
            controller = owner.id if owner.id in controllers else ""
            found.used.add(owner.path)
        unit, lun = int(told.get("scsi-id", -1)), int(told.get("lun") or 0)
    else:
        controller = device.bus
        unit = int(told.get("unit", -1))
        bus = "sata" if "ahci" in str(await property_of(found.session, device.bus_owner, "type")) else "ide"
        owner = found.at(device.bus_owner)
        if owner is not None:
            found.miss(f"disk {disk.name} was on a {owner.model}: it is put on the machine's own controller; {CORRECT}")
            controller, unit = "", -1
    return Disk(
        name=disk.name,
        bus=bus,
        sector=disk.sector,
        physical_sector=max(int(physical), disk.sector),
        serial=str(told.get("serial") or ""),
        wwn=int(told.get("wwn") or 0),
        boot=boot if isinstance(boot, int) and boot >= 0 else -1,
        controller=controller,
        address=address,
        unit=unit if unit < 1 << 31 else -1,
        lun=min(lun, 4096) if unit >= 0 else 0,
    )


async def _nics(found: _Findings, controllers: set[str]) -> tuple[Nic, ...]:
    networks = await networks_of(found.session)
    made: list[Nic] = []
    for device in found.devices:
        mac = device.properties.get("mac")
        if not isinstance(mac, str) or "netdev" not in device.properties:
            continue
        found.used.add(device.path)
        name = device.id if _NAME.fullmatch(device.id) else f"nic{len(made)}"
        network = networks.get(str(device.properties.get("netdev") or ""), "")
        if not network:
            found.miss(f"what network card {name} is joined to; name it in the definition, or map it where the machine starts")
        model = device.model
        if model not in get_args(NicModel):
            found.miss(f"network card {name} is a {model}, which cannot be started here: it becomes a virtio-net-pci; {CORRECT}")
            model = "virtio-net-pci"
        bus, address = _place(found, device, controllers)
        boot = device.properties.get("bootindex")
        made.append(
            Nic(
                name=name,
                mac=mac.lower(),
                model=msgspec.convert(model, NicModel),
                network=_plain(network),
                boot=boot if isinstance(boot, int) and boot >= 0 else -1,
                bus=bus,
                address=address,
            )
        )
    return tuple(made)


def _agent(found: _Findings, controllers: set[str]) -> tuple[bool, str]:
    for device in found.devices:
        if device.model == "virtserialport" and device.properties.get("name") == AGENT_PORT:
            found.used.add(device.path)
            owner = found.at(device.bus_owner)
            if owner is not None:
                found.used.add(owner.path)
                return True, owner.id if owner.id in controllers else ""
            return True, ""
    return False, ""


def _video(found: _Findings) -> str:
    for device in found.devices:
        if device.model in get_args(Video):
            found.used.add(device.path)
            return device.model
    return ""


async def _processor(found: _Findings) -> Cpu:
    processors = await found.session.execute("query-cpus-fast")
    kind = str(await property_of(found.session, processors[0]["qom-path"], "type"))
    model = kind.rpartition("-x86_64-cpu")[0] or "max"
    flags: tuple[str, ...] = ()
    if given := values_of(found.words or [], "cpu"):
        flags = tuple(flag for flag in given[-1].split(",")[1:] if flag)
    topology = await property_of(found.session, "/machine", "smp")
    told = topology if isinstance(topology, dict) else {}
    count, most = len(processors), int(told.get("maxcpus") or 0)
    names = {"sockets": "sockets", "dies": "dies", "cores": "cores", "threads": "threads"}
    shape = {name: int(told.get(key) or 0) for name, key in names.items()}
    return Cpu(count=count, model=model, flags=flags, most=most if most > count else 0, **shape)


async def _firmware(found: _Findings) -> Firmware:
    flash = [await property_of(found.session, "/machine", f"pflash{number}") for number in (0, 1)]
    if flash[0]:
        nodes = await found.session.execute("query-named-block-nodes", {"flat": True})
        files = {node["node-name"]: str(node["image"]["filename"]) for node in nodes}
        blocks = {block["device"]: block.get("inserted", {}).get("node-name", "") for block in await found.session.execute("query-block")}
        code, variables = (files.get(str(name), files.get(blocks.get(str(name), ""), "")) for name in flash)
        template = _template(code)
        found.miss(
            f"the contents of its UEFI variables ({variables or 'none'}) are in no point: it starts with the template "
            f"{template or 'that you name as firmware.variables'}, and finds its boot loader by the default path; most guests do"
        )
        if code.startswith("/") and template:
            return Firmware(kind="uefi", code=code, variables=template)
        found.miss(f"the files of its UEFI firmware; {CORRECT}")
        return Firmware()
    named = str(await property_of(found.session, "/machine", "firmware") or "")
    if named.startswith("/"):
        return Firmware(code=named)
    if named and named not in ("bios.bin", "bios-256k.bin", "bios-microvm.bin"):
        found.miss(f"its firmware {named} has no path: it starts with QEMU's own; {CORRECT}")
    return Firmware()


def _template(code: str) -> str:
    """The variables' template beside a firmware's image, as distributions name the two; empty if it cannot be told."""
    directory, _, name = code.rpartition("/")
    return f"{directory}/{name.replace('CODE', 'VARS').replace('.secboot', '')}" if "CODE" in name else ""


async def _kernel(found: _Findings) -> Kernel | None:
    image, initrd, append = [str(await property_of(found.session, "/machine", name) or "") for name in ("kernel", "initrd", "append")]
    if not image:
        return None
    if not image.startswith("/") or (initrd and not initrd.startswith("/")):
        found.miss(f"where its kernel {image} is: the path is not whole; {CORRECT}")
        return None
    return Kernel(image=image, initrd=initrd, command_line=append)


async def _extra(found: _Findings) -> tuple[str, ...]:
    """Of the command line what may be given again, as it is."""
    kept: list[str] = []
    for option in _HARMLESS:
        for value in values_of(found.words or [], option.removeprefix("-")):
            if objections((option, value)):
                found.miss(f"{option} {value} is not given again; {CORRECT}")
            else:
                kept += [option, value]
    for value in values_of(found.words or [], "device"):
        first, told = properties(value)
        device = next((one for one in found.devices if one.path not in found.used and one.model == first), None)
        if device is not None and not objections(("-device", value)) and told.get("id", "") == device.id:
            found.used.add(device.path)
            kept += ["-device", value]
    return tuple(kept)


def _rest(found: _Findings) -> None:
    """Whatever found no place."""
    for device in found.devices:
        if device.path not in found.used and device.model != "pcie-root-port":
            name = f"{device.model}{' ' + device.id if device.id else ''}"
            found.miss(f"{name} is not started again; {CORRECT}")


def _place(found: _Findings, device: Device, controllers: set[str]) -> tuple[str, str]:
    """Its bus and address, if that bus will be there again."""
    owner = found.at(device.bus_owner)
    if owner is None or owner.id in controllers:
        return _bus(device), device.address
    found.miss(f"{device.id or device.model} was on a {owner.model} that is not started again: its address will be another; {CORRECT}")
    return "", ""


def _bus(device: Device) -> str:
    return device.bus if _NAME.fullmatch(device.bus) else ""


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
