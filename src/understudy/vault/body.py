"""What the bodies of all records have in common, and the types of their fields."""

from typing import Annotated, ClassVar, TypeAlias

import msgspec

Id: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Hash: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
PublicKey: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Words: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[^\x00-\x1f\x7f-\x9f]*\Z")]
"""For people; no control characters, which could speak to their terminal."""
DiskName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")]
"""Becomes part of a file's name where the disk is restored."""


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a record says. `skippable`: a reader that does not know the kind may go on without it."""

    kind: ClassVar[str]
    skippable: ClassVar[bool] = False

    def references(self) -> list["ObjectRef"]:
        """The side objects that it names."""
        return [value for field in self.__struct_fields__ if isinstance(value := getattr(self, field), ObjectRef)]


class ObjectRef(msgspec.Struct, frozen=True, kw_only=True):
    """A side object: its name's hash and its length in bytes as stored."""

    hash: Hash
    size: Count
