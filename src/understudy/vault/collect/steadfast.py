"""What a run found must still be true in the state right before its record: checked for every slot that the append tries. Pure."""

from collections.abc import Callable, Collection

from understudy.errors import Conflict
from understudy.vault.kinds import ObjectRef
from understudy.vault.log.lists import pack_name
from understudy.vault.log.state import MachineState


class Moved(Conflict):
    """Somebody else's record came in between: begin anew. Never shown."""


def for_repack(before: MachineState, uses: Collection[str]) -> Callable[[MachineState], None]:
    """`before`: the state that was marked; `uses`: objects that the new maps need."""

    def still(now: MachineState) -> None:
        same_foundation(before, now)
        if any(name in condemned.names for condemned in now.condemned[len(before.condemned) :] for name in uses):
            raise Moved("what the new maps need was condemned")

    return still


def for_condemn(before: MachineState, head: int, condemned: Collection[str], names: ObjectRef) -> Callable[[MachineState], None]:
    """`before`: the state that was marked, or the one after our own repack; `head`: the last record that was marked; `names`: the list
    of what is condemned."""

    def still(now: MachineState) -> None:
        same_foundation(before, now)
        if now.condemns(names):
            raise Moved("the list itself was taken for garbage")
        if now.intent != before.intent:
            raise Moved("an initial replication began")
        for entry in now.entries:
            if entry.seq <= head:
                continue
            point = entry.point
            wanted = {f"objects/{ref.hash.hex()}" for ref in point.references()} | {pack_name(pack.id) for pack in point.packs}
            if point.packs_in is not None or not wanted.isdisjoint(condemned):
                raise Moved("a new point may need something of it")
        maps = {f"maps/{checkpoint.id.hex()}" for checkpoint in (*now.maps.values(), *now.checkpoints)}
        if not maps.isdisjoint(condemned):
            raise Moved("a new checkpoint needs something of it")

    return still


def same_foundation(before: MachineState, now: MachineState) -> None:
    """`Moved` if something came in between that everything is built on."""
    if now.repack != before.repack:
        raise Moved("another repack came first")
    if now.trims != before.trims:
        raise Moved("the log was trimmed meanwhile")
    if not {hold.id for hold in now.holds} <= {hold.id for hold in before.holds}:
        raise Moved("a point was held")
