"""From a machine as it was to a machine as it comes up on this site. Pure, but for the new identities that it draws."""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from understudy.engine import ANY, MachineNetworks, NetworkRule, NicSetting, Place, Placement, StartKind, place_of
from understudy.failover.networks.addresses import conflicts, objections
from understudy.hypervisor.protocol import ISOLATED, Addresses, Bridge, Finding, Network, Tap, UserNetwork
from understudy.machine.definition import MachineDefinition, Nic
from understudy.machine.identity import fresh_mac

NETWORKS, GUEST = "networks", "addresses"


@dataclass(frozen=True, slots=True)
class NetworkMapping:
    """`rules` of this site, `own` of the machine, which commands know as `machine` and whose networks are as at `site`. `places`: what this
    host has to join a card to, as it is written."""

    rules: tuple[NetworkRule, ...] = ()
    own: MachineNetworks = field(default_factory=MachineNetworks)
    site: str = ""
    machine: str = ""
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mapped:
    """The machine as it is to be started here. `networks` by card, `addresses` by the card's address in `definition`.

    A failover with a finding that fails must not begin: what is not known is isolated in `networks`.
    """

    definition: MachineDefinition
    networks: Mapping[str, Network]
    addresses: Mapping[str, Addresses]
    findings: tuple[Finding, ...]
    machine: str = ""
    """As commands know it."""

    @property
    def seed(self) -> bool:
        """Whether a seed image is to be attached: the guest is given addresses."""
        return bool(self.addresses)

    @property
    def fails(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict == "fail")


def plan_networks(
    definition: MachineDefinition,
    mapping: NetworkMapping,
    kind: StartKind,
    new_mac: Callable[[], str] = fresh_mac,
    new_uuid: Callable[[], str] = lambda: str(uuid.uuid4()),
) -> Mapped:
    """Of a failover every network must be mapped, if only to `none`, and MAC and UUID stay unless it is said otherwise. A test is isolated
    and has an identity of its own, unless it is said otherwise."""
    own = mapping.own.failover if kind == "failover" else mapping.own.test
    nics, networks, addresses = [], dict[str, Network](), dict[str, Addresses]()
    machine = mapping.machine or definition.name
    correct = f"correct it: understudy network set {machine}"
    findings = _strangers(definition, own, machine)
    taken = {nic.mac for nic in definition.nics}
    for nic in definition.nics:
        setting = own.nics.get(nic.name, NicSetting())
        mac = mac_of(nic, setting, kind) or _new(new_mac, taken)
        taken.add(mac)
        place = place_for(nic, setting, mapping, kind)
        networks[nic.name] = network_of(place_of(place)) if place else ISOLATED
        findings.append(_mapped(nic, place, mapping, machine, kind))
        nics.append(msgspec.structs.replace(nic, mac=mac))
        if setting.addresses:
            found = objections(nic.name, setting)
            findings += [Finding(GUEST, "fail", words, f"{correct} --nic {nic.name}") for words in found]
            if not found:
                addresses[mac] = Addresses(addresses=setting.addresses, gateway=setting.gateway, servers=setting.servers)
    findings += _together(nics, networks, {nic: setting for nic, setting in own.nics.items() if setting.addresses}, correct)
    if addresses and not definition.agent:
        words = "its definition has no channel for the guest's agent: only cloud-init in the guest can take its addresses"
        findings.append(Finding(GUEST, "warn", words, "give it `agent = true` in its definition, if an agent runs in it"))
    elif addresses:
        findings.append(Finding(GUEST, "pass", "they go to the guest's agent, and to cloud-init on a seed image"))
    return Mapped(_as_started(definition, nics, mapping.own, own, kind, new_uuid), networks, addresses, tuple(findings), machine)


def place_for(nic: Nic, setting: NicSetting, mapping: NetworkMapping, kind: StartKind) -> str:
    """The card's own setting, else the rule for its network at its site, for its network, for every network; empty: nothing says."""
    if setting.network:
        return setting.network
    for source, site in ((nic.network, mapping.site), (nic.network, ""), (ANY, mapping.site), (ANY, "")):
        for rule in mapping.rules:
            place = rule.target if kind == "failover" else rule.test
            if (rule.source, rule.site) == (source, site) and place:
                return place
    return ""


