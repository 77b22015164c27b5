"""What a guest's agent is asked: whether it is there, to run something, and to give a network card its addresses."""

import asyncio
import base64
import contextlib
from collections.abc import Iterator, Sequence
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from understudy.errors import InvalidRequest, SourceRefused, SourceUnavailable
from understudy.hypervisor.protocol import Addresses, Output
from understudy.qemu.agent import AgentSilent, GuestAgent

ANSWERS = 10.0
"""Seconds in which an agent that is there answers."""
POLL = 0.2
LONGEST = 1 << 16
"""Characters of what a program in the guest said that are passed on."""
_IP = ("/sbin/ip", "/usr/sbin/ip", "/bin/ip", "/usr/bin/ip")


@contextlib.contextmanager
def connected(socket: Path) -> Iterator[GuestAgent]:
    agent = GuestAgent.connect(str(socket))
    try:
        yield agent
    finally:
        agent.close()


async def ping(socket: Path) -> None:
    with connected(socket) as agent:
        await agent.execute("guest-ping", ANSWERS)


async def run(socket: Path, command: Sequence[str], timeout: float) -> Output:
    """`AgentSilent` if it is not done in time; it may go on."""
    path, *words = command
    deadline = asyncio.get_running_loop().time() + timeout
    with connected(socket) as agent:
        started = await agent.execute("guest-exec", ANSWERS, {"path": path, "arg": words, "capture-output": True})
        while True:
            state = await agent.execute("guest-exec-status", ANSWERS, {"pid": _number(started, "pid")})
            if isinstance(state, dict) and state.get("exited"):
                return Output(_number(state, "exitcode") if "exitcode" in state else -1, _text(state, "out-data"), _text(state, "err-data"))
            if asyncio.get_running_loop().time() > deadline:
                raise AgentSilent(f"in the guest, {path} is not done within {timeout:g} s", hint="give it more time, or look in the guest")
            await asyncio.sleep(POLL)


class Interface(NamedTuple):
    """A network card as the guest knows it; `addresses` with their prefix lengths."""

    mac: str
    name: str
    addresses: tuple[str, ...]


async def interfaces(socket: Path) -> list[Interface]:
    with connected(socket) as agent:
        listed = await agent.execute("guest-network-get-interfaces", ANSWERS)
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    return [
        Interface(str(entry["hardware-address"]).lower(), str(entry["name"]), tuple(_addresses(entry.get("ip-addresses"))))
        for entry in entries
        if {"hardware-address", "name"} <= entry.keys()
    ]


def _addresses(listed: Any) -> Iterator[str]:
    """Those that are addresses: a guest may say anything."""
    for entry in listed if isinstance(listed, list) else ():
        with contextlib.suppress(TypeError, KeyError, ValueError):
            yield str(ip_interface(f"{entry['ip-address']}/{entry['prefix']}"))


async def configure(socket: Path, mac: str, addresses: Addresses) -> None:
    """Until the guest's next start; a Linux guest with iproute2 or busybox."""
    try:
        addresses = msgspec.convert(msgspec.to_builtins(addresses), Addresses)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"these are no addresses: {error}", hint="write them as 10.0.0.5/24") from None
    name = next((card.name for card in await interfaces(socket) if card.mac == mac.lower()), None)
    if name is None:
        raise SourceUnavailable(f"the guest has no network card {mac} yet", hint="wait until it has started")
    tool = await _tool(socket)
    commands: list[tuple[str, ...]] = [(tool, "addr", "flush", "dev", name), (tool, "link", "set", name, "up")]
    commands += [(tool, "addr", "add", address, "dev", name) for address in addresses.addresses]
    if addresses.gateway:
        commands.append((tool, "route", "replace", "default", "via", addresses.gateway, "dev", name))
    for command in commands:
        await _must(socket, command)
    if addresses.servers:
        lines = "".join(f"nameserver {server}\\n" for server in addresses.servers)
        await _must(socket, ("/bin/sh", "-c", f"printf '{lines}' >/etc/resolv.conf"))


async def _tool(socket: Path) -> str:
    for path in _IP:
        with contextlib.suppress(SourceRefused):
            await run(socket, (path, "link"), ANSWERS)
            return path
    raise SourceRefused("the guest has no ip command", hint="install iproute2 in it, or give it its addresses by DHCP")


async def _must(socket: Path, command: Sequence[str]) -> None:
    done = await run(socket, command, ANSWERS)
    if done.status:
        raise SourceRefused(f"in the guest, {' '.join(command)} failed: {done.errors.strip()}", hint="see its network configuration")


def _number(answer: Any, key: str) -> int:
    value = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(value, int):
        raise SourceRefused("the guest's agent answered nonsense", hint="is it qemu-guest-agent?")
    return value


def _text(answer: dict[str, Any], key: str) -> str:
    try:
        return base64.b64decode(str(answer.get(key, "")))[:LONGEST].decode(errors="replace")
    except ValueError:
        return ""
