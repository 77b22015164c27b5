"""Whether a machine would start on this host, told without starting it."""

import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from understudy import meminfo
from understudy.errors import InvalidRequest, UnderstudyError
from understudy.hypervisor.protocol import Bridge, Finding, Host, NbdImage, Overlay, Qcow2Image, RawImage, Tap
from understudy.hypervisor.qemu.arguments import PROGRAMS, Accelerator, cpu_model
from understudy.hypervisor.qemu.device_arguments import namespace_of
from understudy.hypervisor.qemu.offers import Offers, ask
from understudy.machine.definition import MachineDefinition
from understudy.machine.reading import judged

FILES_FROM = (Path("/usr/share"), Path("/usr/lib"), Path("/boot"), Path("/var/lib/understudy/boot"))
"""A definition comes with a point: it must not have a host's other files read into a guest's memory."""
RESERVE = 256 << 20
"""Bytes of the host's memory that QEMU itself and others need beside the guest's."""

_KVM = Path("/dev/kvm")
_KVM_GET_API_VERSION = 0xAE00
_API_VERSION = 12
_CPUINFO = Path("/proc/cpuinfo")
_NETWORKS = Path("/sys/class/net")
_NAMESPACES = Path("/run/netns")


async def examine(definition: MachineDefinition, host: Host, files_from: Sequence[Path], beside: Path) -> list[Finding]:
    """Everything that was looked at, well or not. `beside`: a directory for QEMU's socket meanwhile."""
    try:
        judged(definition)
        namespace_of(list(host.networks.values()))
    except InvalidRequest as error:
        return [Finding("definition", "fail", error.message, error.hint)]
    program = PROGRAMS[definition.architecture]
    if shutil.which(program) is None:
        return [Finding("qemu", "fail", f"there is no {program} here", "apt-get install qemu-system-x86")]
    refusal = kvm_refusal() if host.accelerator == "auto" else ""
    accelerated = host.accelerator == "kvm" or (host.accelerator == "auto" and not refusal)
    found = [_definition(definition)]
    if refusal:
        found.append(
            Finding("acceleration", "warn", f"the machine is emulated, and slow: {refusal}", "enable virtualisation in the firmware")
        )
    accelerator: Accelerator = "kvm" if accelerated else "tcg"
    try:
        offers = await ask(program, accelerator, cpu_model(definition.cpu, accelerator).partition(",")[0], beside)
    except UnderstudyError as error:
        return [*found, Finding("qemu", "fail", error.message, error.hint)]
    found += [
        _machine(definition, offers),
        _processor(definition, offers, accelerated=accelerated),
        _memory(definition),
    ]
    return found + _files(definition, files_from) + _images(definition, host) + _networks(definition, host)


def files_allowed(definition: MachineDefinition, files_from: Sequence[Path]) -> None:
    """`InvalidRequest` if the definition names a file outside these directories."""
    for finding in _files(definition, files_from):
        if finding.verdict == "fail":
            raise InvalidRequest(finding.words, hint=finding.hint)


