"""Whether the newest claim of a machine's log is this site's own.

A site's name need not be its alone: two hosts may have the same, and two state directories of one host. So a site remembers for which
writers it claimed a log. Their ids are random, and no other site has them.
"""

from pathlib import Path

import msgspec

from understudy.durable import replace_file
from understudy.errors import Conflict, StateFailed
from understudy.local.machine_file import followed
from understudy.local.site import Site
from understudy.vault import names
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.state import MachineState
from understudy.vault.memory import Memory

_UNSEEN = 2
"""Writers whose claim is not in the log, and may come to be: only the last, since no other is made while it is in doubt."""


class _Claims(msgspec.Struct, frozen=True):
    writers: tuple[str, ...] = ()
    """In hex, the latest last."""


def is_ours(vault_id: str, state: MachineState, site: Site) -> bool:
    """Whether this site is the one that follows the machine, as far as the log tells. Blocks."""
    if state.site != site.name:
        return False
    known, newest = _read(vault_id, state.id, site), state.claims[-1] if state.claims else None
    if newest is None:
        return state.epoch == 1
    if known is None:
        # Followed since before claims were remembered.
        return followed(site.directory(vault_id, state.id))
    return newest.epoch == state.epoch and newest.writer.hex() in known


def was_ours(vault_id: str, state: MachineState, site: Site) -> bool:
    """Whether it was this host that followed the machine last under this site's name. Blocks."""
    known = _read(vault_id, state.id, site)
    last = next((claim for claim in reversed(state.claims) if claim.site == site.name), None)
    if known is None or last is None:
        return followed(site.directory(vault_id, state.id))
    return last.writer.hex() in known


def must_be_ours(vault_id: str, state: MachineState, site: Site) -> None:
    """`Conflict` if another site follows the machine. Blocks."""
    if is_ours(vault_id, state, site):
        return
    if state.site != site.name:
        raise Conflict(
            f"machine {state.name!r} is followed from site {state.site!r}, and this is {site.name!r}",
            hint=f"if {state.site!r} does not follow it any more, take it over: understudy protect {state.name} … --adopt",
        )
    raise Conflict(
        f"machine {state.name!r} is followed from another host that is called {site.name!r}, too, or with another state directory",
        hint=f"if that one does not follow it any more, or its state directory is lost, take it over: understudy protect {state.name} … "
        "--adopt; hosts need names of their own (--site)",
    )


def begin_claims(vault_id: str, log: MachineLog, site: Site) -> None:
    """Before anybody has claimed: whoever does it first will be known to be ours, or not to be. Blocks."""
    if not log.state.claims and _read(vault_id, log.machine_id, site) is None:
        replace_file(_path(vault_id, log.machine_id, site), msgspec.json.encode(_Claims()))


def expect_claim(vault_id: str, log: MachineLog, site: Site, *, adopt: bool = False) -> None:
    """Remember durably that what claims the log next is ours. `Conflict` if it must not, since another site follows it. Blocks."""
    state = log.state
    known = _read(vault_id, state.id, site) or ()
    if is_ours(vault_id, state, site):
        newest = [claim.writer.hex() for claim in state.claims[-1:]]
    elif adopt:
        # By this one it is known that the machine was this host's before, however often a claim of it fails.
        newest = [claim.writer.hex() for claim in state.claims if claim.writer.hex() in known][-1:]
    else:
        must_be_ours(vault_id, state, site)
        return
    writers = dict.fromkeys((*newest, *known[-_UNSEEN:], log.writer.hex()))
    if known != tuple(writers):
        replace_file(_path(vault_id, state.id, site), msgspec.json.encode(_Claims(tuple(writers))))


def _read(vault_id: str, machine_id: str, site: Site) -> tuple[str, ...] | None:
    """None if nothing was ever remembered."""
    path = _path(vault_id, machine_id, site)
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Claims).writers
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        hint = "remove it and protect the machine again, with --adopt; its recovery points stay"
        raise StateFailed(f"{path} cannot be read: {error}", hint=hint) from None


def _path(vault_id: str, machine_id: str, site: Site) -> Path:
    return Memory.of(site.state, vault_id).claims(names.machine(machine_id))
