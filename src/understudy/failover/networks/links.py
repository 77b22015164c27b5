"""What this host has of bridges and taps, as its kernel tells, and what is wrong with those that a machine is to be joined to."""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from understudy.failover.networks.bridge_helper import Helper, refusal
from understudy.hypervisor.protocol import Bridge, Finding, Network, Tap

WHAT = "networks"
SECONDS = 10.0
NAMESPACES = Path("/run/netns")
DEVICES = Path("/sys/class/net")
_SYSTEMD = Path("/run/systemd/system")
_IFF_UP, _IFF_TAP = 1, 2
_QEMU = re.compile(rb"qemu-system-|qemu-kvm")
_MAC = re.compile(rb"mac[\"']?\s*[=:]\s*[\"']?([0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5})")


@dataclass(frozen=True, slots=True)
class Link:
    """One interface. `kind` as the kernel names it: bridge, tap, tun …; `carried`: somebody is at its other end."""

    kind: str = ""
    up: bool = False
    carried: bool = False


@dataclass(frozen=True, slots=True)
class Links:
    """`found`: by namespace (empty: this one) and interface; one that is not here has no entry, one that cannot be asked None.
    `users`: by namespace and tap, machines' processes that hold it open. `macs`: by address, machines' processes here that have it."""

    found: Mapping[str, Mapping[str, Link] | None]
    helper: Helper
    users: Mapping[tuple[str, str], Sequence[int]] = field(default_factory=dict)
    macs: Mapping[str, Sequence[int]] = field(default_factory=dict)


def network_findings(
    networks: Mapping[str, Network], macs: Mapping[str, str], links: Links, machine: str, *, runs_here: bool = False
) -> list[Finding]:
    """What keeps the cards of `machine`, as commands know it, from their networks, now. `macs`: each card's address. `runs_here`: it may be
    the machine itself that has them, until it is started anew. Pure."""
    found = []
    for nic, network in networks.items():
        match network:
            case Bridge(name=name):
                found.append(_bridge(nic, name, links))
            case Tap():
                found.append(_tap(nic, network, links, runs_here=runs_here))
        if not runs_here and (pids := links.macs.get(macs.get(nic, ""))):
            found.append(_duplicate(machine, nic, macs[nic], pids, joined=isinstance(network, Bridge | Tap)))
    return found


async def look(networks: Mapping[str, Network], helper: Helper) -> Links:
    """Changes nothing. Meant for before a start: a machine that runs has its taps and addresses itself."""
    wanted = [network for network in networks.values() if isinstance(network, Bridge | Tap)]
    here = {_name(network) for network in wanted if not (isinstance(network, Tap) and network.namespace)}
    found: dict[str, Mapping[str, Link] | None] = {"": {name: link for name in here if (link := link_here(name)) is not None}}
    for space in {network.namespace for network in wanted if isinstance(network, Tap)} - {""}:
        if (NAMESPACES / space).exists():
            found[space] = await _links(space)
    users, macs = await asyncio.to_thread(_processes, frozenset(found))
    return Links(found, helper, users, macs)


def _name(network: Bridge | Tap) -> str:
    return network.name if isinstance(network, Bridge) else network.interface


def link_here(name: str) -> Link | None:
    """An interface of this namespace, by sysfs: a service may have been given no sockets of the kernel's."""
    directory = DEVICES / name
    if "/" in name or not directory.exists():
        return None
    kind = "bridge" if (directory / "bridge").is_dir() else "tap" if _number(directory / "tun_flags") & _IFF_TAP else ""
    return Link(kind, up=bool(_number(directory / "flags") & _IFF_UP), carried=bool(_number(directory / "carrier")))


def places_here() -> tuple[str, ...]:
    """Bridges of this host, and taps that nobody is at the other end of, as places are written. Blocks the caller."""
    try:
        links = {name: link_here(name) for name in sorted(os.listdir(DEVICES))}
    except OSError:
        return ()
    kinds = {name: link.kind for name, link in links.items() if link is not None and not (link.kind == "tap" and link.carried)}
    return tuple(f"{kind}:{name}" for kind in ("bridge", "tap") for name, its in kinds.items() if its == kind)


def _number(path: Path) -> int:
    """0 where there is none: what is down has no carrier, and not everything is a tun."""
    try:
        return int(path.read_text(), 0)
    except (OSError, ValueError):
        return 0


def _bridge(nic: str, name: str, links: Links) -> Finding:
    link = (links.found.get("") or {}).get(name)
    if link is None:
        return Finding(WHAT, "fail", f"{nic}: there is no bridge {name} here", f"ip link add {name} type bridge && ip link set {name} up")
    if link.kind != "bridge":
        return Finding(WHAT, "fail", f"{nic}: {name} is here, and is no bridge", "name a bridge: ip link show type bridge")
    if why := refusal(name, links.helper):
        return Finding(WHAT, "fail", f"{nic}: QEMU may not join bridge {name}: {why[0]}", why[1])
    if not link.up:
        return Finding(WHAT, "warn", f"{nic}: bridge {name} is down, and carries nothing", f"ip link set {name} up")
    return Finding(WHAT, "pass", f"{nic}: bridge {name} is here, and QEMU's helper may join it")


