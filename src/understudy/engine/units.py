"""Durations, sizes and times of day as people write them."""

import math
import re

from understudy.errors import InvalidRequest

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}
_BYTES = {"": 1, "b": 1}
_BYTES |= {f"{letter}{unit}": 1 << 10 * power for power, letter in enumerate("kmgt", 1) for unit in ("", "ib")}
_BYTES |= {f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)}
_BITS = {letter: 1000.0**power for power, letter in enumerate(("", "k", "m", "g", "t"))}
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_LONGEST = 1000 * 366 * 86400.0
_UP_TO_HOURS = (("m", 60), ("s", 1))
_UP_TO_DAYS = (("h", 3600), ("m", 60))
_BEYOND = (("d", 86400), ("h", 3600))


def seconds_of(text: str, *, zero: bool = False) -> float:
    """An interval such as 500ms, 1s, 5m, 1h30m, 1d, or a number of seconds; InvalidRequest if it is none, or 0 without `zero`."""
    total = _seconds(text)
    if total <= 0 and not zero:
        raise InvalidRequest(
            f"an interval of {text!r} is too short", hint="the shortest useful interval is a fraction of a second, such as 500ms"
        )
    return total


def span_of(text: str) -> int:
    """A span of time as `seconds_of` reads it, but in whole seconds, a fraction counting as one, and it may be 0."""
    return math.ceil(_seconds(text))


def _seconds(text: str) -> float:
    stripped = text.strip().lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|)", stripped)
    if not parts or "".join(number + unit for number, unit in parts) != stripped or (len(parts) > 1 and any(not unit for _, unit in parts)):
        raise InvalidRequest(f"{text!r} is no interval", hint="write a number and ms, s, m, h or d, such as 500ms, 1s or 5m")
    total = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if total > _LONGEST:
        raise InvalidRequest(f"{text[:40]!r} is more than a thousand years", hint="write a shorter time")
    return total


def bytes_of(text: str) -> int:
    """A size such as 64MiB, 1.5GiB, 10MB, or a number of bytes; also a rate, such as 20MiB/s. InvalidRequest if it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*?)(?:/s)?", text.strip().lower())
    if found is None or found[2] not in _BYTES:
        raise InvalidRequest(f"{text!r} is no number of bytes", hint="write a number and KiB, MiB, GiB or TiB, such as 64MiB")
    return int(float(found[1]) * _BYTES[found[2]])


def line_of(text: str) -> float:
    """What a line carries, in bytes a second: 100Mbit or 1Gbit/s, else as `bytes_of` reads it. InvalidRequest if it is nothing."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)bit(?:/s)?", text.strip().lower())
    carried = float(found[1]) * _BITS[found[2]] / 8 if found else float(bytes_of(text))
    if carried <= 0:
        raise InvalidRequest(f"a line of {text!r} carries nothing", hint="write what it carries, such as 100Mbit or 12MiB/s")
    return carried


def size(count: float) -> str:
    """Bytes with a binary unit: 0 B, 4.0 KiB, 12 GiB."""
    value = float(count)
    for unit in _SIZES:
        if value < 1024 or unit == _SIZES[-1]:
            break
        value /= 1024
    if unit == "B":
        return f"{int(count)} B"
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"


def line_words(rate: float) -> str:
    """Bytes a second as lines are called: 12 Mbit/s, 1.4 kbit/s."""
    bits = rate * 8
    for unit in ("bit", "kbit", "Mbit", "Gbit"):
        if bits < 999.5 or unit == "Gbit":
            break
        bits /= 1000
    return f"{bits:.1f} {unit}/s" if 0 < bits < 9.95 and unit != "bit" else f"{bits:.0f} {unit}/s"


def minute_of(text: str) -> int:
    """A local time of day, from 00:00 to 24:00, in minutes. InvalidRequest if it is none."""
    found = re.fullmatch(r"(\d\d?):(\d\d)", text.strip())
    minute = int(found[1]) * 60 + int(found[2]) if found and int(found[2]) < 60 else -1
    if not 0 <= minute <= 24 * 60:
        raise InvalidRequest(f"{text!r} is no time of day", hint="write it as 22:00, from 00:00 to 24:00")
    return minute


def duration(seconds: float) -> str:
    """Two units at most: 12 ms, 3.4 s, 5 m 10 s, 3 h 2 m, 4 d 1 h; one where the other is nothing: 1 m."""
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    (large, much), (small, little) = _UP_TO_HOURS if whole < 3600 else _UP_TO_DAYS if whole < 86400 else _BEYOND
    rest = whole % much // little
    return f"{whole // much} {large} {rest} {small}" if rest else f"{whole // much} {large}"


def count(number: int, noun: str) -> str:
    """1 disk, 2 disks."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
