"""A site that could start another site's machines: what they become there, from its configuration and what is set for them."""

import asyncio
import signal
from pathlib import Path

from tests.cli.installed import Host
from tests.daemon.house import House
from understudy.store.file import FileStore
from understudy.vault import kinds
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.vault import Vault

DEFINITION = """
name = "web"
uuid = "00112233-4455-6677-8899-aabbccddeeff"
memory = 268435456

[[disks]]
name = "vda"

[[nics]]
name = "net0"
mac = "52:54:00:57:a4:01"
network = "br0"
"""
RULE = '[[networks]]\nsite = "there"\nsource = "br0"\ntarget = "{}"\n'


def elsewhere(house: House) -> Host:
    """Another site with a machine of one point."""
    host = Host(house.directory / "there", house.host.vault, house.host.key, {"UNDERSTUDY_SITE": "there"})
    disk, file = house.directory / "disk", house.directory / "web.toml"
    disk.write_bytes(b"x" * (1 << 20))
    file.write_text(DEFINITION)
    host.run("protect", "web", "--disk", f"vda={disk}")
    host.run("definition", "set", "web", str(file))
    host.run("replicate", "web")
    return host


def configure(house: House, more: str) -> None:
    """Tables of a file may come in any order, but after what belongs to none."""
    house.configure()
    house.config.write_text(house.config.read_text() + more)


def test_rules_and_what_is_set(house: House, short: Path) -> None:
    elsewhere(house)
    configure(house, RULE.format("none"))
    house.start()
    path = "/v1/machines/web/networks"
    shown = house.ask("GET", path)
    assert (shown["machine"], shown["site"]) == ("web", "there")
    assert [(nic["source"], nic["network"], nic["mac"]) for nic in shown["failover"]] == [("br0", "none", "52:54:00:57:a4:01")]
    assert [(nic["network"], nic["mac"]) for nic in shown["test"]] == [("none", "")]
    assert {found["verdict"] for found in shown["findings"] + shown["test_findings"]} == {"pass"}
    # A rule that changes holds after a reload, and what the host has is looked at.
    configure(house, RULE.format("bridge:us-none0"))
    house.send(signal.SIGHUP)
    failing = house.until(lambda: [found for found in house.ask("GET", path)["findings"] if found["verdict"] == "fail"])
    assert failing[0]["words"] == "net0: there is no bridge us-none0 here"
    # What is set for the machine counts before, and outlives the daemon.
    house.ask("PUT", path, {"failover": {"nics": {"net0": {"network": "user", "addresses": ["10.0.2.15/24"]}}}, "cpus": 2})
    (told,) = house.until(lambda: house.events("networks.set"))
    assert told["message"] == "what web is joined to here was set"
    assert house.end(signal.SIGKILL) == -signal.SIGKILL
    house.start()
    shown = house.ask("GET", path)
    assert (shown["own"]["cpus"], shown["failover"][0]["network"]) == (2, "user")
    # It has no channel to an agent.
    assert [found["verdict"] for found in shown["findings"]] == ["pass", "warn"]
    shown = house.ask("PUT", path, {"failover": {"nics": {"net1": {"network": "user"}}}})
    assert [found["words"] for found in shown["findings"] if "net1" in found["words"]] == [
        "a network card net1 is mapped, and the machine has none of that name"
    ]
    house.ask("PUT", path, {"failover": {"nics": {"net0": {"network": "br0"}}}}, status=422)
    house.ask("DELETE", path)
    assert house.ask("GET", path)["failover"][0]["network"] == "bridge:us-none0"
    assert house.end() == 0


async def failed_over(house: House, to: str) -> None:
    vault = await Vault.open(FileStore(house.host.vault), KeyFile.parse(house.host.key.read_text()), house.directory / to)
    log = await vault.find("web")
    await log.append(kinds.Failover(epoch=2, site=to, point=log.state.head, mode="unplanned", id=bytes(16)))
    assert log.state.site == to
    await vault.close()


