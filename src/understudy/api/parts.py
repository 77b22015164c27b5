"""What bodies are made of: the facade's own values, with what their fields may hold. A field that is not here is refused."""

from typing import Annotated, TypeAlias, TypeVar

import msgspec

from understudy.api.queries import Name
from understudy.engine import BlockSource, KeyFile, Passphrase, QemuSource, Value

V = TypeVar("V", bound=Value)

PATH_PATTERN = "^/[^\\x00]*$"
PATH_OR_NOTHING_PATTERN = "^(/[^\\x00]*)?$"
IDENTIFIER_PATTERN = "^[0-9a-f]{32}$"
WORDS_PATTERN = "^ *[^\\x00-\\x20\\x7f-\\xa0][^\\x00-\\x1f\\x7f-\\xa0]*$"

AbsolutePath: TypeAlias = Annotated[str, msgspec.Meta(pattern=PATH_PATTERN, max_length=4095)]
PathOrNothing: TypeAlias = Annotated[str, msgspec.Meta(pattern=PATH_OR_NOTHING_PATTERN, max_length=4095)]
Identifier: TypeAlias = Annotated[str, msgspec.Meta(pattern=IDENTIFIER_PATTERN)]
Words: TypeAlias = Annotated[str, msgspec.Meta(pattern=WORDS_PATTERN, min_length=1, max_length=1000)]
SomeText: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class KeyFilePart(KeyFile, frozen=True, forbid_unknown_fields=True):
    """A file on the daemon's host that holds a key; where a new key is wanted it is made, with mode 0600."""

    path: AbsolutePath


class PassphrasePart(Passphrase, frozen=True, forbid_unknown_fields=True):
    """A secret that a person knows. It is in no answer, log or audit trail."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


class QemuPart(QemuSource, frozen=True, forbid_unknown_fields=True):
    """A running QEMU by its QMP socket. `disks`: names to nodes; empty: every disk with a medium but those in `exclude`."""

    qmp: AbsolutePath
    disks: dict[Name, SomeText] = msgspec.field(default_factory=dict)
    exclude: tuple[SomeText, ...] = ()
    agent: PathOrNothing = ""
    pre_hook: PathOrNothing = ""
    post_hook: PathOrNothing = ""


class BlockPart(BlockSource, frozen=True, forbid_unknown_fields=True):
    """Files or block devices on the daemon's host: disk names to paths."""

    disks: Annotated[dict[Name, AbsolutePath], msgspec.Meta(min_length=1)]
    pre_hook: PathOrNothing = ""
    post_hook: PathOrNothing = ""


CredentialPart: TypeAlias = KeyFilePart | PassphrasePart
SourcePart: TypeAlias = QemuPart | BlockPart


def plain(body: Value, kind: type[V], **also: str) -> V:
    """The facade's own value. `also`: its fields that stand in the path."""
    return msgspec.convert(msgspec.to_builtins(body) | also, kind)
