"""The daemon, its vault, and the vault's keys."""

from understudy import __version__
from understudy.api.access import Identity
from understudy.api.answers import Page, Version, paged
from understudy.api.bodies import AddKeyBody, RotateKeyBody
from understudy.api.parts import plain
from understudy.api.queries import Paging
from understudy.api.routes import Call, Route
from understudy.engine import AddKey, Key, KeyRemoved, RotateKey, ServiceHealth, VaultInfo


async def _version(_: Call) -> Version:
    return Version(version=__version__)


async def _me(call: Call) -> Identity:
    return call.identity


async def _health(call: Call) -> ServiceHealth:
    return await call.service.health()


async def _vault(call: Call) -> VaultInfo:
    return await call.service.vault()


async def _keys(call: Call) -> Page[Key]:
    asked = call.asked(Paging)
    return paged(await call.service.engine.keys(), lambda key: key.slot, asked.limit, asked.next)


async def _add(call: Call) -> Key:
    return await call.service.engine.add_key(plain(call.given(AddKeyBody), AddKey))


async def _rotate(call: Call) -> Key:
    return await call.service.engine.rotate_key(plain(call.given(RotateKeyBody), RotateKey, slot=call.path["key"]))


async def _remove(call: Call) -> KeyRemoved:
    return await call.service.engine.remove_key(call.path["key"])


ROUTES = (
    Route("GET", "/v1/version", "showVersion", "viewer", "Versions of the program and of this API", _version, Version),
    Route("GET", "/v1/me", "showIdentity", "viewer", "Whom the daemon takes the caller for", _me, Identity),
    Route("GET", "/v1/health", "showHealth", "viewer", "The daemon's own health", _health, ServiceHealth),
    Route("GET", "/v1/vault", "showVault", "viewer", "The vault, its keys and machines", _vault, VaultInfo, seconds=120),
    Route("GET", "/v1/keys", "listKeys", "admin", "The vault's keys", _keys, Page[Key], query=Paging),
    Route("POST", "/v1/keys", "addKey", "admin", "Make a key", _add, Key, body=AddKeyBody, status=201, keeps=True),
    Route("POST", "/v1/keys/{key}/rotate", "rotateKey", "admin", "Replace what opens a key", _rotate, Key, body=RotateKeyBody, keeps=True),
    Route("DELETE", "/v1/keys/{key}", "removeKey", "admin", "Remove a key", _remove, KeyRemoved),
)
