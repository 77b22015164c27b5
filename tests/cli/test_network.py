"""What a machine is joined to on this site: set, shown and taken back, a card at a time."""

import json

import pytest

from tests.api.fake_service import FakeService
from tests.cli.conftest import Typed
from understudy.engine import MachineNetworks, NicSetting, Placement
from understudy.errors import InvalidRequest, NotFound


def test_a_card_at_a_time(daemon: FakeService, typed: Typed) -> None:
    words = ("network", "set", "web", "--nic", "net0")
    assert typed(*words, "--to", "bridge:br1", "--address", "10.0.0.5/24", "--gateway", "10.0.0.1", "--dns", "10.0.0.2").exit_code == 0
    assert typed(*words, "--test", "--to", "tap:t0@lab", "--mac", "keep").exit_code == 0
    assert typed(*words, "--uuid", "new", "--mac", "new").exit_code == 0
    assert typed("network", "set", "web", "--name", "web2", "--cpus", "2", "--memory", "2GiB").exit_code == 0
    card = NicSetting(network="bridge:br1", mac="new", addresses=("10.0.0.5/24",), gateway="10.0.0.1", servers=("10.0.0.2",))
    lab = NicSetting(network="tap:t0@lab", mac="keep")
    expected = MachineNetworks(
        failover=Placement(nics={"net0": card}, uuid="new"), test=Placement(nics={"net0": lab}), name="web2", cpus=2, memory=2 << 30
    )
    assert daemon.networks_set == {"web": expected}
    assert [action for _, action, _ in daemon.audited] == ["setNetworks"] * 4
    # Another address has another gateway.
    assert typed(*words, "--address", "10.1.0.5/24", "--address", "fd00::5/64").exit_code == 0
    assert daemon.networks_set["web"].failover.nics["net0"] == NicSetting(
        network="bridge:br1", mac="new", addresses=("10.1.0.5/24", "fd00::5/64")
    )
    assert typed(*words, "--no-address").exit_code == 0
    assert daemon.networks_set["web"].failover.nics["net0"] == NicSetting(network="bridge:br1", mac="new")
    assert typed("network", "clear", "web", "--nic", "net9").exit_code == NotFound.exit_code
    assert typed("network", "clear", "web", "--nic", "net0", "--test").exit_code == 0
    assert daemon.networks_set["web"].test == Placement()
    assert daemon.networks_set["web"].failover.nics.keys() == {"net0"}
    assert typed("network", "clear", "web", "--nic", "net0").exit_code == 0
    assert daemon.networks_set["web"].failover == Placement(uuid="new")
    assert typed("network", "clear", "web").exit_code == 0
    assert daemon.networks_set == {}


def test_what_is_shown(daemon: FakeService, typed: Typed) -> None:
    typed("network", "set", "web", "--cpus", "2")
    told = " ".join(typed("network", "show", "web").stdout.split())
    for words in (
        "web: runs at host-b here: 2 processors",
        "net0 br0 bridge:br1 52:54:00:00:00:01 10.0.0.5/24 - -",
        "net1 dmz not mapped",
        "fail: net1: nothing says what stands for dmz here say it",
    ):
        assert words in told
    shown = json.loads(typed("network", "show", "web", "--json").stdout)
    assert shown["own"]["cpus"] == 2
    assert shown["findings"][0]["verdict"] == "fail"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing says what should change"),
        (("--to", "none"), "name it with --nic"),
        (("--nic", "net0"), "name it with --nic"),
        (("--nic", "net0", "--to", "br0"), "is no place"),
        (("--nic", "net0", "--mac", "52:54"), "is no MAC address"),
        (("--nic", "net0", "--gateway", "10.0.0.1"), "without an address"),
        (("--nic", "net0", "--no-address", "--dns", "10.0.0.1"), "--no-address excludes"),
        (("--nic", "net0", "--address", "10.0.0.5"), "'10.0.0.5' is no address with its prefix length"),
        (("--nic", "net0", "--address", "10.0.0.5/24", "--gateway", "router"), "'router' is no IP address"),
        (("--nic", "net0", "--address", "10.0.0.5/24", "--dns", "ns.lan"), "'ns.lan' is no IP address"),
        (("--memory", "1000"), "too little"),
    ],
)
def test_what_makes_no_sense(daemon: FakeService, typed: Typed, words: tuple[str, ...], said: str) -> None:
    done = typed("network", "set", "web", *words)
    assert done.exit_code == InvalidRequest.exit_code, done.stderr
    assert said in done.stderr
    assert daemon.networks_set == {}
