"""Bridges and taps of this host, as they really are, and what is told of them before a machine is joined to them."""

import asyncio
import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from understudy.failover.networks import bridge_helper
from understudy.failover.networks.bridge_helper import Helper, helper_here, refusal
from understudy.failover.networks.links import Link, Links, look, network_findings
from understudy.hypervisor.protocol import ISOLATED, Bridge, Tap, UserNetwork

ABLE = Helper(Path("/usr/lib/qemu/qemu-bridge-helper"), True, ("allow all",))
MAC = "52:54:00:aa:bb:cc"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def space() -> Iterator[str]:
    """A network namespace with a tap that is up, one that is down, and a tun."""
    name = f"us-{secrets.token_hex(4)}"
    ip("netns", "add", name)
    for tap in ("tap0", "tap1"):
        ip("-n", name, "tuntap", "add", tap, "mode", "tap")
    ip("-n", name, "tuntap", "add", "tun0", "mode", "tun")
    ip("-n", name, "link", "set", "tap0", "up")
    yield name
    ip("netns", "delete", name)


@pytest.fixture
def bridge() -> Iterator[str]:
    name = f"us{secrets.token_hex(4)}"
    ip("link", "add", name, "type", "bridge")
    yield name
    ip("link", "delete", name)


async def told(networks, macs=None, runs_here=False):
    findings = network_findings(networks, macs or {}, await look(networks, ABLE), "web", runs_here=runs_here)
    assert all(finding.hint for finding in findings if finding.verdict != "pass")
    return [(finding.verdict, finding.words) for finding in findings]


@contextlib.asynccontextmanager
async def machine(space, *words):
    """A QEMU that stands still; everything else is real."""
    command = [
        "ip",
        "netns",
        "exec",
        space,
        "qemu-system-x86_64",
        "-S",
        "-M",
        "none",
        "-nodefaults",
        "-display",
        "none",
        "-monitor",
        "none",
    ]
    process = await asyncio.create_subprocess_exec(*command, *words)
    try:
        yield process.pid
    finally:
        process.kill()
        await process.wait()


async def until(look_again, wanted):
    for _ in range(900):
        found = await look_again()
        if wanted(found):
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(found)


async def test_taps_of_a_namespace(space):
    networks = {"net0": Tap("tap0", space), "net1": Tap("tap1", space), "net2": Tap("tun0", space), "net3": Tap("none0", space)}
    here = f"in the network namespace {space}"
    assert await told(networks) == [
        ("pass", f"net0: tap tap0 {here} is free"),
        ("warn", f"net1: tap tap1 {here} is down, and carries nothing"),
        ("fail", f"net2: tun0 {here} is no tap"),
        ("fail", f"net3: there is no tap none0 {here}"),
    ]
    assert await told({"net0": Tap("tap0", "us-nowhere")}) == [("fail", "net0: there is no network namespace us-nowhere here")]
    assert [verdict for verdict, _ in await told({"net0": Tap("tap0")})] == ["fail"]


async def test_a_tap_that_is_in_use_and_an_address_that_is_taken(space):
    networks = {"net0": Tap("tap0", space), "net1": Tap("tap1", space), "net2": ISOLATED}
    taps = [f"tap,id=n{number},ifname=tap{number},script=no,downscript=no" for number in (0, 1)]
    words = [part for tap in taps for part in ("-netdev", tap)]
    async with machine(space, *words, "-name", f"guest=x,debug-threads=on,process=mac={MAC}") as pid:
        # QEMU opens one after the other; before it does, there is less to tell.
        last = f"net1: tap tap1 in the network namespace {space} is in use by process {pid}"
        found = await until(lambda: told(networks, {"net0": MAC, "net2": MAC}), lambda found: ("fail", last) in found)
        assert found == [
            ("fail", f"net0: tap tap0 in the network namespace {space} is in use by process {pid}"),
            ("fail", f"net0: a machine that runs here has its MAC address {MAC} (process {pid})"),
            ("fail", last),
            ("warn", f"net2: a machine that runs here has its MAC address {MAC} (process {pid})"),
        ]
        # It may be the machine itself.
        assert [verdict for verdict, _ in await told(networks, {"net0": MAC}, runs_here=True)] == ["warn", "warn"]
    found = await until(lambda: told(networks, {"net0": MAC}), lambda found: found[0][0] == "pass")
    assert [verdict for verdict, _ in found] == ["pass", "warn"]


