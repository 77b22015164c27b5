"""Checks against machines that run, die and say nothing, and against programs that behave in no way."""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from understudy.engine import AgentCheck, ConsoleCheck, RunningCheck, ScriptCheck, TcpCheck, checked_checks
from understudy.errors import InvalidRequest
from understudy.failover.health.checking import default_checks, examined
from understudy.failover.health.subject import Subject
from understudy.hypervisor.protocol import State, Status


class Still:
    """A run that only says how it is and what it said: for checks that ask no guest."""

    def __init__(self, text: bytes = b"", status: Status = Status.RUNNING) -> None:
        self.text, self.status = text, status

    async def state(self, run: str) -> State:
        return State(self.status, "as told")

    async def console(self, run: str) -> bytes:
        return self.text


def subject_of(hypervisor, run="run", **more) -> Subject:
    return Subject(hypervisor, run, "0" * 32, "web", "1" * 32, **more)


async def one(subject, check):
    heard: list[str] = []
    (found,) = await examined(subject, [check], heard.append)
    assert heard == [found.what]
    return found


@pytest.mark.parametrize("status", [Status.PANICKED, Status.SHUT_DOWN, Status.STORAGE_ERROR, Status.CRASHED, Status.ABSENT])
async def test_what_does_not_run_is_not_well_at_once(status):
    found = await one(subject_of(Still(b"login:", status)), ConsoleCheck(pattern="login"))
    assert (found.outcome, found.words) == ("failed", f"the machine does not run: {status.value}: as told")


@pytest.mark.parametrize("status", [Status.PAUSED, Status.SILENT, Status.STARTING])
async def test_what_may_run_yet_is_waited_for(status):
    still = Still(b"login:", status)
    asyncio.get_running_loop().call_later(0.3, setattr, still, "status", Status.RUNNING)
    found = await one(subject_of(still), ConsoleCheck(pattern="login"))
    assert found.outcome == "passed"


async def test_consoles():
    text = b"[ 0.1] boot\r\nDebian 12 web ttyS0\r\n\r\nweb login: \x1b[0m\0\xff"
    found = await one(subject_of(Still(text)), ConsoleCheck(pattern="^web login"))
    assert (found.outcome, found.words) == ("passed", "the console shows 'web login: \\x1b[0m\ufffd'")
    found = await one(subject_of(Still(text)), ConsoleCheck(pattern="^panic", timeout=1.5))
    assert (found.outcome, found.words[:40]) == ("failed", "not within 1.5 s: the console's last lin")


async def test_a_pattern_without_end_harms_nobody(monkeypatch):
    monkeypatch.setattr("understudy.failover.health.console.THINKING", 0.5)
    late = asyncio.create_task(one(subject_of(Still(b"a" * 40)), ConsoleCheck(pattern="^(a+)+$x")))
    ticks = 0
    while not late.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert late.result().outcome == "failed"
    assert "takes too long" in late.result().words
    assert ticks > 5


