"""What records name: the objects that must be in a copy before they are."""

from collections.abc import Iterable
from typing import NamedTuple

from understudy.vault import kinds, names
from understudy.vault.kinds import Body, ObjectRef, PackRef
from understudy.vault.maps.checkpoint_directory import MapObject


class Wanted(NamedTuple):
    """An object by its name and size (None: not known). `hash`: what a pack ends with, as whoever names it says; empty for other kinds."""

    name: str
    size: int | None
    hash: bytes = b""


def pack(machine_id: str, ref: PackRef) -> Wanted:
    return Wanted(names.pack(machine_id, ref.id.hex()), ref.size, ref.hash)


def side(owner: str, ref: ObjectRef) -> Wanted:
    return Wanted(names.side_object(owner, ref.hash.hex()), ref.size)


def checkpoint(machine_id: str, found: kinds.Checkpoint) -> Wanted:
    return Wanted(names.checkpoint(machine_id, found.id.hex()), found.size)


def older(machine_id: str, found: MapObject) -> Wanted:
    """One that a directory goes by, which does not tell how long it is in all."""
    return Wanted(names.checkpoint(machine_id, found.id.hex()), None)


def named_by(owner: str, body: Body) -> Iterable[Wanted]:
    """What the record itself names; lists that it refers to are read by who fetches them."""
    for ref in kinds.refs_of(body):
        yield side(owner, ref)
    if isinstance(body, kinds.Point):
        machine_id = owner.removeprefix(names.MACHINES)
        for each in body.packs:
            yield pack(machine_id, each)