def _tap(nic: str, tap: Tap, links: Links, *, runs_here: bool) -> Finding:
    where = f" in the network namespace {tap.namespace}" if tap.namespace else " here"
    inside = f"ip -n {tap.namespace} " if tap.namespace else "ip "
    if tap.namespace not in links.found:
        return Finding(WHAT, "fail", f"{nic}: there is no network namespace {tap.namespace} here", f"ip netns add {tap.namespace}")
    there = links.found[tap.namespace]
    if there is None:
        words = f"{nic}: what is in the network namespace {tap.namespace} cannot be seen"
        return Finding(WHAT, "warn", words, f"look at it: {inside}link show {tap.interface}")
    link = there.get(tap.interface)
    if link is None:
        return Finding(WHAT, "fail", f"{nic}: there is no tap {tap.interface}{where}", f"{inside}tuntap add {tap.interface} mode tap")
    if link.kind != "tap":
        words = f"{nic}: {tap.interface}{where} is no tap"
        return Finding(WHAT, "fail", words, f"name one, or make one: {inside}tuntap add NAME mode tap")
    pids = links.users.get((tap.namespace, tap.interface), ())
    # Only what is up shows that somebody is at its other end.
    if link.carried or pids:
        whose = f"process {', '.join(map(str, pids))}" if pids else "another process"
        words = f"{nic}: tap {tap.interface}{where} is in use by {whose}"
        if runs_here:
            return Finding(WHAT, "warn", f"{words}; the machine runs here, and may be that itself", "see whether it is")
        return Finding(WHAT, "fail", words, "end what uses it, or give the card another tap")
    if not link.up:
        return Finding(
            WHAT, "warn", f"{nic}: tap {tap.interface}{where} is down, and carries nothing", f"{inside}link set {tap.interface} up"
        )
    return Finding(WHAT, "pass", f"{nic}: tap {tap.interface}{where} is free")


def _duplicate(machine: str, nic: str, mac: str, pids: Sequence[int], *, joined: bool) -> Finding:
    words = f"{nic}: a machine that runs here has its MAC address {mac} (process {', '.join(map(str, pids))})"
    other = f"give this card another address: understudy network set {machine} --nic {nic} --mac new"
    hint = f"{other}; or end that one, unless it is {machine} itself, where a cancelled failover goes back to"
    return Finding(WHAT, "fail" if joined else "warn", words, hint)


async def _links(space: str) -> dict[str, Link] | None:
    """Everything that the namespace has; None where it cannot be asked."""
    words = [*_inside(space), "ip", "-json", "-details", "link", "show"]
    nothing = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*words, stdin=nothing, stdout=asyncio.subprocess.PIPE, stderr=nothing)
    except OSError:
        return None
    try:
        async with asyncio.timeout(SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return None if process.returncode else links_of(said)


def _inside(space: str) -> list[str]:
    """The words before a command that is to see this namespace. A service may not enter one itself; its service manager can."""
    if _SYSTEMD.is_dir() and os.geteuid() == 0 and shutil.which("systemd-run"):
        return ["systemd-run", "--quiet", "--pipe", "--wait", "--collect", f"--property=NetworkNamespacePath={NAMESPACES / space}"]
    return ["ip", "netns", "exec", space]


def links_of(said: bytes) -> dict[str, Link] | None:
    """From what `ip -json -details link show` printed; None if it is none of that. Pure."""
    try:
        listed = msgspec.json.decode(said, type=list[dict[str, Any]])
    except msgspec.DecodeError:
        return None
    found = {}
    for entry in listed:
        info, flags = entry.get("linkinfo") or {}, entry.get("flags") or []
        kind = info.get("info_kind", "")
        if kind == "tun":
            kind = (info.get("info_data") or {}).get("type", kind)
        found[str(entry.get("ifname", ""))] = Link(kind=kind, up="UP" in flags, carried="LOWER_UP" in flags)
    return found


def _processes(spaces: frozenset[str]) -> tuple[dict[tuple[str, str], list[int]], dict[str, list[int]]]:
    """Taps that machines hold open in these namespaces, and addresses that they were started with. Those that went away meanwhile have
    none."""
    users: dict[tuple[str, str], list[int]] = {}
    macs: dict[str, list[int]] = {}
    inside: dict[int, str] = {}
    for space in spaces:
        with contextlib.suppress(OSError):
            inside[os.stat(NAMESPACES / space if space else "/proc/self/ns/net").st_ino] = space
    for directory in Path("/proc").iterdir():
        if not directory.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            command = (directory / "cmdline").read_bytes()
            if not _QEMU.search(command.partition(b"\0")[0]):
                continue
            for match in set(_MAC.findall(command)):
                macs.setdefault(match.decode().lower(), []).append(int(directory.name))
            its = inside.get((directory / "ns" / "net").stat().st_ino)
            for tap in _taps_of(directory) if its is not None else ():
                users.setdefault((its or "", tap), []).append(int(directory.name))
    return users, macs


def _taps_of(directory: Path) -> set[str]:
    found = set()
    for entry in os.scandir(directory / "fd"):
        with contextlib.suppress(OSError):
            # Seen from another root directory there is more before it.
            if os.readlink(entry.path).endswith("/dev/net/tun"):
                lines = (directory / "fdinfo" / entry.name).read_text().splitlines()
                found |= {line.partition(":")[2].strip() for line in lines if line.startswith("iff:")}
    return found
