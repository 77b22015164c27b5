"""What a machine's network cards are joined to on this site, and what its guest is given there.

A place is written as `bridge:NAME`, `tap:INTERFACE`, `tap:INTERFACE@NAMESPACE`, `user`, `user:open,2222-22` or `none`.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec

from understudy.engine.values import Value
from understudy.errors import InvalidRequest

StartKind: TypeAlias = Literal["failover", "test"]
PLACES = "bridge:NAME, tap:INTERFACE, tap:INTERFACE@NAMESPACE, user, user:open,PORT-PORT or none"
ANY = "*"
"""The source of a rule for every network that no other rule names."""

_INTERFACE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}"
_PLACE = re.compile(
    rf"none|bridge:(?P<bridge>{_INTERFACE})"
    r"|tap:(?P<tap>" + _INTERFACE + r")(@(?P<namespace>[A-Za-z0-9][A-Za-z0-9._-]{0,62}))?"
    r"|user(:(?P<user>(open|[0-9]{1,5}-[0-9]{1,5})(,(open|[0-9]{1,5}-[0-9]{1,5}))*))?"
)
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_ADDRESS = re.compile(r"[0-9a-fA-F.:]{2,45}")
_WITH_PREFIX = re.compile(rf"{_ADDRESS.pattern}/[0-9]{{1,3}}")


class Place(Value, frozen=True):
    """What a network card is joined to. `forwards`: (port of 127.0.0.1, port of the guest); `open`: a `user` guest reaches others."""

    kind: Literal["bridge", "tap", "user", "none"]
    name: str = ""
    namespace: str = ""
    open: bool = False
    forwards: tuple[tuple[int, int], ...] = ()


class NetworkRule(Value, frozen=True):
    """Of a pair of sites: what was joined to `source` at `site` (empty: any) is joined to `target` here, and in a test to `test`.

    An empty place says nothing: a failover then fails, a test is isolated.
    """

    source: str
    target: str = ""
    test: str = ""
    site: str = ""


class NicSetting(Value, frozen=True):
    """One network card here. What is empty is not set.

    network: a place, before every rule. mac: `keep`, `new` or an address; not set: kept in a failover, new in a test.
    addresses with their prefix lengths, as 10.0.0.5/24; they, the gateway and the name servers are given to the guest.
    """

    network: str = ""
    mac: str = ""
    addresses: tuple[str, ...] = ()
    gateway: str = ""
    servers: tuple[str, ...] = ()


class Placement(Value, frozen=True):
    """A machine's cards by their names in its definition. uuid not set: kept in a failover, new in a test."""

    nics: Mapping[str, NicSetting] = msgspec.field(default_factory=dict)
    uuid: Literal["", "keep", "new"] = ""


class MachineNetworks(Value, frozen=True):
    """How one machine comes up on this site, where that is not as its definition and the site's rules say.

    name, cpus and memory (bytes) hold for failovers and tests; empty or 0: as in the definition.
    """

    failover: Placement = Placement()
    test: Placement = Placement()
    name: str = ""
    cpus: Annotated[int, msgspec.Meta(ge=0, le=4096)] = 0
    memory: Annotated[int, msgspec.Meta(ge=0, le=1 << 52)] = 0


class Look(Value, frozen=True):
    """One thing that was looked at. `hint`: what to do, where it is not well."""

    what: str
    verdict: Literal["pass", "warn", "fail"]
    words: str
    hint: str = ""


class MappedNic(Value, frozen=True):
    """Where a card comes up. `network` empty: nothing says it. `mac` empty: a new one each time."""

    nic: str
    source: str
    network: str
    mac: str
    addresses: tuple[str, ...] = ()
    gateway: str = ""
    servers: tuple[str, ...] = ()


class ShownNetworks(Value, frozen=True):
    """`site`: where the machine runs now. `own`: what is set for it. `failover` and `test`: what that and the site's rules come to."""

    machine: str
    site: str
    own: MachineNetworks
    failover: tuple[MappedNic, ...]
    test: tuple[MappedNic, ...]
    findings: tuple[Look, ...]
    """Of a failover."""
    test_findings: tuple[Look, ...]


def place_of(text: str) -> Place:
    """`InvalidRequest` if `text` is no place."""
    match = _PLACE.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"{text!r} is no place for a network card", hint=f"write {PLACES}")
    if match["bridge"]:
        return Place(kind="bridge", name=match["bridge"])
    if match["tap"]:
        return Place(kind="tap", name=match["tap"], namespace=match["namespace"] or "")
    if text == "none":
        return Place(kind="none")
    words = (match["user"] or "").split(",") if match["user"] else []
    forwards = [tuple(map(int, word.split("-"))) for word in words if word != "open"]
    if any(not 0 < port < 1 << 16 for pair in forwards for port in pair):
        raise InvalidRequest(f"{text!r} has a port that is none", hint="ports are from 1 to 65535")
    if len({here for here, _ in forwards}) < len(forwards):
        raise InvalidRequest(f"{text!r} forwards one port twice", hint="forward each port of this host once")
    return Place(kind="user", open="open" in words, forwards=tuple((here, there) for here, there in forwards))


def checked_networks(own: MachineNetworks) -> MachineNetworks:
    """`own` if it can be meant; else InvalidRequest. Whether addresses fit together is a finding, not an error."""
    if any(ord(character) < 32 or 127 <= ord(character) < 160 for character in own.name) or len(own.name) > 128:
        raise InvalidRequest("a machine's name has at most 128 characters, and no control characters")
    if own.memory and own.memory < 1 << 20:
        raise InvalidRequest(f"{own.memory} bytes of memory are too little for a machine", hint="give it 1MiB or more")
    for placement in (own.failover, own.test):
        for nic, setting in placement.nics.items():
            if setting.network:
                place_of(setting.network)
            if setting.mac not in ("", "keep", "new"):
                _must_be_mac(nic, setting.mac)
            _must_be_addresses(nic, setting)
            if (setting.gateway or setting.servers) and not setting.addresses:
                raise InvalidRequest(f"{nic}: a gateway or name server without an address", hint="give an address, such as 10.0.0.5/24")
    return own


def _must_be_addresses(nic: str, setting: NicSetting) -> None:
    """By their shape: those that have it and cannot be are findings."""
    for text in setting.addresses:
        if _WITH_PREFIX.fullmatch(text) is None:
            raise InvalidRequest(f"{nic}: {text!r} is no address with its prefix length", hint="write it as 10.0.0.5/24")
    for text in filter(None, (setting.gateway, *setting.servers)):
        if _ADDRESS.fullmatch(text) is None:
            raise InvalidRequest(f"{nic}: {text!r} is no IP address", hint="write one such as 10.0.0.1")


def _must_be_mac(nic: str, mac: str) -> None:
    if _MAC.fullmatch(mac) is None:
        raise InvalidRequest(f"{nic}: {mac!r} is no MAC address", hint="write keep, new or an address such as 52:54:00:12:34:56")
    if int(mac[:2], 16) & 1:
        raise InvalidRequest(f"{nic}: {mac} is a multicast address", hint="its second digit must be even")
