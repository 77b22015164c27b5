"""What a machine's network back ends are joined to. No QMP command lists them, so this reads a monitor's text."""

import re
from pathlib import Path

from understudy.qemu.session import QmpSession

_LINE = re.compile(r"^\s*\\?\s*(?P<id>[^:\s]+): index=\d+,type=(?P<kind>[a-z-]+),?(?P<rest>.*)$")
_NETWORKS = Path("/sys/class/net")


async def networks_of(session: QmpSession) -> dict[str, str]:
    """By back end the network's name: a bridge, a tap, `user`; not listed where it cannot be told."""
    text: str = await session.execute("human-monitor-command", {"command-line": "info network"})
    found = {}
    for line in text.replace("\r", "").splitlines():
        if match := _LINE.match(line):
            name = _network(match["kind"], dict(word.partition("=")[::2] for word in match["rest"].split(",")), session.peer)
            if name:
                found[match["id"]] = name
    return found


def _network(kind: str, told: dict[str, str], pid: int) -> str:
    if bridge := told.get("br"):
        return bridge
    if kind == "user":
        return "user"
    if kind == "tap":
        return _bridge_of(told.get("ifname") or _interface(pid, told.get("fd", "")))
    return ""


def _interface(pid: int, fd: str) -> str:
    """A tap that was given by its descriptor; empty if that cannot be seen."""
    if not fd.isdecimal() or pid <= 0:
        return ""
    try:
        lines = Path(f"/proc/{pid}/fdinfo/{fd}").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("iff:")), "")


def _bridge_of(interface: str) -> str:
    """The bridge that an interface of this host is in, else the interface."""
    if not interface or "/" in interface:
        return ""
    try:
        return (_NETWORKS / interface / "master").resolve(strict=True).name
    except OSError:
        return interface
