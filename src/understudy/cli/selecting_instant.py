"""Which instant of a group an operator means: a group's newest, one at a time, or one by its id. Pure."""

import re
from collections.abc import Sequence

from understudy.cli.selecting import time_named
from understudy.cli.words import local_time
from understudy.engine import Instant
from understudy.errors import InvalidRequest, NotFound

_HINT = "write GROUP, GROUP@TIME (the newest at or before it), GROUP@ID or ID; `understudy points --group GROUP` lists them"


def select_instant(instants: Sequence[Instant], text: str) -> Instant:
    """`instants` are oldest first. An incomplete one is only found by its id."""
    group, at, when = text.partition("@")
    if not group or (at and not when):
        raise InvalidRequest(f"{text!r} names no instant of a group", hint=_HINT)
    named = [instant for instant in instants if instant.group == group]
    if not named:
        begun = [] if at else _begun(instants, group)
        if not begun:
            raise NotFound(f"this vault has no point of a group {group!r}", hint=_HINT)
        return begun[0]
    complete = [instant for instant in named if instant.complete]
    if when in ("", "latest"):
        return _last(complete, f"no instant of group {group!r} is complete")
    begun = _begun(named, when)
    if begun:
        return begun[0]
    end = time_named(when)
    if end is None:
        raise NotFound(f"group {group!r} has no instant {when!r}", hint=_HINT)
    before = [instant for instant in complete if instant.frozen_at < end]
    oldest = f"; its oldest was frozen at {local_time(complete[0].frozen_at)}" if complete else ""
    return _last(sorted(before, key=lambda instant: instant.frozen_at), f"group {group!r} has no complete instant as old as {when}{oldest}")


def _begun(instants: Sequence[Instant], text: str) -> list[Instant]:
    if not re.fullmatch(r"[0-9a-f]{4,32}", text.lower()):
        return []
    begun = [instant for instant in instants if instant.id.startswith(text.lower())]
    if len(begun) > 1:
        raise InvalidRequest(f"{len(begun)} instants have ids that begin with {text}", hint="write more of the id")
    return begun


def _last(instants: Sequence[Instant], otherwise: str) -> Instant:
    if not instants:
        raise NotFound(otherwise, hint=_HINT)
    return instants[-1]
