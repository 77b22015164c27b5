"""A NoCloud seed: a small image labelled `cidata` that tells cloud-init in a guest its addresses. The same addresses, the same bytes."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pycdlib
from pycdlib.dates import DirectoryRecordDate

from understudy.durable import replace_file
from understudy.hypervisor.protocol import Addresses

LABEL = "cidata"
META, USER, NETWORK = "meta-data", "user-data", "network-config"

# Of a guest that cloud-init takes for a new instance nothing may become another one: neither its host keys, nor its users, nor its name.
_USER_DATA = b"#cloud-config\n" + msgspec.json.encode({"ssh_deletekeys": False, "preserve_hostname": True, "users": []}) + b"\n"
_SHORT = {META: "/META.;1", USER: "/USER.;1", NETWORK: "/NETWORK.;1"}
_SECTOR = 2048
_VOLUMES = (16, 17)
"""Sectors of the volume descriptors: the plain one, and Joliet's with the whole names."""
_ROOT_DATE, _VOLUME_DATES, _VOLUME_DATE = 156 + 18, 813, 17
_DATE = bytes((80, 1, 1, 0, 0, 0, 0))
_WHOLE_DATE = b"1980010100000000\0"


def seed_files(uuid: str, addresses: Mapping[str, Addresses]) -> dict[str, bytes]:
    """By name. `uuid` of the machine; `addresses` by the card's address. JSON, which is YAML. Pure."""
    network = msgspec.json.format(msgspec.json.encode(_network(addresses), order="sorted")) + b"\n"
    # cloud-init takes a network's configuration once for each instance: with other addresses this is another one.
    instance = hashlib.sha256(uuid.encode() + b"\0" + network).hexdigest()[:32]
    return {META: msgspec.json.encode({"instance-id": f"understudy-{instance}"}) + b"\n", USER: _USER_DATA, NETWORK: network}


def seed_image(files: Mapping[str, bytes]) -> bytes:
    """An ISO 9660 image with Joliet names, 100 KiB or less."""
    image = pycdlib.PyCdlib()
    image.new(vol_ident=LABEL, joliet=3)
    for name, data in files.items():
        image.add_fp(io.BytesIO(data), len(data), _SHORT[name], joliet_path=f"/{name}")
    for where in ({"iso_path": "/"}, {"joliet_path": "/"}):
        for record in image.list_children(**where):
            record.date = DirectoryRecordDate()
            record.date.parse(_DATE)
    out = io.BytesIO()
    image.write_fp(out)
    image.close()
    made = bytearray(out.getvalue())
    for sector in _VOLUMES:
        begin = sector * _SECTOR
        made[begin + _ROOT_DATE : begin + _ROOT_DATE + len(_DATE)] = _DATE
        # Made, changed, and valid from; between the last two stands when it expires, which is never.
        for number in (0, 1, 3):
            at = begin + _VOLUME_DATES + number * _VOLUME_DATE
            made[at : at + _VOLUME_DATE] = _WHOLE_DATE
    return bytes(made)


def write_seed(path: Path, uuid: str, addresses: Mapping[str, Addresses]) -> None:
    """Durable when it returns, and the same if it was there. `StateFailed`. Blocks."""
    replace_file(path, seed_image(seed_files(uuid, addresses)))


def _network(addresses: Mapping[str, Addresses]) -> dict[str, Any]:
    cards = {}
    for number, (mac, given) in enumerate(addresses.items()):
        card: dict[str, Any] = {"match": {"macaddress": mac}, "dhcp4": False, "dhcp6": False, "addresses": list(given.addresses)}
        if given.gateway:
            # `gateway4` and `gateway6` are understood by every version; `routes` with a default only by newer ones.
            card["gateway6" if ":" in given.gateway else "gateway4"] = given.gateway
        if given.servers:
            card["nameservers"] = {"addresses": list(given.servers)}
        cards[f"net{number}"] = card
    return {"version": 2, "ethernets": cards}
