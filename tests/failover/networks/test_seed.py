"""The seed image, read back by tools that did not make it."""

import json
import os
import subprocess
import time

import pytest

from understudy.failover.networks.seed import seed_files, seed_image, write_seed
from understudy.hypervisor.protocol import Addresses

UUID = "00112233-4455-6677-8899-aabbccddeeff"
GIVEN = {
    "52:54:00:00:00:01": Addresses(addresses=("10.0.0.5/24", "fd00::5/64"), gateway="10.0.0.1", servers=("10.0.0.2", "fd00::2")),
    "52:54:00:00:00:02": Addresses(addresses=("fd01::5/64",), gateway="fe80::1"),
    "52:54:00:00:00:03": Addresses(addresses=("192.0.2.7/32",)),
}


def said(*words):
    return subprocess.run(words, capture_output=True, check=True).stdout


def test_what_other_tools_read(tmp_path):
    path = tmp_path / "run" / "seed.iso"
    write_seed(path, UUID, GIVEN)
    assert path.stat().st_size <= 100 << 10
    told = dict(line.split("=", 1) for line in said("blkid", "-p", "-o", "export", str(path)).decode().splitlines())
    assert (told["LABEL"], told["TYPE"]) == ("cidata", "iso9660")
    listed = said("isoinfo", "-J", "-f", "-i", str(path)).decode().split()
    assert sorted(listed) == ["/meta-data", "/network-config", "/user-data"]
    read = {name: said("isoinfo", "-J", "-i", str(path), "-x", f"/{name}") for name in ("meta-data", "user-data", "network-config")}
    assert read == seed_files(UUID, GIVEN)
    assert json.loads(read["network-config"]) == {
        "version": 2,
        "ethernets": {
            "net0": {
                "match": {"macaddress": "52:54:00:00:00:01"},
                "dhcp4": False,
                "dhcp6": False,
                "addresses": ["10.0.0.5/24", "fd00::5/64"],
                "gateway4": "10.0.0.1",
                "nameservers": {"addresses": ["10.0.0.2", "fd00::2"]},
            },
            "net1": {
                "match": {"macaddress": "52:54:00:00:00:02"},
                "dhcp4": False,
                "dhcp6": False,
                "addresses": ["fd01::5/64"],
                "gateway6": "fe80::1",
            },
            "net2": {"match": {"macaddress": "52:54:00:00:00:03"}, "dhcp4": False, "dhcp6": False, "addresses": ["192.0.2.7/32"]},
        },
    }
    header, rest = read["user-data"].split(b"\n", 1)
    assert header == b"#cloud-config"
    assert json.loads(rest) == {"ssh_deletekeys": False, "preserve_hostname": True, "users": []}


@pytest.fixture
def elsewhere(monkeypatch):
    """Another time, in another zone."""
    now = time.time()
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: now + 1e7)
    yield
    monkeypatch.undo()
    os.environ.get("TZ")
    time.tzset()


def test_the_same_addresses_are_the_same_bytes():
    assert seed_image(seed_files(UUID, GIVEN)) == seed_image(seed_files(UUID, dict(GIVEN)))


def test_whenever_and_wherever_it_is_made(request):
    before = seed_image(seed_files(UUID, GIVEN))
    request.getfixturevalue("elsewhere")
    assert seed_image(seed_files(UUID, GIVEN)) == before


def test_an_instance_is_a_machine_with_its_addresses():
    first = seed_files(UUID, GIVEN)["meta-data"]
    assert seed_files(UUID, dict(list(GIVEN.items())[:1]))["meta-data"] != first
    assert seed_files(UUID.replace("0", "1"), GIVEN)["meta-data"] != first
