"""A real guest sees the seed, and takes its addresses from its agent."""

import json

import pytest

from tests.hypervisor.stage import WAITS
from tests.hypervisor.test_guest import AGENT
from tests.live.agent_kit import with_agent
from understudy.failover.networks.guest import give_addresses
from understudy.failover.networks.seed import seed_files, write_seed
from understudy.hypervisor.protocol import Addresses, Host
from understudy.hypervisor.qemu import driver, guest
from understudy.hypervisor.qemu.arguments import arguments

UUID = "00112233-4455-6677-8899-aabbccddeeff"
LOOP, NIC = "00:00:00:00:00:00", "52:54:00:00:00:01"
GIVEN = {LOOP: Addresses(addresses=("10.0.0.5/24",), servers=("10.0.0.2",))}
LOOKS = """
echo "@labelled $(dd if=/dev/vdb bs=1 skip=32808 count=32 2>/dev/null)"
echo "@network $(tr -d '\\n' </dev/vdb | grep -ao '{ *"ethernets.*"version": *2 *}')"
echo "@instance $(tr -d '\\n' </dev/vdb | grep -ao '{"instance-id[^}]*}')"
echo x 2>/dev/null >/dev/vdb && echo "@wrote"
"""


@pytest.fixture
def kit(kit, root):
    return with_agent(kit, root)


async def test_a_guest_with_a_seed_and_an_agent(stage, define, root, monkeypatch):
    """The kit's kernel has no driver for the agent's own channel, nor for a network card: its socket is on a second serial port here, and
    its own loop stands for the card."""

    def with_port(definition, host, setting):
        socket = f"socket,id=ga,path={setting.places.agent},server=on,wait=off"
        return [*arguments(definition, host, setting), "-chardev", socket, "-serial", "chardev:ga"]

    monkeypatch.setattr(driver, "arguments", with_port)
    seed = root / "seed.iso"
    write_seed(seed, UUID, GIVEN)
    before = seed.read_bytes()
    definition, host = define(LOOKS + AGENT + WAITS)
    vms = stage.hypervisor
    await vms.start("web1", definition, Host(host.disks, seed=seed, accelerator="tcg"))
    lines = await stage.says("web1", "@up")
    # The kit's kernel knows no such file system: its label is where that has it.
    assert "@labelled cidata" in [line.rstrip() for line in lines]
    files = seed_files(UUID, GIVEN)
    (network,) = [line.removeprefix("@network ") for line in lines if line.startswith("@network ")]
    assert json.loads(network) == json.loads(files["network-config"])
    assert f"@instance {files['meta-data'].decode().strip()}" in lines
    assert "@wrote" not in lines
    assert seed.read_bytes() == before
    # A card that the guest has not is told, and the other is given what it is to have all the same.
    gone, given = await give_addresses(vms, "web1", {"52:54:00:00:00:99": GIVEN[LOOP], **GIVEN}, agent=True)
    assert (gone.way, given.way) == ("failed", "agent")
    assert "no network card 52:54:00:00:00:99" in gone.words
    assert "10.0.0.5/24" in (await vms.addresses("web1"))[LOOP]
    # Said again, nothing is done; nor where its agent refuses what it is first asked.
    (again,) = await give_addresses(vms, "web1", GIVEN, agent=True)
    assert again.way == "had"

    async def refused(socket):
        with guest.connected(socket) as agent:
            await agent.execute("guest-nothing", guest.ANSWERS)

    with monkeypatch.context() as patch:
        patch.setattr(guest, "ping", refused)
        (again,) = await give_addresses(vms, "web1", GIVEN, agent=True)
    assert again.way == "had"
    await vms.pause("web1")
    monkeypatch.setattr(guest, "ANSWERS", 0.2)
    for agent, why in ((True, "did not answer within 0 s"), (False, "no channel")):
        (silent,) = await give_addresses(vms, "web1", GIVEN, agent=agent, seconds=0)
        assert silent.way == "seed"
        assert why in silent.words
    assert await give_addresses(vms, "web1", {}, agent=True) == ()
