"""Records that say which site runs a machine, and what sites ask of each other."""

from typing import ClassVar

from understudy.vault.body import Body, Count, Id, Words


class Failover(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Another site is the primary from here on: `epoch` is one more than before, and its points need a claim of that site. Every start of
    the machine as itself has an epoch of its own, so that of two starters one at most is right."""

    kind: ClassVar[str] = "failover"
    epoch: Count
    site: Words
    point: bytes = b""
    """The point that the machine goes on from; empty: the newest."""
    mode: Words = ""
    """planned, unplanned, change (of the point, before the commit), cancel (back to where it was), or empty."""
    reason: Words = ""
    id: bytes = b""
    """By which whoever wrote it knows it again; 16 bytes, or empty."""


class Commit(Body, frozen=True, kw_only=True, omit_defaults=True):
    """The failover that began this epoch is accepted: its point is not changed any more."""

    kind: ClassVar[str] = "commit"
    epoch: Count


class Request(Body, frozen=True, kw_only=True, omit_defaults=True):
    """One site asks another one to do something with its part of the machine, in this epoch. Open until it is answered or cancelled."""

    kind: ClassVar[str] = "request"
    id: Id
    action: Words
    """shutdown: end the guest and make a final point. standby: keep an image of the machine from now on."""
    site: Words
    """Who is asked."""
    by: Words
    """Who asks."""
    force: bool = False
    """A guest that does not shut down by itself is ended."""
    cancelled: bool = False
    """It is not asked for any more."""


class Answer(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a request, said by whoever was asked."""

    kind: ClassVar[str] = "answer"
    id: Id
    """The request's."""
    outcome: Words
    """began, done or failed."""
    text: Words = ""


class Withdraw(Body, frozen=True, kw_only=True, omit_defaults=True):
    """The machine runs on where it was shut down: the point is an ordinary one, and others may follow it."""

    kind: ClassVar[str] = "withdraw"
    point: Id


class Isolation(Body, frozen=True, kw_only=True, omit_defaults=True):
    """From here on the primary of this epoch pauses its machine when it was cut off from the vault for `after` seconds; 0: it does not."""

    kind: ClassVar[str] = "isolation"
    after: Count


class StandDown(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A site that is the primary no more says what became of the machine there."""

    kind: ClassVar[str] = "stand-down"
    skippable: ClassVar[bool] = True
    site: Words
    epoch: Count
    """Which one it knows of."""
    running: bool
    """Its guest runs there still, or may."""
    text: Words