async def test_a_namespace_that_cannot_be_seen(space, monkeypatch, tmp_path):
    """Nothing is said of what is in it, as where a service has no service manager that would look."""
    program = tmp_path / "ip"
    monkeypatch.setenv("PATH", str(tmp_path))
    words = f"net0: what is in the network namespace {space} cannot be seen"
    for script in ("", "#!/bin/sh\nexit 1\n"):
        if script:
            program.write_text(script)
            program.chmod(0o755)
        assert await told({"net0": Tap("tap0", space)}) == [("warn", words)]
    program.write_text("#!/bin/sh\necho nonsense\n")
    assert await told({"net0": Tap("tap0", space)}) == [("warn", words)]


async def test_taps_of_this_namespace():
    name = f"us{secrets.token_hex(4)}"
    ip("tuntap", "add", name, "mode", "tap")
    try:
        assert await told({"net0": Tap(name)}) == [("warn", f"net0: tap {name} here is down, and carries nothing")]
        ip("link", "set", name, "up")
        assert await told({"net0": Tap(name)}) == [("pass", f"net0: tap {name} here is free")]
    finally:
        ip("link", "delete", name)
    assert await told({"net0": Tap("lo")}) == [("fail", "net0: lo here is no tap")]


async def test_bridges(bridge):
    assert await told({"net0": Bridge(bridge)}) == [("warn", f"net0: bridge {bridge} is down, and carries nothing")]
    ip("link", "set", bridge, "up")
    assert await told({"net0": Bridge(bridge)}) == [("pass", f"net0: bridge {bridge} is here, and QEMU's helper may join it")]
    assert await told({"net0": Bridge("lo")}) == [("fail", "net0: lo is here, and is no bridge")]
    assert await told({"net0": Bridge("us-none")}) == [("fail", "net0: there is no bridge us-none here")]
    assert await told({"net0": ISOLATED, "net1": UserNetwork()}) == []


@pytest.mark.parametrize(
    ("helper", "words"),
    [
        (ABLE, None),
        (Helper(None, True, ("allow all",)), "there is no qemu-bridge-helper here"),
        (Helper(ABLE.program, True, None), "there is no /etc/qemu/bridge.conf"),
        (Helper(ABLE.program, True, ()), "does not allow it"),
        (Helper(ABLE.program, True, ("allow br1", "allow br0")), None),
        (Helper(ABLE.program, True, ("allow all", "deny br0")), "denies it"),
        (Helper(ABLE.program, True, ("deny all", "allow br0")), "denies it"),
        (Helper(ABLE.program, False, ("allow br0",)), "lacks the right"),
    ],
)
def test_what_the_helper_may_join(helper, words):
    found = refusal("br0", helper)
    assert found is None if words is None else found is not None and words in found[0] and found[1]
    links = Links({"": {"br0": Link("bridge", up=True)}}, helper)
    (finding,) = network_findings({"net0": Bridge("br0")}, {}, links, "web")
    assert finding.verdict == ("pass" if words is None else "fail")


def test_the_helpers_rules_as_they_are_read(tmp_path, monkeypatch):
    rules, more = tmp_path / "bridge.conf", tmp_path / "more.conf"
    monkeypatch.setattr(bridge_helper, "RULES", rules)
    assert helper_here().rules is None
    rules.write_text(f"# these\nallow br0  # and\n\ninclude {more}\ninclude {tmp_path}/none\ninclude {rules}\ndeny  br2\n")
    more.write_text("allow br1\n")
    read = helper_here()
    assert read.rules is not None
    assert {"allow br0", "allow br1", "deny br2"} == set(read.rules)
    assert read.able == (os.geteuid() == 0)
