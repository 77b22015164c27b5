"""A machine's points, and what keeps them by hand."""

from understudy.api.answers import Page, PointsPage, paged
from understudy.api.bodies import HoldBody
from understudy.api.parts import plain
from understudy.api.queries import Paging, PointsPaging
from understudy.api.routes import Call, Route
from understudy.engine import AddHold, Hold, RemoveHold


async def _points(call: Call) -> PointsPage:
    asked = call.asked(PointsPaging)
    listing = await call.service.engine.points(call.path["machine"])
    older = tuple(point for point in listing.points if asked.next is None or point.number < asked.next)
    shown = older[-asked.limit :]
    following = str(shown[0].number) if len(older) > len(shown) else None
    return PointsPage(machine=listing.machine, points=shown, void=listing.void, damage=listing.damage, next=following)


async def _holds(call: Call) -> Page[Hold]:
    asked = call.asked(Paging)
    return paged(await call.service.engine.holds(call.path["machine"]), lambda hold: hold.id, asked.limit, asked.next)


async def _hold(call: Call) -> Hold:
    return await call.service.engine.add_hold(plain(call.given(HoldBody), AddHold, machine=call.path["machine"]))


async def _release(call: Call) -> Hold:
    return await call.service.engine.remove_hold(RemoveHold(machine=call.path["machine"], hold=call.path["hold"]))


_ONE = "/v1/machines/{machine}"

ROUTES = (
    Route("GET", f"{_ONE}/points", "listPoints", "viewer", "Recovery points", _points, PointsPage, query=PointsPaging, seconds=120),
    Route("GET", f"{_ONE}/holds", "listHolds", "viewer", "What keeps points by hand", _holds, Page[Hold], query=Paging),
    Route("POST", f"{_ONE}/holds", "addHold", "operator", "Keep a point", _hold, Hold, body=HoldBody, status=201, keeps=True),
    Route("DELETE", f"{_ONE}/holds/{{hold}}", "removeHold", "operator", "Keep it no longer", _release, Hold),
)
