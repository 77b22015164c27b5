"""Checks of a guest that runs, with the real agent, and ends."""

import socket

import pytest

from tests.hypervisor.stage import WAITS
from tests.live.agent_kit import SERVE, with_agent
from understudy.engine import AgentCheck, ConsoleCheck, RunningCheck, TcpCheck
from understudy.failover.health.checking import examined
from understudy.failover.health.subject import Subject
from understudy.hypervisor.protocol import Host, UserNetwork
from understudy.hypervisor.qemu import driver
from understudy.hypervisor.qemu.arguments import arguments

AGENT = f"""
mkdir -p /sbin /etc
{SERVE}
echo @up
"""


@pytest.fixture
def kit(kit, root):
    return with_agent(kit, root)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


async def test_a_guest_with_an_agent_and_one_that_dies(stage, define, monkeypatch):
    """The kit's kernel has no driver for the agent's own channel, so its socket is on a second serial port; nor for its network card,
    so that nothing answers where QEMU accepts connections for it."""

    def with_port(definition, host, setting):
        agent = f"socket,id=ga,path={setting.places.agent},server=on,wait=off"
        return [*arguments(definition, host, setting), "-chardev", agent, "-serial", "chardev:ga"]

    monkeypatch.setattr(driver, "arguments", with_port)
    definition, given = define(AGENT + WAITS)
    port = free_port()
    host = Host(given.disks, {"nic0": UserNetwork(forwards=((port, 22),))}, accelerator="tcg")
    await stage.hypervisor.start("web1", definition, host)
    subject = Subject(stage.hypervisor, "web1", "0" * 32, "web", "1" * 32, forwards={22: port})
    checks = [AgentCheck(), ConsoleCheck(pattern="^@(up|down)$"), RunningCheck(seconds=0.5), TcpCheck(port=22, timeout=4)]
    found = await examined(subject, checks, lambda _: None)
    assert [check.outcome for check in found] == ["passed", "passed", "passed", "failed"], found
    assert found[1].words == "the console shows '@up'"
    # QEMU accepted the connection; that is no proof.
    assert found[3].words == "not within 4 s: it did not answer"
    await stage.hypervisor.destroy("web1", "somebody ended it")
    died = await examined(subject, [AgentCheck(), ConsoleCheck(pattern="never"), RunningCheck()], lambda _: None)
    assert [check.outcome for check in died] == ["failed"] * 3
    assert all("the machine does not run: ended: somebody ended it" in check.words for check in died)
