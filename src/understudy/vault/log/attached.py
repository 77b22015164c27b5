"""Fetch what a record's side object says, where the fold needs it."""

from understudy.errors import IntegrityError
from understudy.vault import kinds, names
from understudy.vault.kinds import Body, ObjectRef
from understudy.vault.log.chain import Place
from understudy.vault.log.keeping import NOTHING, Attached
from understudy.vault.log.lists import CONDEMNED, MAPS, decode_maps, decode_names
from understudy.vault.log.side_object import get_side_object
from understudy.vault.packs.pack_list import PURPOSE, decode_packs


async def attached(place: Place, owner: str, body: Body | None, *, packs: bool) -> Attached:
    """One that is missing or damaged is `lost`: the log goes on without it, and who needs it is told. What the store says is raised.

    `packs`: whether a point's list of packs matters.
    """
    match body:
        case kinds.Repack(maps=ref):
            purpose = MAPS
        case kinds.Condemn(objects=ref):
            purpose = CONDEMNED
        case kinds.Point(packs_in=ObjectRef() as ref) if packs:
            purpose = PURPOSE
        case _:
            return NOTHING
    try:
        data = await get_side_object(place.store, place.access, owner, purpose, ref)
        match purpose:
            case "maps":
                return Attached(maps=decode_maps(data))
            case "condemned":
                return Attached(names=decode_names(data))
        return Attached(packs=decode_packs(data))
    except IntegrityError as error:
        return Attached(lost=error.message, object=names.side_object(owner, ref.hash.hex()))