async def test_ports():
    async def serve(reader, writer):
        writer.write(b"SSH-2.0-x\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    still = Still()
    assert (await one(subject_of(still, forwards={22: port}), TcpCheck(port=22))).words == "it answered: SSH-2.0-x"
    assert (await one(subject_of(still, addresses=("127.0.0.1",)), TcpCheck(port=port))).outcome == "passed"
    assert (await one(subject_of(still), TcpCheck(port=port, address="127.0.0.1"))).outcome == "passed"
    server.close()
    await server.wait_closed()
    refused = await one(subject_of(still), TcpCheck(port=port, address="127.0.0.1", timeout=1))
    assert refused.outcome == "failed"
    assert (await one(subject_of(still), TcpCheck(port=22))).words.startswith("no address of the guest is known")


@pytest.fixture
def namespace() -> Iterator[str]:
    """With a server at port 7 of its own 127.0.0.1."""
    name = f"us-{secrets.token_hex(4)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        serve = "import socket; s = socket.create_server(('127.0.0.1', 7)); print(flush=True); s.accept(); s.accept()"
        with subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", serve], stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            server.stdout.readline()
            yield name
            server.kill()
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


async def test_a_port_in_a_namespace(namespace):
    subject = subject_of(Still(), addresses=("127.0.0.1",), namespace=namespace)
    assert (await one(subject, TcpCheck(port=7))).outcome == "passed"
    assert "refused" in (await one(subject, TcpCheck(port=8, timeout=2))).words


async def test_scripts(tmp_path):
    def script(text: str) -> ScriptCheck:
        path = tmp_path / secrets.token_hex(4)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return ScriptCheck(program=str(path), arguments=("a b",), timeout=20)

    subject = subject_of(Still(), forwards={22: 4022, 80: 4080}, addresses=("10.0.0.5",), namespace="test")
    found = await one(subject, script('echo "$1"; env | grep ^UNDERSTUDY_ | sort'))
    assert found.outcome == "passed"
    assert found.output.splitlines() == [
        "a b",
        "UNDERSTUDY_ADDRESSES=10.0.0.5",
        "UNDERSTUDY_FORWARDS=22=127.0.0.1:4022 80=127.0.0.1:4080",
        f"UNDERSTUDY_MACHINE={'0' * 32}",
        "UNDERSTUDY_MACHINE_NAME=web",
        "UNDERSTUDY_NAMESPACE=test",
        f"UNDERSTUDY_POINT={'1' * 32}",
        "UNDERSTUDY_RUN=run",
    ]
    found = await one(subject, script("echo no database >&2; exit 3"))
    assert found.outcome == "failed"
    assert found.words.endswith("ended with status 3: no database")
    assert (await one(subject, script("kill -9 $$"))).words.endswith("ended with signal 9")
    found = await one(subject, ScriptCheck(program=str(tmp_path / "absent")))
    assert found.words.endswith("absent could not be run: No such file or directory")
    found = await one(subject, script("head -c 30000000 /dev/zero | tr '\\0' x; echo; echo end"))
    assert found.outcome == "passed"
    assert found.output.endswith("x\nend\n")
    assert len(found.output) <= 4096


async def test_what_a_script_leaves_behind_ends_with_it(tmp_path):
    path = tmp_path / "hangs"
    path.write_text(f"#!/bin/sh\nsleep 1000 & echo $! >{tmp_path}/child\nsleep 1000\n")
    path.chmod(0o755)
    found = await one(subject_of(Still()), ScriptCheck(program=str(path), timeout=1))
    assert (found.outcome, found.words[:12]) == ("failed", "not within 1")
    child = int((tmp_path / "child").read_text())
    for _ in range(200):
        if is_over(child):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the script's child goes on")


def is_over(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(
    "check",
    [
        TcpCheck(port=0),
        TcpCheck(port=70000),
        TcpCheck(port=22, address="web.example"),
        ConsoleCheck(pattern="("),
        ConsoleCheck(pattern=""),
        ConsoleCheck(pattern="x" * 2000),
        ScriptCheck(program="relative"),
        ScriptCheck(program="/bin/true", arguments=("\x1b",)),
        AgentCheck(timeout=0),
        AgentCheck(timeout=float("nan")),
        RunningCheck(seconds=1e9),
    ],
)
def test_checks_that_cannot_be_meant(check):
    with pytest.raises(InvalidRequest):
        checked_checks([check])


def test_scripts_only_where_they_may_be():
    fine = [ScriptCheck(program="/bin/true"), ConsoleCheck(pattern="login:"), TcpCheck(port=22, address="fe80::1")]
    assert checked_checks(fine) == tuple(fine)
    with pytest.raises(InvalidRequest, match="a script is not named"):
        checked_checks(fine, scripts=False)
    with pytest.raises(InvalidRequest, match="too many"):
        checked_checks([AgentCheck()] * 21)


def test_what_is_checked_where_nobody_said(define):
    definition, _ = define("")
    assert default_checks(definition) == (RunningCheck(),)
    assert default_checks(msgspec.structs.replace(definition, agent=True)) == (AgentCheck(),)
