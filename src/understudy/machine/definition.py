"""What it takes to start a machine as it was: everything that its guest sees, and nothing of the host that it ran on.

How it is accelerated, where its disks lie and what its network cards are joined to is decided anew wherever it starts.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec

Name: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")]
"""Of a disk, a network card or a controller: it becomes part of QEMU's options."""
Bus: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A([A-Za-z0-9][A-Za-z0-9._-]{0,62})?\Z")]
Address: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{2}\.[0-7])?\Z")]
"""Slot and function on a PCI bus, as `03.0`. Empty: QEMU chooses, in the order of the definition."""
Model: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")]
Mac: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")]
Uuid: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")]
Plain: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00-\x1f\x7f-\x9f]*\Z")]
"""No control characters, which could speak to somebody's terminal."""
File: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A/[^\x00-\x1f\x7f-\x9f]*\Z")]
"""An absolute path on whichever host starts the machine."""
Sector: TypeAlias = Annotated[int, msgspec.Meta(ge=512, le=1 << 21)]
Few: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=4096)]

DiskBus: TypeAlias = Literal["virtio-blk", "virtio-scsi", "sata", "ide"]
ControllerModel: TypeAlias = Literal["pcie-root-port", "virtio-scsi-pci", "virtio-serial-pci"]
NicModel: TypeAlias = Literal["virtio-net-pci", "e1000", "e1000e", "rtl8139", "vmxnet3"]
Video: TypeAlias = Literal["", "VGA", "virtio-vga", "qxl-vga", "bochs-display", "cirrus-vga"]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Deterministic in JSON and TOML; a misspelt field is an error."""


class Cpu(Part, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """`count` processors; the topology is QEMU's default where it is 0."""

    count: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 1
    model: Model = "max"
    """As QEMU names it; `host` and `max` are what the host or the emulator offers."""
    flags: tuple[Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_.+=-]{1,64}\Z")], ...] = ()
    """As on QEMU's command line: `+aes`, `-x2apic`, `aes=off`."""
    sockets: Few = 0
    dies: Few = 0
    cores: Few = 0
    threads: Few = 0
    most: Few = 0
    """Processors that could be plugged in; 0: no more than there are."""


class Firmware(Part, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """UEFI from two flash images, or a BIOS: QEMU's own where no file is named."""

    kind: Literal["bios", "uefi"] = "bios"
    code: File | Literal[""] = ""
    """The firmware's own image, read only."""
    variables: File | Literal[""] = ""
    """The template of its variable store; the machine writes to a copy."""


class Kernel(Part, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Started without a boot loader; files of the host that starts it."""

    image: File
    initrd: File | Literal[""] = ""
    command_line: Plain = ""


class Controller(Part, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What disks, the agent's channel or other devices are plugged into."""

    name: Name
    model: ControllerModel
    bus: Bus = ""
    address: Address = ""
    multifunction: bool = False
    chassis: Few = 0
    """A root port's: unique, not 0."""
    port: Few = 0


class Disk(Part, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A disk of the machine under its name in the points. Sectors in bytes."""

    name: Name
    bus: DiskBus = "virtio-blk"
    sector: Sector = 512
    physical_sector: Sector = 512
    serial: Annotated[str, msgspec.Meta(pattern=r"\A[\x20-\x7e]{0,36}\Z")] = ""
    wwn: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)] = 0
    boot: int = -1
    """Its place in the order in which firmware tries devices; -1: none."""
    controller: Bus = ""
    """The bus that it is plugged into; for virtio-scsi the controller, whose first is meant if this is empty."""
    address: Address = ""
    unit: int = -1
    """virtio-scsi: the target's number; sata and ide: that of the port or drive. -1: QEMU chooses."""
    lun: Few = 0


class Nic(Part, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A network card; `network` is what it was joined to at home, to be mapped to something here."""

    name: Name
    mac: Mac
    model: NicModel = "virtio-net-pci"
    network: Plain = ""
    boot: int = -1
    bus: Bus = ""
    address: Address = ""


class MachineDefinition(Part, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One machine. `memory` in bytes."""

    name: Annotated[str, msgspec.Meta(pattern=r"\A[^\x00-\x1f\x7f-\x9f]{1,128}\Z")]
    uuid: Uuid
    architecture: Literal["x86_64"] = "x86_64"
    machine: Model = "q35"
    """QEMU's machine type; a versioned one (pc-q35-7.2) stays the same under every QEMU that has it."""
    memory: Annotated[int, msgspec.Meta(ge=1 << 20, le=1 << 52)]
    cpu: Cpu = Cpu()
    firmware: Firmware = Firmware()
    kernel: Kernel | None = None
    controllers: tuple[Controller, ...] = ()
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    video: Video = ""
    serial: bool = True
    """A serial port, whose text is kept."""
    agent: bool = False
    """A channel for qemu-guest-agent."""
    agent_bus: Bus = ""
    """The virtio-serial controller of the channel; empty: one of its own."""
    extra: tuple[Plain, ...] = ()
    """More of QEMU's options (extra.py says which), in pairs: an option, its value."""
    unknown: tuple[Plain, ...] = ()
    """What could not be captured or will be different, each with what to do about it."""
