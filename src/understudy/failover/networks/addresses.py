"""Whether the addresses that a guest is to be given can be meant. Pure."""

import ipaddress
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import TypeAlias

from understudy.engine import NicSetting

Interface: TypeAlias = IPv4Interface | IPv6Interface
Address: TypeAlias = IPv4Address | IPv6Address


def objections(nic: str, setting: NicSetting) -> list[str]:
    """Why one card cannot be given these, a sentence each; empty if it can."""
    found, own = [], list[Interface]()
    for text in setting.addresses:
        try:
            interface = ipaddress.ip_interface(text)
        except ValueError:
            found.append(f"{nic}: {text} is no address with a prefix length, such as 10.0.0.5/24")
            continue
        own.append(interface)
        if "/" not in text or "%" in text or not text.rpartition("/")[2].isdecimal():
            found.append(f"{nic}: {text} lacks its prefix length, as in 10.0.0.5/24")
        elif reason := _unusable(interface):
            found.append(f"{nic}: {text} {reason}")
    if setting.gateway:
        found += [f"{nic}: {words}" for words in _gateway(setting.gateway, own)]
    for text in setting.servers:
        server = _address(text)
        if server is None or server.is_multicast or server.is_unspecified:
            found.append(f"{nic}: {text} is no name server's address")
    return found


def conflicts(given: Mapping[str, NicSetting]) -> list[str]:
    """Addresses that two cards have, or one has twice."""
    owners: dict[Address, str] = {}
    found = []
    for nic, setting in given.items():
        for text in setting.addresses:
            address = _address(text.partition("/")[0])
            if address is None:
                continue
            if address in owners:
                whose = f"{owners[address]} and {nic}" if owners[address] != nic else f"{nic} twice"
                found.append(f"the address {address} is given to {whose}")
            owners[address] = nic
    gateways = [setting.gateway for setting in given.values() if setting.gateway]
    for version in (4, 6):
        default = {gate for text in gateways if (gate := _address(text)) is not None and gate.version == version}
        if len(default) > 1:
            found += [f"two network cards have a default gateway of IPv{version}, and the guest takes one"]
    return found


def _unusable(interface: Interface) -> str:
    network, address = interface.network, interface.ip
    if address.is_multicast or address.is_loopback or address.is_unspecified:
        return "is not an address that a network card can have"
    ends = (network.network_address, network.broadcast_address)
    if isinstance(network, ipaddress.IPv4Network) and network.prefixlen < 31 and address in ends:
        return f"is the network's own address, or its broadcast address, in {network}"
    return ""


def _gateway(text: str, own: list[Interface]) -> list[str]:
    gateway = _address(text)
    if gateway is None:
        return [f"the gateway {text} is no address"]
    if any(gateway == interface.ip for interface in own):
        return [f"the gateway {text} is the card's own address"]
    same = [interface for interface in own if interface.version == gateway.version]
    # A router's link-local address is on every link.
    if gateway.version == 6 and gateway.is_link_local and same:
        return []
    if not any(gateway in interface.network for interface in same):
        there = ", ".join(str(interface.network) for interface in own) or "no network"
        return [f"the gateway {text} is not in {there}"]
    return []


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text) if "%" not in text else None
    except ValueError:
        return None
