"""Images that this host keeps of machines, and what was put aside where images were brought back to a point."""

from understudy.api.answers import Page, paged
from understudy.api.bodies import PausedBody, StandbyBody
from understudy.api.parts import plain
from understudy.api.queries import Paging, RemoveStandbyAsked
from understudy.api.routes import Call, Route
from understudy.engine import CreateStandby, DropOrphan, Orphan, RemoveStandby, SetStandby, Standby


async def _list(call: Call) -> Page[Standby]:
    asked = call.asked(Paging)
    return paged(await call.service.engine.standbys(), lambda standby: standby.machine_id, asked.limit, asked.next)


async def _show(call: Call) -> Standby:
    return await call.service.engine.standby(call.path["machine"])


async def _create(call: Call) -> Standby:
    return await call.service.engine.create_standby(plain(call.given(StandbyBody), CreateStandby, machine=call.path["machine"]))


async def _set(call: Call) -> Standby:
    return await call.service.engine.set_standby(SetStandby(machine=call.path["machine"], paused=call.given(PausedBody).paused))


async def _remove(call: Call) -> Standby:
    request = RemoveStandby(machine=call.path["machine"], keep_images=call.asked(RemoveStandbyAsked).keep_images)
    return await call.service.engine.remove_standby(request)


async def _orphans(call: Call) -> Page[Orphan]:
    asked = call.asked(Paging)
    return paged(await call.service.engine.orphans(call.path["machine"]), lambda orphan: orphan.name, asked.limit, asked.next)


async def _drop(call: Call) -> Orphan:
    return await call.service.engine.drop_orphan(DropOrphan(machine=call.path["machine"], name=call.path["orphan"]))


_ONE = "/v1/machines/{machine}/standby"
_ORPHANS = "/v1/machines/{machine}/orphans"

ROUTES = (
    Route("GET", "/v1/standbys", "listStandbys", "viewer", "Standbys that this host keeps", _list, Page[Standby], query=Paging),
    Route("GET", _ONE, "showStandby", "viewer", "A machine's standby here", _show, Standby),
    Route(
        "POST",
        _ONE,
        "createStandby",
        "admin",
        "Keep images of a machine's disks on this host",
        _create,
        Standby,
        body=StandbyBody,
        status=201,
        keeps=True,
    ),
    Route("PUT", _ONE, "setStandby", "operator", "Let a standby rest, or follow again", _set, Standby, body=PausedBody, seconds=120),
    Route("DELETE", _ONE, "removeStandby", "admin", "Keep it no longer", _remove, Standby, query=RemoveStandbyAsked, seconds=120),
    Route("GET", _ORPHANS, "listOrphans", "viewer", "What images held beyond points", _orphans, Page[Orphan], query=Paging),
    Route("DELETE", f"{_ORPHANS}/{{orphan}}", "dropOrphan", "admin", "Delete that for good", _drop, Orphan),
)
