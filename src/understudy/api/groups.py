"""Consistency groups and their instants."""

from understudy.api.answers import Page, paged
from understudy.api.bodies import GroupBody
from understudy.api.parts import plain
from understudy.api.queries import Paging
from understudy.api.routes import Call, Route
from understudy.engine import CreateGroup, Group, Instant


async def _list(call: Call) -> Page[Group]:
    asked = call.asked(Paging)
    return paged(await call.service.engine.groups(), lambda group: group.name, asked.limit, asked.next)


async def _create(call: Call) -> Group:
    return await call.service.engine.create_group(plain(call.given(GroupBody), CreateGroup))


async def _remove(call: Call) -> Group:
    return await call.service.engine.remove_group(call.path["group"])


async def _instants(call: Call) -> Page[Instant]:
    asked = call.asked(Paging)
    return paged(await call.service.engine.instants(), _order, asked.limit, asked.next)


def _order(instant: Instant) -> str:
    return f"{instant.frozen_at:020d}-{instant.id}"


ROUTES = (
    Route("GET", "/v1/groups", "listGroups", "viewer", "This host's consistency groups", _list, Page[Group], query=Paging),
    Route("POST", "/v1/groups", "createGroup", "admin", "Make a group", _create, Group, body=GroupBody, status=201, keeps=True),
    Route("DELETE", "/v1/groups/{group}", "removeGroup", "admin", "Forget a group; machines and points stay", _remove, Group),
    Route(
        "GET",
        "/v1/instants",
        "listInstants",
        "viewer",
        "Instants, oldest first",
        _instants,
        Page[Instant],
        query=Paging,
        seconds=120,
    ),
)
