"""The devices that a guest sees: controllers, disks, network cards, the agent's channel."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import assert_never

from understudy.errors import InvalidRequest
from understudy.hypervisor.protocol import Bridge, DiskImage, Isolated, NbdImage, Network, Overlay, Tap, UserNetwork
from understudy.hypervisor.qemu.image_arguments import node_of
from understudy.hypervisor.qemu.options import Value, joined
from understudy.machine.definition import Controller, Disk, MachineDefinition, Nic

Pairs = list[tuple[str, Value | None]]

OWN_SCSI = "us-scsi"
OWN_SERIAL = "us-serial"
SEED = "us-seed"
AGENT_PORT = "org.qemu.guest_agent.0"


def controller_arguments(controller: Controller) -> list[str]:
    pairs: Pairs = [("id", controller.name), *_place(controller.bus, controller.address)]
    if controller.multifunction:
        pairs.append(("multifunction", True))
    if controller.model == "pcie-root-port":
        pairs += [("chassis", controller.chassis), ("port", controller.port)]
    return ["-device", joined(controller.model, pairs)]


def disk_devices(definition: MachineDefinition, images: Mapping[str, DiskImage]) -> list[str]:
    """All of them; with a SCSI controller of our own where a disk needs one and the definition names none."""
    words: list[str] = []
    scsi = next((controller.name for controller in definition.controllers if controller.model == "virtio-scsi-pci"), "")
    if not scsi and any(disk.bus == "virtio-scsi" and not disk.controller for disk in definition.disks):
        scsi = OWN_SCSI
        words += ["-device", f"virtio-scsi-pci,id={OWN_SCSI}"]
    # Where QEMU is to choose an address, it must not choose one that is spoken for.
    for disk in sorted(definition.disks, key=lambda disk: not disk.address):
        words += ["-device", _disk(disk, scsi, _served(images[disk.name]))]
    return words


def _served(image: DiskImage) -> bool:
    return isinstance(image.below if isinstance(image, Overlay) else image, NbdImage)


def _disk(disk: Disk, scsi: str, served: bool) -> str:
    pairs: Pairs = [("drive", node_of(disk.name)), ("id", disk.name)]
    sectors: Pairs = [("logical_block_size", disk.sector), ("physical_block_size", disk.physical_sector)]
    # The guest is never told that a server is away: it stands still, and goes on.
    patient: Pairs = [("rerror", "stop"), ("werror", "stop")] if served else []
    rest: Pairs = [*sectors, *patient, ("serial", disk.serial), ("bootindex", disk.boot if disk.boot >= 0 else None)]
    unit = disk.unit if disk.unit >= 0 else None
    match disk.bus:
        case "virtio-blk":
            return joined("virtio-blk-pci", [*pairs, *_place(disk.controller, disk.address), *rest])
        case "virtio-scsi":
            place: Pairs = [("bus", f"{disk.controller or scsi}.0"), ("scsi-id", unit), ("lun", disk.lun if unit is not None else None)]
            return joined("scsi-hd", [*pairs, *place, *rest, ("wwn", disk.wwn or None)])
        case "sata" | "ide":
            return joined("ide-hd", [*pairs, ("bus", disk.controller), ("unit", unit), *rest, ("wwn", disk.wwn or None)])
        case _:
            assert_never(disk.bus)


def seed_arguments(definition: MachineDefinition, seed: Path) -> list[str]:
    """By a bus that the guest knows how to drive, since it has a disk there."""
    file = joined("", [("driver", "file"), ("filename", str(seed)), ("node-name", f"{SEED}-file"), ("read-only", True)])
    image = joined("", [("driver", "raw"), ("file", f"{SEED}-file"), ("node-name", SEED), ("read-only", True)])
    virtio = any(disk.bus == "virtio-blk" for disk in definition.disks)
    device = joined("virtio-blk-pci" if virtio else "ide-cd", [("drive", SEED), ("id", SEED)])
    return ["-blockdev", file, "-blockdev", image, "-device", device]


def nic_arguments(number: int, nic: Nic, network: Network) -> list[str]:
    """`number` tells the card from the others of its machine."""
    pairs: Pairs = [("netdev", f"n-{nic.name}"), ("id", nic.name), ("mac", nic.mac), *_place(nic.bus, nic.address)]
    pairs.append(("bootindex", nic.boot if nic.boot >= 0 else None))
    return ["-netdev", _netdev(nic.name, number, network), "-device", joined(nic.model, pairs)]


def _netdev(name: str, number: int, network: Network) -> str:
    own: Pairs = [("id", f"n-{name}")]
    match network:
        case Isolated():
            # A hub of its own: the cable is plugged in, and nobody else is on it.
            return joined("hubport", [*own, ("hubid", number)])
        case UserNetwork():
            forwards = [("hostfwd", f"tcp:127.0.0.1:{here}-:{there}") for here, there in network.forwards]
            return joined("user", [*own, ("restrict", network.restricted), *forwards])
        case Tap():
            return joined("tap", [*own, ("ifname", network.interface), ("script", "no"), ("downscript", "no")])
        case Bridge():
            return joined("bridge", [*own, ("br", network.name)])
        case _:
            assert_never(network)


def agent_arguments(definition: MachineDefinition, socket: Path) -> list[str]:
    words = []
    bus = definition.agent_bus
    if not bus:
        bus = OWN_SERIAL
        words += ["-device", f"virtio-serial-pci,id={OWN_SERIAL}"]
    words += ["-chardev", joined("socket", [("id", "us-agent"), ("path", str(socket)), ("server", True), ("wait", False)])]
    return [*words, "-device", joined("virtserialport", [("bus", f"{bus}.0"), ("chardev", "us-agent"), ("name", AGENT_PORT)])]


def namespace_of(networks: Sequence[Network]) -> str:
    """The network namespace that QEMU must be in to reach its taps; empty: this one."""
    found = {network.namespace for network in networks if isinstance(network, Tap)}
    if len(found) > 1:
        raise InvalidRequest("a machine's taps are in several network namespaces, and a process is in one", hint="move them into one")
    if found != {""} and found and any(isinstance(network, Bridge) for network in networks):
        raise InvalidRequest("a bridge of this host cannot be reached from a network namespace", hint="give that card a tap in it")
    return found.pop() if found else ""


def _place(bus: str, address: str) -> Pairs:
    return [("bus", bus), ("addr", address)]
