"""Which files a disk's image is made of, as QEMU's block graph tells. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Chain:
    """An image, its data file, its backing images and theirs. Two that are opened in the same way have the same `shape`."""

    shape: str
    files: tuple[str, ...]
    """Absolute paths."""


class _Refused(Exception):
    """Holds why."""


def chain(nodes: Sequence[Mapping[str, Any]], graph: Mapping[str, Any], name: str) -> Chain | str:
    """The chain below the node `name`, from `query-named-block-nodes` and `x-debug-query-block-graph`; or why nobody can vouch for it."""
    by_name = {node["node-name"]: node for node in nodes}
    labels = {node["id"]: node["name"] for node in graph["nodes"] if node["type"] == "block-driver"}
    children: dict[str, list[tuple[str, str]]] = {}
    for edge in graph["edges"]:
        if edge["parent"] in labels and edge["child"] in labels:
            children.setdefault(labels[edge["parent"]], []).append((edge["name"], labels[edge["child"]]))
    files: list[str] = []

    def shape(node: str) -> object:
        driver, filename = by_name[node]["drv"], by_name[node]["file"]
        if driver == "file":
            if not filename.startswith("/"):
                raise _Refused(f"its image is not named by an absolute path, but by {filename!r}")
            files.append(filename)
        elif driver not in ("qcow2", "raw"):
            raise _Refused(f"its image is not in plain files: QEMU reads it through '{driver}'")
        below = {edge: shape(child) for edge, child in sorted(children.get(node, ()))}
        return {"driver": driver, "filename": by_name[node]["image"]["filename"], "below": below}

    try:
        found = shape(name)
    except _Refused as refused:
        return str(refused)
    return Chain(msgspec.json.encode(found, order="sorted").decode(), tuple(dict.fromkeys(files)))


def keeps_records(node: Mapping[str, Any]) -> bool:
    """Whether this node's image has room for records of changes: only qcow2 has, from its version 3 on."""
    specific = node["image"].get("format-specific") or {}
    return bool(node["drv"] == "qcow2" and specific.get("data", {}).get("compat", "0.10") != "0.10" and not node["ro"])
