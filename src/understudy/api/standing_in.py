"""Machines that could be started on this site: what their network cards become here, and whether they could."""

from understudy.api.bodies import NetworksBody
from understudy.api.parts import plain
from understudy.api.routes import Call, Route
from understudy.engine import MachineNetworks, Readiness, ShownNetworks


async def _networks(call: Call) -> ShownNetworks:
    return await call.service.networks(call.path["machine"])


async def _set_networks(call: Call) -> ShownNetworks:
    own = plain(call.given(NetworksBody), MachineNetworks)
    return await call.service.set_networks(call.path["machine"], own, call.identity.name)


async def _clear_networks(call: Call) -> ShownNetworks:
    return await call.service.set_networks(call.path["machine"], None, call.identity.name)


async def _check(call: Call) -> Readiness:
    return await call.service.check(call.path["machine"], call.identity.name)


async def _readiness(call: Call) -> Readiness:
    return await call.service.readiness(call.path["machine"])


_CHECK = "/v1/machines/{machine}/check"
_NETWORKS = "/v1/machines/{machine}/networks"

ROUTES = (
    Route("POST", _CHECK, "check", "operator", "Look whether a machine could be started on this site now", _check, Readiness, seconds=120),
    Route("GET", _CHECK, "showReadiness", "viewer", "What was found when that was looked at last", _readiness, Readiness),
    Route("GET", _NETWORKS, "showNetworks", "viewer", "What a machine's network cards become on this site", _networks, ShownNetworks),
    Route(
        "PUT",
        _NETWORKS,
        "setNetworks",
        "operator",
        "Say how a machine comes up on this site",
        _set_networks,
        ShownNetworks,
        body=NetworksBody,
    ),
    Route(
        "DELETE",
        _NETWORKS,
        "clearNetworks",
        "operator",
        "Let a machine come up here as its definition and the site's rules say",
        _clear_networks,
        ShownNetworks,
    ),
)
