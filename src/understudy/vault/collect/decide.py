"""What may go, and what is worth being moved. Pure: from what is stored, what is needed, and what the log says."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from understudy.vault.log.lists import pack_name
from understudy.vault.log.state import MachineState

SPARSE = 0.5
"""A pack of whose frames' bytes less than this is needed is rewritten: what moves is then less than what comes back."""


class Stored(NamedTuple):
    """A pack that kept points need something of: how many bytes of its frames, of how many in all; of one that a record carries, of at
    most so many. `seq`: that record; 0 for an object."""

    id: bytes
    seq: int
    payload: int
    needed: int


@dataclass(frozen=True, slots=True)
class Decision:
    """`rewrite`: indexes of packs whose needed part is to be moved. Names as condemnations have them."""

    rewrite: tuple[int, ...]
    dead: frozenset[str]
    """Packs that records name and no kept point needs, and what is rewritten: they may go once a repack says where all the rest is."""
    superseded: frozenset[str]
    """Maps that the next repack makes void."""
    unnamed: frozenset[str]
    """Nobody names these: garbage of what failed, or of what is still under way."""


def decide(
    state: MachineState,
    listed: Mapping[str, int],
    packs: Mapping[int, Stored],
    named: Collection[bytes],
    held: Collection[int],
    trimmed: int,
) -> Decision:
    """`listed`: what is stored, bytes by name. `packs`: all that kept points need something of. `named`: ids of the packs that points
    name. `held`: indexes of packs that are to stay where they are, since a reader of a held point may know them. `trimmed`: records up
    to this number shall go, and with them the packs in them."""
    condemned = {name for condemned in state.condemned for name in condemned.names}
    rewrite = tuple(index for index, pack in packs.items() if index not in held and _goes(pack, trimmed))
    stays = {pack_name(packs[index].id) for index in packs.keys() - set(rewrite)}
    names = {pack_name(pack) for pack in named}
    moves = {pack_name(packs[index].id) for index in rewrite}
    dead = {name for name in listed if (name in names or name in moves) and name not in stays} - condemned
    maps = {f"maps/{checkpoint.id.hex()}" for checkpoint in (*state.maps.values(), *state.checkpoints)}
    sides = None if state.named is None else references(state)
    packs_named = names | stays
    unnamed = {name for name in listed if not _is_named(name, packs_named, maps, sides)} - condemned - moves
    return Decision(rewrite, frozenset(dead), frozenset(maps & listed.keys()), frozenset(unnamed))


def _goes(pack: Stored, trimmed: int) -> bool:
    if pack.seq:
        return pack.seq <= trimmed
    return pack.needed < SPARSE * pack.payload


def references(state: MachineState) -> frozenset[str]:
    """Side objects that the state refers to, whichever record said so."""
    refs = [ref for entry in state.entries for ref in entry.point.references()]
    refs += [condemned.objects for condemned in state.condemned]
    refs += [state.definition] if state.definition is not None else []
    return frozenset(f"objects/{hash_.hex()}" for hash_ in {*(ref.hash for ref in refs), *(state.named or ())})


def _is_named(name: str, packs: Collection[str], maps: Collection[str], sides: Collection[str] | None) -> bool:
    kind = name.partition("/")[0]
    match kind:
        case "packs":
            return name in packs
        case "maps":
            return name in maps
        case "objects":
            return sides is None or name in sides
    return True
