"""What bodies are made of: the facade's own values, with what their fields may hold. A field that is not here is refused."""

from typing import Annotated, TypeAlias, TypeVar

import msgspec

from understudy.api.queries import Name
from understudy.engine import (
    AgentCheck,
    BlockSource,
    ConsoleCheck,
    KeyFile,
    Passphrase,
    QemuSource,
    RunningCheck,
    ScriptCheck,
    TcpCheck,
    Value,
)

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


Patience: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=3600)]


class AgentPart(AgentCheck, frozen=True, forbid_unknown_fields=True):
    """The guest's agent answers within `timeout` seconds."""

    timeout: Patience = 300.0


class TcpPart(TcpCheck, frozen=True, forbid_unknown_fields=True):
    """Something in the guest answers at this port; without an `address`: by a forward that leads to the guest alone."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    address: Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F.:]{0,45}$")] = ""
    timeout: Patience = 300.0


class ConsolePart(ConsoleCheck, frozen=True, forbid_unknown_fields=True):
    """What the guest says on its serial port matches this regular expression (Python's)."""

    pattern: Words
    timeout: Patience = 300.0


class ScriptPart(ScriptCheck, frozen=True, forbid_unknown_fields=True):
    """A program of the daemon's host ends with status 0."""

    program: AbsolutePath
    arguments: Annotated[tuple[Words, ...], msgspec.Meta(max_length=100)] = ()
    timeout: Patience = 300.0


class RunningPart(RunningCheck, frozen=True, forbid_unknown_fields=True):
    """The machine runs for so many seconds."""

    seconds: Patience = 30.0


CheckPart: TypeAlias = AgentPart | TcpPart | ConsolePart | ScriptPart | RunningPart
HarmlessCheckPart: TypeAlias = AgentPart | TcpPart | ConsolePart | RunningPart
"""Nothing of the daemon's host is run by them."""
CredentialPart: TypeAlias = KeyFilePart | PassphrasePart
SourcePart: TypeAlias = QemuPart | BlockPart


def plain(body: Value, kind: type[V], **also: str) -> V:
    """The facade's own value. `also`: its fields that stand in the path."""
    return msgspec.convert(msgspec.to_builtins(body) | also, kind)
