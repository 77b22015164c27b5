"""Which disks a QEMU has, as its block layer and its devices tell. Pure: answers of QMP commands in, disks or reasons out."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.errors import NotFound, SourceRefused

FILTERS = frozenset({"throttle", "copy-on-read", "copy-before-write", "preallocate", "compress", "blkdebug", "blklogwrites"})
"""Drivers whose node shows its child's content: what is below tracks every write, and stays when the filter goes."""

_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class QemuDisk:
    """A disk that a device shows to the guest."""

    name: str
    device: str
    """QOM path of the device."""
    backend: str
    """The -drive's id, or empty."""
    node: str
    """The first node below the device that is no filter: where changes are tracked."""
    size: int
    form: str
    filename: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something in `query-block`: a disk, or why it is none that can be served."""

    name: str
    aliases: frozenset[str]
    disk: QemuDisk | None
    reason: str
    wanted: bool
    """Whether it is taken when the operator names no disks."""


def candidates(blocks: Sequence[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]], graph: Mapping[str, Any]) -> list[Candidate]:
    """Everything attached to a device, from `query-block`, `query-named-block-nodes` and `x-debug-query-block-graph`."""
    by_name = {node["node-name"]: node for node in nodes}
    found = []
    for block in blocks:
        device = block.get("qdev", "")
        if not device:
            continue
        inserted = block.get("inserted")
        name = _name(device, block["device"], inserted["node-name"] if inserted else "")
        aliases = {name, device, _device_id(device), block["device"]} - {""}
        reason, disk = "", None
        if inserted is None:
            reason = "there is no medium in it"
        else:
            chain = _chain(inserted["node-name"], by_name, graph)
            aliases.update(chain)
            node = by_name[chain[-1]]
            if inserted["ro"]:
                reason = "it is read-only"
            elif node["ro"]:
                reason = f"its node '{chain[-1]}' is read-only"
            else:
                image = node["image"]
                disk = QemuDisk(name, device, block["device"], chain[-1], image["virtual-size"], node["drv"], image["filename"])
        found.append(Candidate(name, frozenset(aliases), disk, reason, disk is not None and not block["removable"]))
    return found


def without(found: Sequence[Candidate], exclude: Collection[str]) -> tuple[list[Candidate], list[str]]:
    """The others, and the names of those that `exclude` names. That one is not there now is no error: it may be plugged in again."""
    unwanted = [candidate for candidate in found if candidate.aliases & set(exclude)]
    return [candidate for candidate in found if candidate not in unwanted], [candidate.name for candidate in unwanted]


def absent(found: Sequence[Candidate], wanted: Collection[str]) -> list[str]:
    """Those of these that name nothing."""
    return [name for name in sorted(wanted) if not any(name in candidate.aliases for candidate in found)]


def chosen(found: Sequence[Candidate], selection: Mapping[str, str]) -> list[QemuDisk]:
    """The operator's disks under the operator's names, or every writable one under its own. Raises `SourceRefused`, or `NotFound`."""
    if selection:
        disks = [_selected(name, wanted, found) for name, wanted in selection.items()]
    else:
        disks = [candidate.disk for candidate in found if candidate.disk is not None and candidate.wanted]
        _refuse_twins("name", (disk.name for disk in disks), "give the disks names of your own: name=<device or node>")
    if not disks:
        raise SourceRefused("this VM has no disk that could be replicated", hint=_offer(found))
    _refuse_twins("node", (disk.node for disk in disks), "name only one of them")
    return disks


def _selected(name: str, wanted: str, found: Sequence[Candidate]) -> QemuDisk:
    matches = [candidate for candidate in found if wanted in candidate.aliases]
    if not matches:
        raise NotFound(f"this VM has no disk '{wanted}'", hint=_offer(found))
    if len(matches) > 1:
        raise SourceRefused(f"this VM has more than one disk '{wanted}'", hint=_offer(found))
    (match,) = matches
    if match.disk is None:
        raise SourceRefused(f"disk '{wanted}' cannot be replicated: {match.reason}")
    disk = match.disk
    return QemuDisk(name, disk.device, disk.backend, disk.node, disk.size, disk.form, disk.filename)


def _offer(found: Sequence[Candidate]) -> str:
    offer = ", ".join(f"{candidate.name}" + (f" ({candidate.reason})" if candidate.reason else "") for candidate in found)
    return f"it has: {offer}" if offer else "no device of it has a disk"


def _refuse_twins(what: str, values: Iterable[str], hint: str) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise SourceRefused(f"two disks have the same {what} '{value}'", hint=hint)
        seen.add(value)


def _name(device: str, backend: str, node: str) -> str:
    """The device's id, the drive's, the node's, whichever the operator gave; else the device's place."""
    given = _device_id(device) or backend or ("" if node.startswith("#") else node)
    return _PLAIN.sub("-", given or device.removesuffix("/virtio-backend").rpartition("/")[2]).strip("-._")[:63]


def _device_id(device: str) -> str:
    match = re.fullmatch(r"/machine/peripheral/([^/]+)(/.*)?", device)
    if match is not None:
        return match[1]
    # Without -device, `query-block` may give the bare id.
    return "" if "/" in device else device


def _chain(root: str, by_name: Mapping[str, Mapping[str, Any]], graph: Mapping[str, Any]) -> list[str]:
    """Names from the device's node down through filters to the first node that is none."""
    children = _children(graph)
    chain = [root]
    while by_name[chain[-1]]["drv"] in FILTERS and chain[-1] in children and children[chain[-1]] not in chain:
        chain.append(children[chain[-1]])
    return chain


def below(graph: Mapping[str, Any], name: str) -> str:
    """The node that a filter lies on."""
    return _children(graph)[name]


def _children(graph: Mapping[str, Any]) -> dict[str, str]:
    labels = {node["id"]: node["name"] for node in graph["nodes"] if node["type"] == "block-driver"}
    return {labels[edge["parent"]]: labels[edge["child"]] for edge in graph["edges"] if edge["name"] == "file" and edge["parent"] in labels}
