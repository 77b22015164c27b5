"""Fetch what a record's side object says, where the fold needs it."""

from understudy.errors import IntegrityError
from understudy.vault import kinds
from understudy.vault.kinds import Body
from understudy.vault.log.chain import Place
from understudy.vault.log.keeping import NOTHING, Attached
from understudy.vault.log.lists import CONDEMNED, MAPS, decode_maps, decode_names
from understudy.vault.log.side_object import get_side_object
from understudy.vault.packs.pack_list import PURPOSE, decode_packs


async def attached(place: Place, owner: str, body: Body | None, *, packs: bool) -> Attached:
    """One that is missing or damaged is `lost`: the log goes on without it, and who needs it is told. What the store says is raised.

    `packs`: whether a point's list of packs matters.
    """
    try:
        match body:
            case kinds.Repack(maps=ref):
                return Attached(maps=decode_maps(await get_side_object(place.store, place.access, owner, MAPS, ref)))
            case kinds.Condemn(objects=ref):
                return Attached(names=decode_names(await get_side_object(place.store, place.access, owner, CONDEMNED, ref)))
            case kinds.Point(packs_in=ref) if packs and ref is not None:
                return Attached(packs=decode_packs(await get_side_object(place.store, place.access, owner, PURPOSE, ref)))
    except IntegrityError as error:
        return Attached(lost=error.message)
    return NOTHING
