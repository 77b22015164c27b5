"""Which key slot an operator means."""

from understudy.errors import IntegrityError, InvalidRequest, NotFound
from understudy.vault.keys.keyring import Slot, Slots


def slot_named(slots: Slots, text: str) -> Slot:
    """By id, the beginning of an id (four digits at least), or label; one and only one."""
    named = [slot for slot in slots.whole if text in (slot.id, slot.label)]
    if not named and len(text) >= 4:
        named = [slot for slot in slots.whole if slot.id.startswith(text.lower())]
        damaged = [slot for slot in slots.damaged if slot.id.startswith(text.lower())]
        if damaged and not named:
            raise IntegrityError(damaged[0].reason, hint=f"put the object keys/{damaged[0].id} back from a copy of the vault, or delete it")
    if not named:
        raise NotFound(f"there is no key {text!r}", hint="`understudy vault key list` shows them")
    if len(named) > 1:
        raise InvalidRequest(
            f"{len(named)} keys are called {text!r}", hint=f"say which by its id: {', '.join(slot.id[:12] for slot in named)}"
        )
    return named[0]
