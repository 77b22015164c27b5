"""Values that tests about vaults share."""

import secrets

from understudy.vault import kinds
from understudy.vault.patience import Patience
from understudy.vault.unlock import KeyFile, Passphrase

UNLOCK = KeyFile(bytes(range(32)))
QUICK = Patience(attempts=3, first=0.001)


def passphrase(text: str) -> Passphrase:
    """With the least work that Argon2id allows."""
    return Passphrase(text, operations=1, memory=8192)


def a_point(id_: bytes | None = None, parent: bytes = b"", inline: bytes = b"", generation: bytes = b"g" * 16) -> kinds.Point:
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
    )
