"""Records that say which of a vault's copies is the vault."""

from typing import ClassVar

import msgspec

from understudy.vault.body import Body, Count, Hash, Id, Words


class LogEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The last record of one machine's log, and its hash."""

    machine: Id
    seq: Count
    hash: Hash


class Promotion(Body, frozen=True, kw_only=True, omit_defaults=True):
    """This copy is the vault from here on: sites that have seen more of the former one go back to it, once and to nothing else."""

    kind: ClassVar[str] = "promotion"
    id: Id
    """The copy's own."""
    heads: tuple[LogEnd, ...] = ()
    """Of every machine that it has, as its log ended then."""
    where: Words = ""
    """Its address then."""


class Superseded(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A copy of this vault was promoted: nothing is appended here any more."""

    kind: ClassVar[str] = "superseded"
    promotion: Id
    where: Words = ""
