"""Bodies too large for a record, sealed on their own and named by the hash of what is stored."""

from hashlib import blake2b

from understudy.errors import IntegrityError, InvalidRequest, NotFound
from understudy.store.protocol import Creation, ObjectStore
from understudy.vault import names
from understudy.vault.access import Access
from understudy.vault.box import OVERHEAD, seal, unseal
from understudy.vault.kinds import ObjectRef
from understudy.vault.log.patience import Patience, create_patiently

MAGIC = b"USOBJ\0\1\0"
MAX_OBJECT = 64 << 20
HASH_SIZE = 32
DEFAULT = Patience()


async def put_side_object(
    store: ObjectStore, access: Access, owner: str, purpose: str, data: bytes, patience: Patience = DEFAULT
) -> ObjectRef:
    """Store `data` for the log of `owner` (see `names`); durable when this returns. `purpose` must be given again to read it.

    `InvalidRequest` for what no reader would take.
    """
    stored = MAGIC + seal(access.secrets.side_object, _context(access, owner, purpose), data)
    if len(stored) > MAX_OBJECT:
        raise InvalidRequest(
            f"the {purpose} of {owner} would take {len(stored)} bytes, more than one object may have", hint="keep fewer points"
        )
    name = blake2b(stored, digest_size=HASH_SIZE)
    if await create_patiently(store, names.side_object(owner, name.hexdigest()), stored, patience) is Creation.EXISTS:
        raise IntegrityError(f"what is stored as object {name.hexdigest()[:16]}… of {owner} does not have that hash")
    return ObjectRef(hash=name.digest(), size=len(stored))


async def get_side_object(store: ObjectStore, access: Access, owner: str, purpose: str, ref: ObjectRef) -> bytes:
    """What was put. `IntegrityError` if it is missing, or not what `ref` names, or was put for something else."""
    what = f"the {purpose} of {owner}, object {ref.hash.hex()[:16]}…,"
    if not len(MAGIC) + OVERHEAD <= ref.size <= MAX_OBJECT or len(ref.hash) != HASH_SIZE:
        raise IntegrityError(f"{what} is referred to in a way that makes no sense")
    try:
        stored = bytes(await store.get(names.side_object(owner, ref.hash.hex()), 0, ref.size + 1))
    except NotFound as error:
        raise IntegrityError(f"{what} is missing", hint="restore it from a copy of the vault") from error
    data = None
    if len(stored) == ref.size and blake2b(stored, digest_size=HASH_SIZE).digest() == ref.hash and stored.startswith(MAGIC):
        data = unseal(access.secrets.side_object, _context(access, owner, purpose), stored[len(MAGIC) :])
    if data is None:
        raise IntegrityError(f"{what} is damaged, or not what was stored there", hint="restore it from a copy of the vault")
    return data


def _context(access: Access, owner: str, purpose: str) -> bytes:
    return b"understudy-object\0" + bytes.fromhex(access.vault_id) + owner.encode() + b"\0" + purpose.encode()
