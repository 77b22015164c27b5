"""What a machine's networks come to on this site, as an operator sees it. Pure."""

from collections.abc import Sequence

from understudy.engine import Look, MappedNic, NicSetting, ShownNetworks, StartKind
from understudy.failover.networks.mapping import NetworkMapping, mac_of, place_for
from understudy.hypervisor.protocol import Finding
from understudy.machine.definition import MachineDefinition


def shown_networks(
    definition: MachineDefinition, mapping: NetworkMapping, failover: Sequence[Finding], test: Sequence[Finding], machine: str
) -> ShownNetworks:
    return ShownNetworks(
        machine=machine,
        site=mapping.site,
        own=mapping.own,
        failover=_nics(definition, mapping, "failover"),
        test=_nics(definition, mapping, "test"),
        findings=looks(failover),
        test_findings=looks(test),
    )


def looks(findings: Sequence[Finding]) -> tuple[Look, ...]:
    return tuple(Look(what=found.what, verdict=found.verdict, words=found.words, hint=found.hint) for found in findings)


def _nics(definition: MachineDefinition, mapping: NetworkMapping, kind: StartKind) -> tuple[MappedNic, ...]:
    own = (mapping.own.failover if kind == "failover" else mapping.own.test).nics
    found = []
    for nic in definition.nics:
        setting = own.get(nic.name, NicSetting())
        place = place_for(nic, setting, mapping, kind)
        found.append(
            MappedNic(
                nic=nic.name,
                source=nic.network,
                network=place or ("none" if kind == "test" else ""),
                mac=mac_of(nic, setting, kind),
                addresses=setting.addresses,
                gateway=setting.gateway,
                servers=setting.servers,
            )
        )
    return tuple(found)
