"""From a machine's log to its points' readers."""

from functools import partial

from understudy.vault import names
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.side_object import get_side_object
from understudy.vault.maps.history import History
from understudy.vault.vault import Vault


def history_of(vault: Vault, log: MachineLog) -> History:
    """What the log says now; take another after `refresh` or an append."""
    return History(
        store=vault.store,
        access=vault.access,
        machine_id=log.machine_id,
        points=log.state.points,
        entries=log.state.entries,
        checkpoints=log.state.checkpoints,
        inline=log.inline,
        side_object=partial(get_side_object, vault.store, vault.access, names.machine(log.machine_id)),
        maps=log.state.maps,
        repack=log.state.repack,
        dropped=log.state.dropped,
        trimmed=log.state.trimmed,
    )
