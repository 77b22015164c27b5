"""Lists of packs too long for a point's record, as the body of a side object."""

from collections.abc import Sequence

import msgspec

from understudy.errors import IntegrityError
from understudy.vault.kinds import PackRef

PURPOSE = "packs"


def encode_packs(packs: Sequence[PackRef]) -> bytes:
    return msgspec.msgpack.Encoder(order="deterministic").encode(packs)


def decode_packs(data: bytes) -> tuple[PackRef, ...]:
    try:
        return msgspec.msgpack.decode(data, type=tuple[PackRef, ...])
    except msgspec.DecodeError as error:
        raise IntegrityError(f"a list of packs does not read: {error}") from error