def mac_of(nic: Nic, setting: NicSetting, kind: StartKind) -> str:
    """Empty: a new one."""
    wanted = setting.mac or ("keep" if kind == "failover" else "new")
    return {"keep": nic.mac, "new": ""}.get(wanted, wanted)


def network_of(place: Place) -> Network:
    match place.kind:
        case "bridge":
            return Bridge(place.name)
        case "tap":
            return Tap(place.name, place.namespace)
        case "user":
            return UserNetwork(restricted=not place.open, forwards=place.forwards)
        case "none":
            return ISOLATED


def _new(new_mac: Callable[[], str], taken: Collection[str]) -> str:
    while (mac := new_mac()) in taken:
        pass
    return mac


def _as_started(
    definition: MachineDefinition,
    nics: Sequence[Nic],
    machine: MachineNetworks,
    own: Placement,
    kind: StartKind,
    new_uuid: Callable[[], str],
) -> MachineDefinition:
    wanted = own.uuid or ("keep" if kind == "failover" else "new")
    cpu = definition.cpu
    if machine.cpus and machine.cpus != cpu.count:
        # Its topology was that of another number of processors.
        cpu = msgspec.structs.replace(cpu, count=machine.cpus, sockets=0, dies=0, cores=0, threads=0, most=0)
    return msgspec.structs.replace(
        definition,
        name=machine.name or definition.name,
        uuid=definition.uuid if wanted == "keep" else new_uuid(),
        memory=machine.memory or definition.memory,
        cpu=cpu,
        nics=tuple(nics),
    )


def _strangers(definition: MachineDefinition, own: Placement, machine: str) -> list[Finding]:
    names = [nic.name for nic in definition.nics]
    there = f"it has {', '.join(names)}" if names else "it has none"
    words = "a network card {} is mapped, and the machine has none of that name"
    hint = f"{there}; take that back: understudy network clear {machine} --nic "
    return [Finding(NETWORKS, "fail", words.format(name), hint + name) for name in own.nics if name not in names]


def _mapped(nic: Nic, place: str, mapping: NetworkMapping, machine: str, kind: StartKind) -> Finding:
    home = f"{nic.network or 'an unknown network'}{f' at {mapping.site}' if mapping.site else ''}"
    if place:
        return Finding(NETWORKS, "pass", f"{nic.name}: {home} becomes {place}")
    if kind == "test":
        return Finding(NETWORKS, "pass", f"{nic.name}: {home} is mapped to no test network: isolated")
    first, *others = *mapping.places, "user", "none"
    hint = f"understudy network set {machine} --nic {nic.name} --to {first} (or {', '.join(others)}); for all machines: [[networks]]"
    return Finding(NETWORKS, "fail", f"{nic.name}: nothing says what stands for {home} here", hint)


def _together(nics: Sequence[Nic], networks: Mapping[str, Network], given: Mapping[str, NicSetting], hint: str) -> list[Finding]:
    """What two cards of one machine cannot both have."""
    macs = [nic.mac for nic in nics]
    found = [f"two network cards have the MAC address {mac}" for mac in sorted({mac for mac in macs if macs.count(mac) > 1})]
    taps = [network for network in networks.values() if isinstance(network, Tap)]
    found += [f"two network cards are joined to tap {tap.interface}" for tap in dict.fromkeys(taps) if taps.count(tap) > 1]
    if len({tap.namespace for tap in taps}) > 1:
        found.append("its taps are in several network namespaces, and a machine is in one")
    elif any(tap.namespace for tap in taps) and any(isinstance(network, Bridge) for network in networks.values()):
        found.append("a bridge of this host cannot be reached from the network namespace of its taps")
    ports = [here for network in networks.values() if isinstance(network, UserNetwork) for here, _ in network.forwards]
    found += [f"port {port} of this host is forwarded to two network cards" for port in sorted({p for p in ports if ports.count(p) > 1})]
    return [Finding(NETWORKS, "fail", words, hint) for words in found] + [Finding(GUEST, "fail", words, hint) for words in conflicts(given)]
