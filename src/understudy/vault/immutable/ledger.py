"""What was locked until when, so that the store need not be asked about each object. Lost, everything is locked once more: no harm."""

from pathlib import Path

import msgspec

from understudy.durable import replace_file
from understudy.errors import StateFailed
from understudy.vault.immutable.decide import Known, Rule
from understudy.vault.malformed import MALFORMED


class Ledger(msgspec.Struct):
    """`known`: by name, what was locked by our own doing."""

    rule: Rule = Rule()
    known: dict[str, Known] = msgspec.field(default_factory=dict)


def load(path: Path) -> Ledger:
    """Blocks."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Ledger)
    except (FileNotFoundError, *MALFORMED):
        return Ledger()
    except OSError as error:
        raise StateFailed(f"{path}: {error.strerror or error}") from error


def save(path: Path, ledger: Ledger) -> None:
    """Durable. Blocks."""
    replace_file(path, msgspec.msgpack.encode(ledger))
