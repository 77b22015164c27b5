"""Giving a guest that was started here its addresses, and hearing from it that it has them."""

import asyncio
from collections.abc import Mapping
from ipaddress import ip_interface
from typing import Literal

from msgspec import Struct

from understudy.errors import SourceRefused, SourceUnavailable
from understudy.hypervisor.protocol import Addresses, Hypervisor

AGENT = 180.0
"""Seconds from its start until a guest's agent must have answered."""
POLL = 1.0


class Given(Struct, frozen=True, kw_only=True):
    """What came of one card. had: it has its addresses already, by cloud-init or by itself; agent: the agent gave them, until the guest
    starts again; seed: nobody answers, and cloud-init has its seed; failed: the guest said why."""

    mac: str
    way: Literal["had", "agent", "seed", "failed"]
    words: str


async def give_addresses(
    hypervisor: Hypervisor, run: str, addresses: Mapping[str, Addresses], *, agent: bool, seconds: float = AGENT
) -> tuple[Given, ...]:
    """`agent`: whether the machine has a channel to one. The seed is attached beforehand: cloud-init has its way first, and is not undone
    by the agent. Idempotent; whatever a guest does not take is told, and no error."""
    if not addresses:
        return ()
    if not agent or not await _answers(hypervisor, run, seconds):
        why = f"its guest's agent did not answer within {seconds:g} s" if agent else "it has no channel to a guest's agent"
        return tuple(Given(mac=mac, way="seed", words=f"{why}: left to cloud-init, which has a seed") for mac in addresses)
    return tuple([await _given(hypervisor, run, mac, wanted) for mac, wanted in addresses.items()])


async def _given(hypervisor: Hypervisor, run: str, mac: str, wanted: Addresses) -> Given:
    listed = ", ".join(wanted.addresses)
    try:
        if _has(await hypervisor.addresses(run), mac, wanted):
            return Given(mac=mac, way="had", words=f"has {listed}")
        await hypervisor.configure(run, mac, wanted)
        if _has(await hypervisor.addresses(run), mac, wanted):
            return Given(mac=mac, way="agent", words=f"was given {listed} by the guest's agent, until the guest starts again")
        return Given(mac=mac, way="failed", words=f"the guest was given {listed}, and does not have it")
    except (SourceUnavailable, SourceRefused) as error:
        return Given(mac=mac, way="failed", words=error.message)


def _has(seen: Mapping[str, tuple[str, ...]], mac: str, wanted: Addresses) -> bool:
    there = {ip_interface(text) for text in seen.get(mac, ())}
    return {ip_interface(text) for text in wanted.addresses} <= there


async def _answers(hypervisor: Hypervisor, run: str, seconds: float) -> bool:
    until = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            await hypervisor.ping(run)
        except SourceUnavailable:
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            await asyncio.sleep(min(POLL, left))
        except SourceRefused:
            # It is there, and may take what it is asked next.
            return True
        else:
            return True
