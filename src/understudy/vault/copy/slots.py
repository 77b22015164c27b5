"""Key slots of the copy: whoever can open the vault can open it, too."""

from typing import NamedTuple

from understudy.errors import IntegrityError, NotFound
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.copy.ferry import Ferry
from understudy.vault.keys.slot import MAX_SLOT, read_header
from understudy.vault.log.settings import Settings


class Surplus(NamedTuple):
    """Slots of the copy that the vault has not. `revoked`: their keys were taken away, as the settings log tells; `others`: replaced,
    perhaps. That the vault lacks them says nothing."""

    revoked: tuple[str, ...]
    others: tuple[str, ...]


async def carry_slots(ferry: Ferry, settings: Settings) -> None:
    """Those that are missing, but for revoked ones."""
    there = {info.name async for info in ferry.target.list(names.KEYS)}
    async for info in ferry.source.list(names.KEYS):
        if info.name in there:
            continue
        try:
            data = bytes(await ferry.source.get(info.name, 0, MAX_SLOT + 1))
        except NotFound:
            continue
        if not _is_revoked(info.name, data, settings):
            await ferry.put(info.name, data)


async def surplus(source: ObjectStore, target: ObjectStore, settings: Settings) -> Surplus:
    """`settings`: as the copy's own log has them."""
    there = {info.name async for info in source.list(names.KEYS)}
    revoked, others = list[str](), list[str]()
    async for info in target.list(names.KEYS):
        if info.name not in there:
            data = bytes(await target.get(info.name, 0, MAX_SLOT + 1))
            (revoked if _is_revoked(info.name, data, settings) else others).append(info.name)
    return Surplus(tuple(revoked), tuple(others))


async def drop_revoked(target: ObjectStore, settings: Settings) -> int:
    """Delete the slots of keys that were revoked, as the copy's own settings log tells. How many went."""
    gone = 0
    async for info in target.list(names.KEYS):
        if _is_revoked(info.name, bytes(await target.get(info.name, 0, MAX_SLOT + 1)), settings):
            gone += await target.delete(info.name)
    return gone


def _is_revoked(name: str, data: bytes, settings: Settings) -> bool:
    try:
        identity = read_header(bytes.fromhex(name.removeprefix(names.KEYS)), data).identity
    except (IntegrityError, ValueError):
        return False
    member = settings.members.get(identity)
    return member is not None and member.revoked is not None
