"""QEMU's syntax: lists of options and values in which a comma is written twice."""

from collections.abc import Iterable

Value = str | int | bool


def escaped(text: str) -> str:
    return text.replace(",", ",,")


def joined(first: str, pairs: Iterable[tuple[str, Value | None]]) -> str:
    """`first,key=value,...`; None and empty values are left out."""
    words = [escaped(first)] if first else []
    for key, value in pairs:
        if value is not None and value != "":
            words.append(f"{key}={_written(value)}")
    return ",".join(words)


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return escaped(str(value))
