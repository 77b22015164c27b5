"""What this host follows, and how a followed machine stands in the vault."""

from pathlib import Path
from typing import NamedTuple

from understudy import engine
from understudy.local.claims import is_ours
from understudy.local.following import source_here
from understudy.local.machine_file import followed
from understudy.local.retaining import retention_of
from understudy.local.site import Site
from understudy.local.views import machine_of
from understudy.vault.kinds import Drill
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.memory import Memory


class Here(NamedTuple):
    """`verified`: number of the newest point that was proven, and when (wall-clock ns); None if none was."""

    machine: engine.Machine
    source: engine.MachineSource
    directory: Path
    retention: engine.Policy | None
    verified: tuple[int, int] | None
    drill: Drill | None
    """The last test failover that counts, on whatever site."""


def machines_here(vault_id: str, site: Site) -> list[str]:
    """Ids of the machines that this host follows, in whatever state they are. Blocks."""
    return [machine for machine in Memory.of(site.state, vault_id).machines() if followed(site.directory(vault_id, machine))]


def here_of(vault_id: str, log: MachineLog, site: Site) -> Here:
    """`NotFound` if this host does not follow it. Blocks."""
    state, directory = log.state, site.directory(vault_id, log.machine_id)
    proven = [(entry.seq, state.verified[entry.point.id]) for entry in state.points if entry.point.id in state.verified]
    return Here(
        machine=machine_of(state, is_ours(vault_id, state, site)),
        source=source_here(directory, state),
        directory=directory,
        retention=retention_of(state).policy,
        verified=proven[-1] if proven else None,
        drill=max(state.drills, key=lambda drill: drill.began_at, default=None),
    )
