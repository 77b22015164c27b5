"""What this host has of bridges and taps, as its kernel tells, and what is wrong with those that a machine is to be joined to."""

import asyncio
import contextlib
import os
import re
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
    """`found`: by namespace (empty: this one) and interface; a namespace that is not here has no entry. `users`: by namespace and tap,
    machines' processes that hold it open. `macs`: by address, machines' processes here that have it."""

    found: Mapping[str, Mapping[str, Link]]
    helper: Helper
    users: Mapping[tuple[str, str], Sequence[int]] = field(default_factory=dict)
    macs: Mapping[str, Sequence[int]] = field(default_factory=dict)


def network_findings(networks: Mapping[str, Network], macs: Mapping[str, str], links: Links, *, runs_here: bool = False) -> list[Finding]:
    """What keeps a machine's cards from their networks, now. `macs`: each card's address. `runs_here`: it may be the machine itself that
    has them, until it is started anew. Pure."""
    found = []
    for nic, network in networks.items():
        match network:
            case Bridge(name=name):
                found.append(_bridge(nic, name, links))
            case Tap():
                found.append(_tap(nic, network, links, runs_here=runs_here))
        if not runs_here and (pids := links.macs.get(macs.get(nic, ""))):
            found.append(_duplicate(nic, macs[nic], pids, joined=isinstance(network, Bridge | Tap)))
    return found


async def look(networks: Mapping[str, Network], helper: Helper) -> Links:
    """Changes nothing. Meant for before a start: a machine that runs has its taps and addresses itself."""
    spaces = {network.namespace for network in networks.values() if isinstance(network, Tap)} | {""}
    found = {}
    for space in spaces:
        if not space or (NAMESPACES / space).exists():
            found[space] = await _links(space)
    users, macs = await asyncio.to_thread(_processes, frozenset(found))
    return Links(found, helper, users, macs)


def _bridge(nic: str, name: str, links: Links) -> Finding:
    link = links.found.get("", {}).get(name)
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
    link = links.found[tap.namespace].get(tap.interface)
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


def _duplicate(nic: str, mac: str, pids: Sequence[int], *, joined: bool) -> Finding:
    words = f"{nic}: a machine that runs here has its MAC address {mac} (process {', '.join(map(str, pids))})"
    hint = "end that one, or give this card another address: understudy network set MACHINE --nic NIC --mac new"
    return Finding(WHAT, "fail" if joined else "warn", words, hint)


async def _links(space: str) -> dict[str, Link]:
    """Everything that the namespace has; nothing where it cannot be asked."""
    words = ["ip", *(["-n", space] if space else []), "-json", "-details", "link", "show"]
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with asyncio.timeout(SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return {}
    return links_of(said)


def links_of(said: bytes) -> dict[str, Link]:
    """From what `ip -json -details link show` printed; nothing from what is none of that. Pure."""
    try:
        listed = msgspec.json.decode(said or b"[]", type=list[dict[str, Any]])
    except msgspec.DecodeError:
        return {}
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
    inside = {os.stat(NAMESPACES / space if space else "/proc/self/ns/net").st_ino: space for space in spaces}
    for directory in Path("/proc").iterdir():
        if not directory.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            command = (directory / "cmdline").read_bytes()
            if not _QEMU.search(command.partition(b"\0")[0]):
                continue
            for match in set(_MAC.findall(command)):
                macs.setdefault(match.decode().lower(), []).append(int(directory.name))
            space = inside.get((directory / "ns" / "net").stat().st_ino)
            for tap in _taps_of(directory) if space is not None else ():
                users.setdefault((space or "", tap), []).append(int(directory.name))
    return users, macs


def _taps_of(directory: Path) -> set[str]:
    found = set()
    for entry in os.scandir(directory / "fd"):
        with contextlib.suppress(OSError):
            if os.readlink(entry.path) == "/dev/net/tun":
                lines = (directory / "fdinfo" / entry.name).read_text().splitlines()
                found |= {line.partition(":")[2].strip() for line in lines if line.startswith("iff:")}
    return found
