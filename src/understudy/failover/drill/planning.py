"""From a point's definition to what a test failover starts: an identity of its own, and the networks that it may see."""

import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from understudy.engine import Check, DrillNetwork, TcpCheck
from understudy.errors import InvalidRequest
from understudy.failover.networks.mapping import NetworkMapping, plan_networks
from understudy.hypervisor.protocol import Addresses, Isolated, Network, Tap, UserNetwork
from understudy.machine.definition import MachineDefinition


@dataclass(frozen=True, slots=True)
class Setting:
    """What is started, and where it is reached then. `addresses`: by a network card's address, to be given to the guest."""

    definition: MachineDefinition
    networks: Mapping[str, Network]
    addresses: Mapping[str, Addresses]
    findings: tuple[str, ...]


def planned(
    definition: MachineDefinition,
    network: DrillNetwork,
    mapping: NetworkMapping,
    checks: Iterable[Check],
    free_port: Callable[[], int],
) -> Setting:
    """`mapping`: of this site; it does not count where the test is isolated. A port that is to be checked gets a forward of 127.0.0.1, by
    which nothing but that port is reached, and nothing is reached from the guest."""
    mapped = plan_networks(definition, mapping if network == "mapped" else NetworkMapping(), "test")
    if mapped.fails:
        first = mapped.fails[0]
        raise InvalidRequest(f"{definition.name} cannot be tested on mapped networks: {first.words}", hint=first.hint)
    wanted = {check.port for check in checks if isinstance(check, TcpCheck) and not check.address}
    networks = dict(mapped.networks)
    for card in (nic.name for nic in mapped.definition.nics):
        place = networks.get(card, Isolated())
        if isinstance(place, UserNetwork) or (isinstance(place, Isolated) and network == "isolated"):
            networks[card] = _reached(place, wanted, free_port)
            break
    findings = tuple(finding.words for finding in mapped.findings)
    return Setting(mapped.definition, networks, mapped.addresses, findings)


def _reached(place: UserNetwork | Isolated, wanted: Iterable[int], free_port: Callable[[], int]) -> Network:
    forwards = place.forwards if isinstance(place, UserNetwork) else ()
    missing = sorted(set(wanted) - {guest for _, guest in forwards})
    if not missing:
        return place
    forwards = (*forwards, *((free_port(), port) for port in missing))
    return msgspec.structs.replace(place, forwards=forwards) if isinstance(place, UserNetwork) else UserNetwork(forwards=forwards)


def forwards_of(networks: Mapping[str, Network]) -> dict[int, int]:
    """Ports of the guest to those of 127.0.0.1 that lead there."""
    return {guest: here for place in networks.values() if isinstance(place, UserNetwork) for here, guest in place.forwards}


def namespace_of(networks: Mapping[str, Network]) -> str:
    return next((place.namespace for place in networks.values() if isinstance(place, Tap) and place.namespace), "")


def free_port() -> int:
    """One of 127.0.0.1 that nobody listens at now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
