"""What may be deleted or condemned now, going by how long it has been known. Pure."""

from collections.abc import Collection

from understudy.vault.collect.witness import Witness
from understudy.vault.log.keeping import Condemned
from understudy.vault.log.state import MachineState
from understudy.vault.log.trim_state import Trimmed

ABANDONED = 30 * 86400.0
"""Seconds after which what nobody names is garbage though no later point or claim proves that its maker has gone on."""


def key_of(condemned: Condemned) -> str:
    """As a witness has it."""
    return f"condemned/{condemned.objects.hash.hex()}"


def key_of_trim(trim: Trimmed) -> str:
    """The same."""
    return f"trim/{trim.state.hash.hex()}"


def due_trim(state: MachineState, witness: Witness) -> Trimmed | None:
    """The newest trim whose grace has passed."""
    return next((trim for trim in reversed(state.trims) if witness.seconds(key_of_trim(trim)) >= trim.grace), None)


def due(state: MachineState, witness: Witness) -> frozenset[str]:
    """Names whose grace has passed."""
    ripe = [condemned for condemned in state.condemned if witness.seconds(key_of(condemned)) >= condemned.grace]
    return frozenset(name for condemned in ripe for name in condemned.names)


def garbage(state: MachineState, witness: Witness, unnamed: Collection[str], grace: float) -> frozenset[str]:
    """What was there, and named by nobody, for the whole grace, and whose maker is gone: cycles of one writer follow each other, so
    that a point or a claim that came later, and does not name it, proves that no later one will. Nothing while an initial replication
    is under way, whose packs no record names."""
    if state.intent is not None:
        return frozenset()
    last = max([entry.seq for entry in state.entries[-1:]] + [claim.seq for claim in state.claims[-1:]], default=0)
    found = set()
    for name in unnamed:
        seen = witness.sightings.get(name)
        if seen is not None and seen.seconds >= grace and (last > seen.head or seen.seconds >= ABANDONED):
            found.add(name)
    return frozenset(found)
