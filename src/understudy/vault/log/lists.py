"""Bodies of the side objects that a repack and a condemnation name."""

import re
from collections.abc import Collection, Sequence

import msgspec

from understudy.errors import IntegrityError
from understudy.vault.kinds import Checkpoint
from understudy.vault.malformed import MALFORMED

MAPS = "maps"
"""Purpose of a repack's side object: a MessagePack array of checkpoints, each with its fields as in a record."""

CONDEMNED = "condemned"
"""Purpose of a condemnation's: a MessagePack array of objects' names, ascending, below `machines/<machine>/`."""

_NAME = re.compile(r"(packs|maps)/[0-9a-f]{32}|objects/[0-9a-f]{64}")
_encoder = msgspec.msgpack.Encoder(order="deterministic")


def encode_maps(maps: Sequence[Checkpoint]) -> bytes:
    return _encoder.encode(maps)


def decode_maps(data: bytes) -> tuple[Checkpoint, ...]:
    """`IntegrityError` for anything else."""
    try:
        return msgspec.msgpack.decode(data, type=tuple[Checkpoint, ...])
    except MALFORMED as error:
        raise IntegrityError(f"a list of maps does not read: {error}") from error


def encode_names(names: Collection[str]) -> bytes:
    """`ValueError` for a name that a condemnation cannot mean: only packs, maps and side objects may ever go."""
    _must_be_names(names)
    return _encoder.encode(sorted(names))


def decode_names(data: bytes) -> frozenset[str]:
    """`IntegrityError` for anything else."""
    try:
        names = msgspec.msgpack.decode(data, type=tuple[str, ...])
        _must_be_names(names)
    except (ValueError, *MALFORMED) as error:
        raise IntegrityError(f"a list of condemned objects does not read: {error}") from error
    return frozenset(names)


def pack_name(pack_id: bytes) -> str:
    """As a condemnation's list has it."""
    return f"packs/{pack_id.hex()}"


def _must_be_names(names: Collection[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:100]!r} is no pack, map or side object of a machine")
