"""A guest with the real agent: asked, configured and shut down by it."""

import pytest

from tests.hypervisor.stage import WAITS
from tests.live.agent_kit import SERVE, with_agent
from understudy.errors import SourceRefused, SourceUnavailable
from understudy.hypervisor.protocol import Addresses, Patience, Status
from understudy.hypervisor.qemu import driver
from understudy.hypervisor.qemu.arguments import arguments

AGENT = f"""
mkdir -p /sbin /etc
printf '#!/bin/sh\\npoweroff -f\\n' >/sbin/shutdown
chmod +x /sbin/shutdown
{SERVE}
echo @up
"""


@pytest.fixture
def kit(kit, root):
    return with_agent(kit, root)


async def test_by_its_agent(stage, define, monkeypatch):
    """The kit's kernel has no driver for the agent's own channel: its socket is on a second serial port here."""

    def with_port(definition, host, setting):
        socket = f"socket,id=ga,path={setting.places.agent},server=on,wait=off"
        return [*arguments(definition, host, setting), "-chardev", socket, "-serial", "chardev:ga"]

    monkeypatch.setattr(driver, "arguments", with_port)
    definition, host = define(AGENT + WAITS)
    vms = stage.hypervisor
    await vms.start("web1", definition, host)
    await stage.says("web1", "@up")
    await vms.ping("web1")
    done = await vms.run_in_guest("web1", ["/bin/sh", "-c", "echo said; echo wrong >&2; exit 3"], 30)
    assert (done.status, done.output, done.errors) == (3, "said\n", "wrong\n")
    with pytest.raises(SourceRefused):
        await vms.run_in_guest("web1", ["/no/such/program"], 30)
    with pytest.raises(SourceUnavailable, match="no network card"):
        await vms.configure("web1", "52:54:00:00:00:99", Addresses(addresses=("10.0.0.5/24",)))
    # Its network card has no driver in this kernel, and its own loop has the address of none.
    addresses = Addresses(addresses=("10.0.0.5/24",), servers=("10.0.0.1", "10.0.0.2"))
    await vms.configure("web1", "00:00:00:00:00:00", addresses)
    shown = await vms.run_in_guest("web1", ["/bin/sh", "-c", "ip addr show lo; cat /etc/resolv.conf"], 30)
    assert "inet 10.0.0.5/24" in shown.output
    assert shown.output.endswith("nameserver 10.0.0.1\nnameserver 10.0.0.2\n")
    (step,) = await vms.shut_down("web1", Patience(agent=60, acpi=60))
    assert (step.way, step.worked, step.outcome) == ("agent", True, "shut down by its guest")
    state = await vms.state("web1")
    assert (state.status, state.reason) == (Status.ENDED, "shut down by its guest")
