"""How a machine's copy in a second vault is, in a line. Pure."""

from understudy.cli.words import age, local_time
from understudy.engine import Second, SecondMachine, VaultPlace
from understudy.engine.units import count, duration


def second_words(second: Second, now: int) -> str:
    place = f"at {second.url}"
    if second.point is None:
        how = "not looked at yet" if second.behind is None else "none of its points is there yet"
    elif not second.behind:
        how = f"has point {second.point}, the newest"
    else:
        lag = f", {duration(second.lag_seconds)}" if second.lag_seconds else ""
        how = f"has point {second.point}, {count(second.behind, 'point')} behind{lag}"
    failing = f"; failing: {second.failure}" if second.failure else ""
    seen = f"; brought on {age(second.seen_at, now)}" if second.seen_at is not None else ""
    proven = f"; verified {age(second.verified_at, now)}" if second.verified_at is not None else ""
    damaged = f"; DAMAGED: {second.damage}" if second.damage else ""
    return f"{how}, {place}{failing}{damaged}{seen}{proven}"


def machine_words(machine: SecondMachine) -> str:
    if machine.point is None or machine.frozen_at is None:
        return f"{machine.machine}: the copy has no point of it"
    behind = f", {count(machine.behind, 'point')} behind" if machine.behind else ""
    newest = f"the newest is {machine.point}, frozen at {local_time(machine.frozen_at)}"
    return f"{machine.machine}: the copy has {count(machine.points, 'point')}, {newest}{behind}"


def place_words(place: VaultPlace) -> str | None:
    """None for a vault that never was anything else."""
    match place.kind:
        case "given-up":
            return f"GIVEN UP {_since(place)}, when its copy at {place.where} was promoted: that is the vault, and nothing is appended here"
        case "promoted":
            return f"promoted {_since(place)}: it was a copy (id {place.copy[:12]}) before, and is the vault now"
        case "copy":
            behind = "" if place.behind is None else f"; {count(place.behind, 'record')} behind what was seen of the vault from here"
            proven = "never verified from here" if place.verified_at is None else f"verified from here {age(place.verified_at)}"
            return f"a copy (id {place.copy[:12]}) of this vault, not promoted: nothing is appended here{behind}; {proven}"
    return None


def _since(place: VaultPlace) -> str:
    return local_time(place.at) if place.at is not None else ""
