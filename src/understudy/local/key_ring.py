"""Which key slot an operator means."""

from collections.abc import Sequence

from understudy.errors import InvalidRequest, NotFound
from understudy.vault.keys.keyring import Slot


def slot_named(slots: Sequence[Slot], text: str) -> Slot:
    """By id, the beginning of an id (four digits at least), or label; one and only one."""
    named = [slot for slot in slots if text in (slot.id, slot.label)]
    if not named and len(text) >= 4:
        named = [slot for slot in slots if slot.id.startswith(text.lower())]
    if not named:
        raise NotFound(f"there is no key {text!r}", hint="`understudy vault key list` shows them")
    if len(named) > 1:
        raise InvalidRequest(
            f"{len(named)} keys are called {text!r}", hint=f"say which by its id: {', '.join(slot.id[:12] for slot in named)}"
        )
    return named[0]