def kvm_refusal() -> str:
    """Why this host cannot accelerate a guest; empty if it can. That there is a device does not mean that it does."""
    flags = next((line.split() for line in _CPUINFO.read_text().splitlines() if line.startswith("flags")), [])
    if not {"vmx", "svm"} & set(flags):
        return "its processor shows no virtualisation (vmx, svm)"
    try:
        fd = os.open(_KVM, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return f"{_KVM}: {error.strerror}"
    try:
        return "" if fcntl.ioctl(fd, _KVM_GET_API_VERSION) == _API_VERSION else f"{_KVM} speaks another version"
    except OSError as error:
        return f"{_KVM}: {error.strerror}"
    finally:
        os.close(fd)


def _definition(definition: MachineDefinition) -> Finding:
    if definition.unknown:
        return Finding("definition", "warn", "; ".join(definition.unknown), "accept the differences, or correct the definition")
    return Finding("definition", "pass", "everything that its guest sees is known")


def _machine(definition: MachineDefinition, offers: Offers) -> Finding:
    if definition.machine in offers.machines:
        return Finding("machine type", "pass", f"QEMU {offers.version} has {definition.machine}")
    family = definition.machine.rpartition("-")[0]
    near = sorted(name for name in offers.machines if family and name.startswith(family))
    hint = f"install a QEMU that has it, or choose another: {', '.join(near) or 'q35, pc'}"
    return Finding("machine type", "fail", f"QEMU {offers.version} has no {definition.machine}", hint)


def _processor(definition: MachineDefinition, offers: Offers, *, accelerated: bool) -> Finding:
    model = definition.cpu.model
    if model == "host" and not accelerated:
        return Finding("processor", "warn", "its processor was its host's own; here it is an emulated one", "let no guest depend on it")
    if offers.missing is None:
        return Finding(
            "processor", "fail", f"QEMU {offers.version} has no processor {model}", "choose another: qemu-system-x86_64 -cpu help"
        )
    if offers.missing:
        words = f"{model} would lack {', '.join(offers.missing)} here"
        return Finding("processor", "warn", words, "choose a model that all hosts have, if the guest needs these")
    if model in ("host", "max"):
        return Finding("processor", "warn", f"{model} is another one on each host", "choose a model by name, if the guest depends on it")
    return Finding("processor", "pass", f"{model} can be had")


def _memory(definition: MachineDefinition) -> Finding:
    free = meminfo.available()
    words = f"{definition.memory >> 20} MiB are needed and {free >> 20} MiB available"
    if free >= definition.memory + RESERVE:
        return Finding("memory", "pass", words)
    return Finding("memory", "fail", words, "end something else here, or give the machine less memory")


def _files(definition: MachineDefinition, files_from: Sequence[Path]) -> list[Finding]:
    named = [definition.firmware.code, definition.firmware.variables]
    if definition.kernel is not None:
        named += [definition.kernel.image, definition.kernel.initrd]
    found = []
    for name in filter(None, named):
        path = Path(name).resolve()
        allowed = any(path.is_relative_to(directory.resolve()) for directory in files_from)
        if not allowed:
            places = ", ".join(str(directory) for directory in files_from)
            hint = (
                f"add its directory to `files-from` in [failover], or copy it to {files_from[-1]} and name that: understudy definition set"
            )
            found.append(Finding("files", "fail", f"{name} may not be used: it is in none of {places}", hint))
        elif not path.is_file() or not os.access(path, os.R_OK):
            found.append(Finding("files", "fail", f"{name} is not here, or not readable", "install it: apt-get install ovmf, or copy it"))
        else:
            found.append(Finding("files", "pass", f"{name} is here"))
    return found


def _images(definition: MachineDefinition, host: Host) -> list[Finding]:
    found = []
    for disk in definition.disks:
        image = host.disks.get(disk.name)
        below = image.below if isinstance(image, Overlay) else image
        match below:
            case None:
                found.append(Finding("disks", "fail", f"disk {disk.name} has no image", "give it one, or take it out of the definition"))
            case NbdImage(socket=path) | RawImage(path=path) | Qcow2Image(path=path):
                there = path.exists()
                words = f"disk {disk.name}: {path} is {'here' if there else 'missing'}"
                found.append(Finding("disks", "pass" if there else "fail", words, "" if there else "start its export, or restore it"))
    return found


def _networks(definition: MachineDefinition, host: Host) -> list[Finding]:
    found = []
    for nic in definition.nics:
        match host.networks.get(nic.name):
            case Bridge(name=name) if not (_NETWORKS / name / "bridge").is_dir():
                found.append(
                    Finding("networks", "fail", f"there is no bridge {name} here for {nic.name}", f"ip link add {name} type bridge")
                )
            case Tap(interface=interface, namespace="") if not (_NETWORKS / interface).exists():
                found.append(
                    Finding("networks", "fail", f"there is no tap {interface} here for {nic.name}", f"ip tuntap add {interface} mode tap")
                )
            case Tap(namespace=namespace) if namespace and not (_NAMESPACES / namespace).exists():
                words = f"there is no network namespace {namespace} here for {nic.name}"
                found.append(Finding("networks", "fail", words, f"ip netns add {namespace}"))
            case None:
                found.append(Finding("networks", "pass", f"{nic.name} is isolated (at home: {nic.network or 'unknown'})"))
            case network:
                found.append(Finding("networks", "pass", f"{nic.name}: {network}"))
    return found
