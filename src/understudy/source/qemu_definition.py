"""A running VM's shape as JSON values, as QMP tells it."""

import asyncio
import re
from typing import Any

from understudy.errors import InvalidRequest
from understudy.machine.reading import KEY, as_recorded
from understudy.model import Definition
from understudy.qemu.capture import Followed, capture
from understudy.qemu.session import QmpSession
from understudy.source.qemu_survey import Survey, get

_CHILD = re.compile(r"child<(.+)>")
_CONTAINERS = ("/machine/peripheral", "/machine/peripheral-anon")


Devices = list[tuple[str, str, str]]
"""Every device: its container, its name, its model."""


async def devices(session: QmpSession) -> Devices:
    """What is plugged in: where this and the disks stay the same, so does the definition."""
    found: Devices = []
    answers = await asyncio.gather(*(session.execute("qom-list", {"path": container}) for container in _CONTAINERS))
    for container, entries in zip(_CONTAINERS, answers, strict=True):
        models = ((entry["name"], _CHILD.fullmatch(entry["type"])) for entry in entries)
        found += [(container, name, model[1]) for name, model in models if model is not None]
    return sorted(found)


async def define(session: QmpSession, survey: Survey, plugged: Devices) -> Definition:
    """Name, processors, memory, firmware, network cards and disks. Changes nothing."""
    cpus = await session.execute("query-cpus-fast")
    memory = await session.execute("query-memory-size-summary")
    return {
        **await _startable(session, survey),
        "kind": "qemu",
        "name": (await session.execute("query-name")).get("name", ""),
        "uuid": (await session.execute("query-uuid"))["UUID"],
        "qemu": ".".join(str(number) for number in session.version),
        "architecture": (await session.execute("query-target"))["arch"],
        "machine": await get(session, "/machine", "type"),
        "accelerated": (await session.execute("query-kvm"))["enabled"],
        "vcpus": len(cpus),
        "memory": memory["base-memory"] + memory.get("plugged-memory", 0),
        "firmware": await get(session, "/machine", "firmware"),
        "kernel": await get(session, "/machine", "kernel"),
        "initrd": await get(session, "/machine", "initrd"),
        "append": await get(session, "/machine", "append"),
        "networks": await _networks(session, plugged),
        "disks": [
            {
                "name": disk.name,
                "device": await get(session, disk.device, "type"),
                "size": info.size,
                "sector": info.sector,
                "format": disk.form,
                "filename": disk.filename,
                "serial": await get(session, disk.device, "serial"),
                "bootindex": await get(session, disk.device, "bootindex"),
            }
            for disk, info in zip(survey.disks, survey.infos, strict=True)
        ],
    }


async def _startable(session: QmpSession, survey: Survey) -> Definition:
    """What the machine can be started from; or why it cannot, which is no reason not to keep its data."""
    followed = [Followed(disk.name, disk.device, info.sector) for disk, info in zip(survey.disks, survey.infos, strict=True)]
    try:
        return {KEY: as_recorded(await capture(session, followed))}
    except InvalidRequest as error:
        return {"unstartable": error.message}


async def _networks(session: QmpSession, plugged: Devices) -> list[dict[str, Any]]:
    found = []
    for container, name, model in plugged:
        path = f"{container}/{name}"
        if (mac := await get(session, path, "mac")) is not None:
            found.append({"id": name, "model": model, "mac": mac, "netdev": await get(session, path, "netdev")})
    return found
