"""Values that tests about vaults share."""

import secrets
from pathlib import Path

from understudy.store.protocol import Creation, ObjectStore
from understudy.vault import kinds, names
from understudy.vault.keys.identity import Bundle
from understudy.vault.keys.keyring import unlock_vault
from understudy.vault.keys.unlock import KeyFile, Passphrase, Unlock
from understudy.vault.kinds import Body
from understudy.vault.log.base_log import BaseLog
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.patience import Patience
from understudy.vault.log.record import Head, record_hash, seal_record
from understudy.vault.vault import Vault

UNLOCK = KeyFile(bytes(range(32)))
QUICK = Patience(attempts=4, first=0.001)


def passphrase(text: str) -> Passphrase:
    """With the least work that Argon2id allows."""
    return Passphrase(text, operations=1, memory=8192)


def a_point(
    id_: bytes | None = None, parent: bytes = b"", inline: bytes = b"", generation: bytes = b"g" * 16, *, final: bool = False
) -> kinds.Point:
    disk = kinds.PointDisk(id=b"d" * 16, name="vda", size=1 << 20, sector=512, digest=bytes(16))
    return kinds.Point(
        id=id_ or secrets.token_bytes(16),
        parent=parent,
        generation=generation,
        frozen_at=1_700_000_000_000_000_000,
        consistency="crash",
        method="scan",
        cause="delta" if parent else "initial",
        disks=(disk,),
        inline=inline,
        final=final,
    )


async def bundle_of(vault: Vault, unlock: Unlock) -> Bundle:
    """What a thief of this credential holds."""
    return (await unlock_vault(vault.store, bytes.fromhex(vault.id), unlock)).bundle


async def forge(
    log: BaseLog, bundle: Bundle, body: Body, *, epoch: int = 1, writer: bytes = b"w" * 16, prev: bytes | None = None, vault: Vault
) -> Head:
    """Put a record after the log's end without any of the API's checks, as somebody with `bundle` could."""
    await log.refresh()
    owner = names.machine(log.machine_id) if isinstance(log, MachineLog) else names.SETTINGS
    head = log.head if prev is None else Head(log.head.seq, prev)
    data = seal_record(vault.access, owner, head, bundle.signing_key, body, epoch=epoch, writer=writer, at=0)
    assert await vault.store.create(names.record(owner, log.head.seq + 1), [data]) is Creation.CREATED
    return Head(log.head.seq + 1, record_hash(data))


async def two_sites(store: ObjectStore, vault: Vault, tmp_path: Path) -> tuple[MachineLog, MachineLog]:
    """One machine's log as two operators' sites see it; nobody has claimed it yet."""
    here = await vault.protect("web", "site-a")
    other = await Vault.open(store, UNLOCK, tmp_path / "other", patience=QUICK)
    return here, await other.find("web")
