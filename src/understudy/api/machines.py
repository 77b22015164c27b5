"""Machines: which there are, how they are, how they are replicated, and that they are followed at all."""

from understudy.api.answers import Names, Page, paged
from understudy.api.bodies import DefinitionBody, PolicyBody, ProtectBody, RetentionBody
from understudy.api.parts import plain
from understudy.api.queries import Paging, UnprotectAsked
from understudy.api.routes import Call, Route
from understudy.engine import (
    MachineStatus,
    Policy,
    Protect,
    Protected,
    ReplicationPolicy,
    Retention,
    SetDefinition,
    SetRetention,
    ShownDefinition,
    Unprotect,
    Unprotected,
    Usage,
)


async def _list(call: Call) -> Page[MachineStatus]:
    asked = call.asked(Paging)
    return paged(await call.service.statuses(), lambda status: status.name, asked.limit, asked.next)


async def _names(call: Call) -> Names:
    return Names(machines=tuple(call.service.names()))


async def _status(call: Call) -> MachineStatus:
    return await call.service.status(call.path["machine"])


async def _protect(call: Call) -> Protected:
    return await call.service.engine.protect(plain(call.given(ProtectBody), Protect))


async def _unprotect(call: Call) -> Unprotected:
    return await call.service.engine.unprotect(Unprotect(name=call.path["machine"], forget=call.asked(UnprotectAsked).forget))


async def _policy(call: Call) -> ReplicationPolicy:
    return (await call.service.status(call.path["machine"])).policy


async def _set_policy(call: Call) -> ReplicationPolicy:
    return await call.service.set_policy(call.path["machine"], plain(call.given(PolicyBody), ReplicationPolicy), call.identity.name)


async def _definition(call: Call) -> ShownDefinition:
    return await call.service.engine.definition(call.path["machine"])


async def _set_definition(call: Call) -> SetDefinition:
    request = SetDefinition(machine=call.path["machine"], text=call.given(DefinitionBody).text)
    return await call.service.engine.set_definition(request)


async def _retention(call: Call) -> Retention:
    return await call.service.engine.retention(call.path["machine"])


async def _set_retention(call: Call) -> Retention:
    request = SetRetention(machine=call.path["machine"], policy=plain(call.given(RetentionBody), Policy))
    return await call.service.engine.set_retention(request)


async def _usage(call: Call) -> Usage:
    return await call.service.engine.usage(call.path["machine"])


_ONE = "/v1/machines/{machine}"

ROUTES = (
    Route("GET", "/v1/machines", "listMachines", "viewer", "Every machine's state, by name", _list, Page[MachineStatus], query=Paging),
    Route("GET", "/v1/names", "listNames", "viewer", "Names of the machines that this host follows", _names, Names),
    Route(
        "POST",
        "/v1/machines",
        "protect",
        "admin",
        "Follow a machine from this host",
        _protect,
        Protected,
        body=ProtectBody,
        keeps=True,
        seconds=120,
    ),
    Route("GET", _ONE, "showMachine", "viewer", "One machine's state", _status, MachineStatus),
    Route(
        "DELETE",
        _ONE,
        "unprotect",
        "admin",
        "Stop following a machine; its points stay",
        _unprotect,
        Unprotected,
        query=UnprotectAsked,
        seconds=120,
    ),
    Route("GET", f"{_ONE}/policy", "showPolicy", "viewer", "How a machine is replicated", _policy, ReplicationPolicy),
    Route(
        "PUT",
        f"{_ONE}/policy",
        "setPolicy",
        "operator",
        "Say how a machine is replicated",
        _set_policy,
        ReplicationPolicy,
        body=PolicyBody,
    ),
    Route("GET", f"{_ONE}/definition", "showDefinition", "operator", "What a machine is started from", _definition, ShownDefinition),
    Route(
        "PUT",
        f"{_ONE}/definition",
        "setDefinition",
        "operator",
        "Say what a machine is started from",
        _set_definition,
        SetDefinition,
        body=DefinitionBody,
    ),
    Route("GET", f"{_ONE}/retention", "showRetention", "viewer", "Which points a prune keeps", _retention, Retention),
    Route(
        "PUT",
        f"{_ONE}/retention",
        "setRetention",
        "operator",
        "Say which points a prune keeps",
        _set_retention,
        Retention,
        body=RetentionBody,
    ),
    Route("GET", f"{_ONE}/usage", "showUsage", "viewer", "What a machine takes in the vault", _usage, Usage, seconds=300),
)
