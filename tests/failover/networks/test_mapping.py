"""What a machine's network cards become on another site, by tables."""

import msgspec
import pytest

from understudy.engine import MachineNetworks, NetworkRule, NicSetting, Placement, checked_networks, place_of
from understudy.errors import InvalidRequest
from understudy.failover.networks.mapping import NetworkMapping, plan_networks
from understudy.hypervisor.protocol import ISOLATED, Addresses, Bridge, Tap, UserNetwork
from understudy.machine.definition import Cpu, MachineDefinition, Nic
from understudy.machine.reading import judged

UUID = "00112233-4455-6677-8899-aabbccddeeff"
FIRST, SECOND = "52:54:00:00:00:01", "52:54:00:00:00:02"
WEB = MachineDefinition(
    name="web",
    uuid=UUID,
    memory=1 << 30,
    cpu=Cpu(count=4, sockets=2, cores=2),
    agent=True,
    nics=(Nic(name="net0", mac=FIRST, network="br0"), Nic(name="net1", mac=SECOND, network="dmz")),
)
RULES = (
    NetworkRule(source="br0", target="bridge:br1", test="bridge:lab"),
    NetworkRule(source="br0", target="bridge:br2", site="host-a"),
    NetworkRule(source="*", target="none", site="host-b"),
    NetworkRule(source="*", test="tap:t0@drill", site="host-c"),
)


def mapping(site="host-a", own=None, rules=RULES):
    return NetworkMapping(rules, own or MachineNetworks(), site)


def failing(mapped):
    return [finding.words for finding in mapped.fails]


@pytest.mark.parametrize(
    ("site", "kind", "expected"),
    [
        # The rule of the site counts before that of any site, and one that says nothing of this kind is no rule.
        ("host-a", "failover", {"net0": Bridge("br2"), "net1": ISOLATED}),
        ("host-a", "test", {"net0": Bridge("lab"), "net1": ISOLATED}),
        ("host-b", "failover", {"net0": Bridge("br1"), "net1": ISOLATED}),
        ("host-c", "test", {"net0": Bridge("lab"), "net1": Tap("t0", "drill")}),
        ("elsewhere", "failover", {"net0": Bridge("br1"), "net1": ISOLATED}),
    ],
)
def test_rules_of_a_pair_of_sites(site, kind, expected):
    assert plan_networks(WEB, mapping(site), kind).networks == expected


def test_what_nothing_maps_fails_a_failover_and_isolates_a_test():
    mapped = plan_networks(WEB, mapping("host-a"), "failover")
    assert failing(mapped) == ["net1: nothing says what stands for dmz at host-a here"]
    assert mapped.fails[0].hint.startswith("understudy network set web --nic net1 --to user (or none); ")
    here = NetworkMapping(RULES, site="host-a", machine="shop", places=("bridge:br7", "tap:t1"))
    hint = plan_networks(WEB, here, "failover").fails[0].hint
    assert hint.startswith("understudy network set shop --nic net1 --to bridge:br7 (or tap:t1, user, none); ")
    assert failing(plan_networks(WEB, mapping("host-b"), "failover")) == []
    for rules in (RULES, ()):
        assert failing(plan_networks(WEB, mapping(rules=rules), "test")) == []
    assert plan_networks(WEB, mapping(rules=()), "test").networks == {"net0": ISOLATED, "net1": ISOLATED}


def test_a_failover_is_the_machine_and_a_test_is_another():
    kept = plan_networks(WEB, mapping("host-b"), "failover").definition
    assert kept == WEB
    fresh = plan_networks(WEB, mapping("host-b"), "test").definition
    assert fresh.uuid != UUID
    macs = {nic.mac for nic in fresh.nics}
    assert len(macs) == 2
    assert not macs & {FIRST, SECOND}
    assert msgspec.structs.replace(fresh, uuid=UUID, nics=WEB.nics) == WEB
    judged(fresh)


def test_a_new_address_is_none_that_the_machine_has():
    drawn = iter([FIRST, "52:54:00:00:00:03", "52:54:00:00:00:03", SECOND, "52:54:00:00:00:04"])
    mapped = plan_networks(WEB, mapping(), "test", new_mac=lambda: next(drawn))
    assert [nic.mac for nic in mapped.definition.nics] == ["52:54:00:00:00:03", "52:54:00:00:00:04"]


def test_what_is_set_for_the_machine_counts_first():
    own = MachineNetworks(
        failover=Placement(
            nics={
                "net0": NicSetting(network="tap:t1@apart", addresses=("10.0.0.5/24",), gateway="10.0.0.1", servers=("10.0.0.2",)),
                "net1": NicSetting(network="user:open,2222-22", mac="new"),
            },
            uuid="new",
        ),
        test=Placement(nics={"net0": NicSetting(mac="keep"), "net1": NicSetting(mac="52:54:00:00:00:09")}, uuid="keep"),
        name="web-here",
        cpus=2,
        memory=1 << 29,
    )
    mapped = plan_networks(WEB, mapping(own=checked_networks(own)), "failover", new_mac=lambda: "52:54:00:00:00:07")
    assert mapped.networks == {"net0": Tap("t1", "apart"), "net1": UserNetwork(restricted=False, forwards=((2222, 22),))}
    assert mapped.addresses == {FIRST: Addresses(addresses=("10.0.0.5/24",), gateway="10.0.0.1", servers=("10.0.0.2",))}
    assert mapped.seed
    assert failing(mapped) == []
    here = mapped.definition
    assert (here.name, here.cpu, here.memory) == ("web-here", Cpu(count=2), 1 << 29)
    assert here.uuid != UUID
    assert [nic.mac for nic in here.nics] == [FIRST, "52:54:00:00:00:07"]
    tested = plan_networks(WEB, mapping(own=own), "test")
    assert [nic.mac for nic in tested.definition.nics] == [FIRST, "52:54:00:00:00:09"]
    assert tested.definition.uuid == UUID
    assert not tested.seed