def test_networks_are_those_of_the_site_that_made_the_point(house: House) -> None:
    """It was failed over, and has made no point where it is now."""
    elsewhere(house)
    configure(house, RULE.format("none"))
    asyncio.run(failed_over(house, "third"))
    house.start()
    shown = house.ask("GET", "/v1/machines/web/networks")
    assert (shown["site"], [nic["network"] for nic in shown["failover"]]) == ("third", ["none"])
    assert [(found["verdict"], found["words"]) for found in shown["findings"]] == [("pass", "net0: br0 at there becomes none")]
    assert house.end() == 0


def test_a_machine_of_which_nothing_is_known_can_be_mapped_all_the_same(house: House) -> None:
    host = Host(house.directory / "there", house.host.vault, house.host.key, {"UNDERSTUDY_SITE": "there"})
    disk = house.directory / "disk"
    disk.write_bytes(b"x" * (1 << 20))
    host.run("protect", "web", "--disk", f"vda={disk}")
    house.start()
    shown = house.ask("PUT", "/v1/machines/web/networks", {"memory": 1 << 30})
    assert (shown["own"]["memory"], shown["failover"]) == (1 << 30, [])
    assert [(found["verdict"], found["words"]) for found in shown["findings"]] == [("fail", "machine 'web' has no point yet")]


def test_where_kernels_may_be_holds_after_a_reload(house: House) -> None:
    host, kernel, file = elsewhere(house), house.directory / "boot" / "vmlinux", house.directory / "booted.toml"
    kernel.parent.mkdir()
    kernel.write_bytes(b"x")
    file.write_text(f'{DEFINITION}[kernel]\nimage = "{kernel}"\n')
    host.run("definition", "set", "web", str(file))
    house.start()

    def looked() -> list[tuple[str, str]]:
        items = house.ask("POST", "/v1/machines/web/check")["items"]
        return [(item["verdict"], item["hint"]) for item in items if item["what"] == "files"]

    ((verdict, hint),) = looked()
    assert verdict == "fail"
    assert "`files-from` in [failover]" in hint
    configure(house, f'[failover]\nfiles-from = ["{kernel.parent}"]\n')
    house.send(signal.SIGHUP)
    house.until(lambda: looked() == [("pass", "")])
    assert house.end() == 0


def test_it_is_looked_whether_a_machine_could_be_started_here(house: House) -> None:
    elsewhere(house)
    house.start()
    path = "/v1/machines/web/check"
    # It stands in for nobody yet, and so it is not looked by itself.
    house.ask("GET", path, status=404)
    before = sorted(file for file in house.host.vault.rglob("*") if file.is_file())
    found = house.ask("POST", path)
    assert sorted(file for file in house.host.vault.rglob("*") if file.is_file()) == before
    assert (found["machine"], found["site"], found["verdict"]) == ("web", "there", "fail")
    failing = {item["what"]: item["words"] for item in found["items"] if item["verdict"] == "fail"}
    assert failing == {"networks": "net0: nothing says what stands for br0 at there here"}
    well = {item["what"] for item in found["items"] if item["verdict"] == "pass"}
    assert well >= {"machine type", "memory", "replication", "standby", "storage", "vault", "key", "clock"}
    assert house.ask("GET", path) == found
    (event,) = house.until(lambda: house.events("machine.readiness"))
    assert (event["severity"], event["actor"], event["data"]["networks"]) == ("warning", "root", "fail")
    # With a table for it the site stands in for it: it is looked at by itself, and what fails is the site's health.
    configure(house, RULE.format("bridge:us-none0"))
    assert house.end() == 0
    house.start()

    def reasons() -> list[str]:
        return [reason["message"] for reason in house.ask("GET", "/v1/health")["reasons"] if reason["code"] == "not-ready"]

    # What the one before found counts, with its time.
    assert "web could not be started here" in house.until(reasons)[0]
    assert "nothing says what stands for br0" in reasons()[0]
    assert house.ask("GET", path) == found
    house.ask("PUT", "/v1/machines/web/networks", {"failover": {"nics": {"net0": {"network": "none"}}}})
    assert house.until(lambda: not reasons())
    assert house.ask("GET", path)["verdict"] == "warn"
    assert house.until(lambda: [event["severity"] for event in house.events("machine.readiness")] == ["warning", "info"])
    assert house.end() == 0
