"""Which record of changes of ours is kept, merged or dropped. Pure; actions are QEMU's transaction actions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from understudy.source.qemu_names import Names

Action: TypeAlias = tuple[str, Mapping[str, object]]

GRANULARITY = 65536


@dataclass(frozen=True, slots=True)
class Bitmap:
    """A dirty bitmap as QEMU lists it. `dirty`: bytes."""

    node: str
    name: str
    dirty: int
    recording: bool
    inconsistent: bool


Record: TypeAlias = Bitmap | str
"""A record of changes, or why there is none that can be trusted."""


def bitmaps_of(nodes: Sequence[Mapping[str, Any]], names: Names) -> list[Bitmap]:
    """Ours, on every node of `query-named-block-nodes`; not those in images."""
    return _bitmaps(nodes, names.owns_bitmap)


def kept_of(nodes: Sequence[Mapping[str, Any]], names: Names) -> list[Bitmap]:
    """Ours that are kept in images."""
    return _bitmaps(nodes, names.owns_kept)


def _bitmaps(nodes: Sequence[Mapping[str, Any]], ours: Callable[[str], bool]) -> list[Bitmap]:
    """QEMU lists bitmaps without names, too, while jobs run."""
    return [
        Bitmap(node["node-name"], bitmap["name"], bitmap["count"], bool(bitmap["recording"]), bool(bitmap.get("inconsistent", False)))
        for node in nodes
        for bitmap in node.get("dirty-bitmaps", ())
        if ours(bitmap.get("name", ""))
    ]


def settle(bitmaps: Sequence[Bitmap], newest: str | None) -> list[Action]:
    """Bring our records to one a node, named `newest`, that tracks everything since that point's freeze; none where there is none.

    A record that is switched off ended where a later one began: if a later one still records, it is switched on again and they are
    merged into it. If none does, or QEMU calls it inconsistent, it stays as it is, for `usable_base` to tell why it does not count.
    """
    actions: list[Action] = []
    for node in dict.fromkeys(bitmap.node for bitmap in bitmaps):
        here = [bitmap for bitmap in bitmaps if bitmap.node == node]
        others = [bitmap for bitmap in here if bitmap.name != newest]
        kept = next((bitmap for bitmap in here if bitmap.name == newest), None)
        if kept is not None and not kept.recording:
            usable = [bitmap.name for bitmap in others if not bitmap.inconsistent]
            continued = any(bitmap.recording and not bitmap.inconsistent for bitmap in others)
            if continued and not kept.inconsistent:
                actions.append(("block-dirty-bitmap-enable", {"node": node, "name": kept.name}))
                actions.append(("block-dirty-bitmap-merge", {"node": node, "target": kept.name, "bitmaps": usable}))
        actions.extend(("block-dirty-bitmap-remove", {"node": node, "name": bitmap.name}) for bitmap in others)
    return actions


def record_of(node: str, name: str) -> Action:
    """A new one, in memory."""
    return "block-dirty-bitmap-add", {"node": node, "name": name, "persistent": False, "granularity": GRANULARITY}


def begin(known: Sequence[Bitmap], node: str, name: str, base: Record, spoiled: str | None) -> list[Action]:
    """Start a new record on `node` at the instant at which the base's ends.

    `known`: ours, on every node; `spoiled`: the name of a base's record that does not count if `base` is a reason. It ends for good:
    a cycle that fails would merge it with the new record, and its gap would show no more.
    """
    actions = [record_of(node, name)]
    if not isinstance(base, str):
        actions.append(("block-dirty-bitmap-disable", {"node": node, "name": base.name}))
    elif any(bitmap.node == node and bitmap.name == spoiled for bitmap in known):
        actions.append(("block-dirty-bitmap-remove", {"node": node, "name": spoiled}))
    return actions


def usable_base(bitmaps: Sequence[Bitmap], node: str, name: str | None) -> Record:
    """The base's record on the disk's node."""
    if name is None:
        return "there is no earlier point"
    for bitmap in bitmaps:
        if bitmap.name == name and bitmap.node == node:
            if bitmap.inconsistent:
                return "QEMU says that its record of changes is inconsistent"
            if not bitmap.recording:
                return "the record of changes was switched off by someone else"
            return bitmap
    if any(bitmap.name == name for bitmap in bitmaps):
        return "the record of changes belongs to another node: a snapshot was taken, or the disk was mirrored or replaced"
    # Of points that a promoted copy lacks QEMU had the records of the newest alone.
    return (
        "QEMU has no record of changes since the last point: the VM was restarted, the disk was replaced, somebody removed the record, "
        "or the vault lacks the newest points, as a copy does that was promoted"
    )


def idle(bases: Sequence[Record]) -> bool:
    """Whether nothing was written since any of them began."""
    return all(isinstance(record, Bitmap) and not record.dirty for record in bases)


def copied(node: str, source: str, copy: str) -> list[Action]:
    """Copy a record that goes on into one that does not. The transaction waits for requests under way, so none is missed."""
    return [
        ("block-dirty-bitmap-add", {"node": node, "name": copy, "persistent": False, "disabled": True, "granularity": GRANULARITY}),
        ("block-dirty-bitmap-merge", {"node": node, "target": copy, "bitmaps": [source]}),
    ]