@pytest.mark.parametrize(
    ("nics", "words"),
    [
        ({"eth9": NicSetting(network="none")}, "a network card eth9 is mapped, and the machine has none of that name"),
        ({"net0": NicSetting(mac=SECOND)}, f"two network cards have the MAC address {SECOND}"),
        ({"net0": NicSetting(network="tap:t0"), "net1": NicSetting(network="tap:t0")}, "two network cards are joined to tap t0"),
        ({"net0": NicSetting(network="tap:t0@a"), "net1": NicSetting(network="tap:t0")}, "its taps are in several network namespaces"),
        ({"net0": NicSetting(network="tap:t0@a"), "net1": NicSetting(network="bridge:b")}, "a bridge of this host cannot be reached"),
        ({"net0": NicSetting(network="user:1-2"), "net1": NicSetting(network="user:1-3")}, "port 1 of this host is forwarded to two"),
        ({"net0": NicSetting(addresses=("10.0.0.5",))}, "net0: 10.0.0.5 lacks its prefix length"),
        ({"net0": NicSetting(addresses=("10.0.0.5/33",))}, "net0: 10.0.0.5/33 is no address with a prefix length"),
        ({"net0": NicSetting(addresses=("10.0.0.5/255.0.0.0",))}, "lacks its prefix length"),
        ({"net0": NicSetting(addresses=("10.0.0.255/24",))}, "is the network's own address, or its broadcast address"),
        ({"net0": NicSetting(addresses=("224.0.0.5/24",))}, "is not an address that a network card can have"),
        ({"net0": NicSetting(addresses=("10.0.0.5/24",), gateway="10.0.1.1")}, "the gateway 10.0.1.1 is not in 10.0.0.0/24"),
        ({"net0": NicSetting(addresses=("10.0.0.5/24",), gateway="10.0.0.5")}, "is the card's own address"),
        ({"net0": NicSetting(addresses=("10.0.0.5/24",), gateway="fe80::1")}, "the gateway fe80::1 is not in"),
        ({"net0": NicSetting(addresses=("10.0.0.5/24",), gateway="gate")}, "the gateway gate is no address"),
        ({"net0": NicSetting(addresses=("10.0.0.5/24",), servers=("0.0.0.0",))}, "0.0.0.0 is no name server's address"),
        (
            {"net0": NicSetting(addresses=("fd00::5/64",)), "net1": NicSetting(addresses=("fd00:0::5/48",))},
            "the address fd00::5 is given to net0 and net1",
        ),
        ({"net0": NicSetting(addresses=("10.0.0.5/24", "10.0.0.5/16"))}, "the address 10.0.0.5 is given to net0 twice"),
        (
            {
                "net0": NicSetting(addresses=("10.0.0.5/24",), gateway="10.0.0.1"),
                "net1": NicSetting(addresses=("10.0.1.5/24",), gateway="10.0.1.1"),
            },
            "two network cards have a default gateway of IPv4",
        ),
    ],
)
def test_what_cannot_be(nics, words):
    mapped = plan_networks(WEB, mapping("host-b", MachineNetworks(failover=Placement(nics=nics))), "failover")
    (finding,) = mapped.fails
    assert words in finding.words
    assert finding.hint


@pytest.mark.parametrize(
    "setting",
    [
        NicSetting(addresses=("10.0.0.0/31",), gateway="10.0.0.1"),
        NicSetting(addresses=("fd00::5/64", "10.0.0.5/8"), gateway="fe80::1", servers=("fd00::1", "10.1.2.3")),
        NicSetting(addresses=("192.0.2.7/32",)),
    ],
)
def test_what_can(setting):
    own = MachineNetworks(failover=Placement(nics={"net0": setting}))
    assert failing(plan_networks(WEB, mapping("host-b", own), "failover")) == []


def test_addresses_that_nobody_may_take_are_told():
    own = MachineNetworks(failover=Placement(nics={"net0": NicSetting(addresses=("10.0.0.5/24",))}))
    mapped = plan_networks(msgspec.structs.replace(WEB, agent=False), mapping("host-b", own), "failover")
    assert [finding.verdict for finding in mapped.findings if finding.what == "addresses"] == ["warn"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bridge",
        "bridge:",
        "bridge:a b",
        "bridge:abcdefghijklmnop",
        "tap:t@",
        "tap:t/../x",
        "user:",
        "user:22",
        "user:0-22",
        "user:1-2,1-3",
    ],
)
def test_places_that_are_none(text):
    with pytest.raises(InvalidRequest):
        place_of(text)


@pytest.mark.parametrize(
    "own",
    [
        MachineNetworks(name="a\nb"),
        MachineNetworks(memory=1000),
        MachineNetworks(test=Placement(nics={"net0": NicSetting(network="br0")})),
        MachineNetworks(test=Placement(nics={"net0": NicSetting(mac="other")})),
        MachineNetworks(test=Placement(nics={"net0": NicSetting(mac="01:00:5e:00:00:01")})),
        MachineNetworks(test=Placement(nics={"net0": NicSetting(gateway="10.0.0.1")})),
    ],
)
def test_settings_that_cannot_be_meant(own):
    with pytest.raises(InvalidRequest):
        checked_networks(own)
