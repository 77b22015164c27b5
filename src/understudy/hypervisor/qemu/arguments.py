"""A machine's command line: a pure function of what it is and what it is given here."""

from dataclasses import dataclass
from typing import Literal

from understudy.errors import InvalidRequest
from understudy.hypervisor.protocol import ISOLATED, Host
from understudy.hypervisor.qemu.device_arguments import agent_arguments, controller_arguments, disk_devices, nic_arguments, seed_arguments
from understudy.hypervisor.qemu.image_arguments import image_arguments
from understudy.hypervisor.qemu.options import escaped, joined
from understudy.hypervisor.qemu.places import Places
from understudy.machine.definition import Cpu, MachineDefinition
from understudy.machine.reading import judged

PROGRAMS = {"x86_64": "qemu-system-x86_64"}
CONSOLE_BYTES = 1 << 18
"""What QEMU keeps of the serial port's text until it is fetched; a power of two."""
IDENTITY = "us-run-"
"""Before a run's token, in the name of one of its character devices: what a QMP socket answers with it is that run."""
CONSOLE = "us-console"
CONTROL = "us-control"

Accelerator = Literal["kvm", "tcg"]


@dataclass(frozen=True, slots=True)
class Setting:
    """Which program, how accelerated, where, and the token that tells this run from every other."""

    program: str
    accelerator: Accelerator
    places: Places
    token: str


def arguments(definition: MachineDefinition, host: Host, setting: Setting) -> list[str]:
    """The whole command line. The guest stands still at first, and QEMU stays when it shuts down: both tell what happened.

    `InvalidRequest` if the definition may not be used, or a disk has no image.
    """
    judged(definition)
    _all_given(definition, host)
    places = setting.places
    command = [setting.program, "-name", joined("", [("guest", definition.name)]), "-nodefaults", "-no-user-config", "-display", "none"]
    command += ["-S", "-action", "shutdown=pause,panic=pause", "-uuid", definition.uuid]
    command += ["-machine", joined(definition.machine, [("accel", setting.accelerator), *_flash(definition)])]
    command += ["-cpu", cpu_model(definition.cpu, setting.accelerator), "-smp", _smp(definition.cpu), "-m", f"size={definition.memory}B"]
    for name, path in ((CONTROL, places.control), ("us-qmp", places.qmp)):
        command += ["-chardev", joined("socket", [("id", name), ("path", str(path)), ("server", True), ("wait", False)])]
        command += ["-mon", joined("", [("chardev", name), ("mode", "control")])]
    command += ["-chardev", joined("null", [("id", IDENTITY + setting.token)])]
    command += _boot(definition, places)
    command += [word for controller in definition.controllers for word in controller_arguments(controller)]
    command += [word for disk in definition.disks for word in image_arguments(disk.name, host.disks[disk.name])]
    command += disk_devices(definition, host.disks)
    for number, nic in enumerate(definition.nics):
        command += nic_arguments(number, nic, host.networks.get(nic.name, ISOLATED))
    if definition.video:
        command += ["-device", definition.video]
    if definition.serial:
        command += ["-chardev", f"ringbuf,id={CONSOLE},size={CONSOLE_BYTES}", "-serial", f"chardev:{CONSOLE}"]
    if definition.agent:
        command += agent_arguments(definition, places.agent)
    command += definition.extra
    if host.seed is not None:
        # Last, so that no other device gets another place by it.
        command += seed_arguments(definition, host.seed)
    return command


def cpu_model(cpu: Cpu, accelerator: Accelerator) -> str:
    """Only KVM has the host's own processor; an emulator's nearest is all that it can do."""
    model = "max" if cpu.model == "host" and accelerator != "kvm" else cpu.model
    return ",".join([model, *cpu.flags])


def _smp(cpu: Cpu) -> str:
    return joined(
        str(cpu.count),
        [
            *(("maxcpus", cpu.most or None), ("sockets", cpu.sockets or None), ("dies", cpu.dies or None)),
            *(("cores", cpu.cores or None), ("threads", cpu.threads or None)),
        ],
    )


def _flash(definition: MachineDefinition) -> list[tuple[str, str]]:
    return [("pflash0", "us-code"), ("pflash1", "us-vars")] if definition.firmware.kind == "uefi" else []


def _boot(definition: MachineDefinition, places: Places) -> list[str]:
    firmware, kernel, words = definition.firmware, definition.kernel, []
    if firmware.kind == "uefi":
        for node, path, read_only in (("us-code", firmware.code, True), ("us-vars", str(places.variables), False)):
            file = joined("", [("driver", "file"), ("filename", path), ("node-name", f"{node}-file"), ("read-only", read_only)])
            words += ["-blockdev", file]
            words += ["-blockdev", joined("", [("driver", "raw"), ("file", f"{node}-file"), ("node-name", node), ("read-only", read_only)])]
    elif firmware.code:
        words += ["-bios", firmware.code]
    if kernel is not None:
        words += ["-kernel", kernel.image]
        words += ["-initrd", escaped(kernel.initrd)] if kernel.initrd else []
        words += ["-append", kernel.command_line] if kernel.command_line else []
    return words


def _all_given(definition: MachineDefinition, host: Host) -> None:
    names = {disk.name for disk in definition.disks}
    if missing := sorted(names - host.disks.keys()):
        raise InvalidRequest(f"no image was given for disk {', '.join(missing)} of {definition.name!r}", hint="a point holds all of them")
    if strange := sorted(host.disks.keys() - names):
        raise InvalidRequest(
            f"{definition.name!r} has no disk {', '.join(strange)} in its definition", hint="add it there, or leave its image out"
        )
    if strange := sorted(host.networks.keys() - {nic.name for nic in definition.nics}):
        raise InvalidRequest(f"{definition.name!r} has no network card {', '.join(strange)}", hint="correct the network mapping")
