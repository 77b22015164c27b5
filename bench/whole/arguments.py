"""What may be asked of a comparison, as argparse takes it: `ArgumentTypeError` says what is wrong with a word."""

import argparse

from bench.whole.workload import GIB

SMALLEST = 1 << 26
"""Bytes of an image that some hundred files fit into."""
LARGEST = 1 << 50


def sized(word: str) -> int:
    """Bytes, from GiB."""
    try:
        gib = float(word)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is no number of GiB") from None
    if not SMALLEST <= gib * GIB <= LARGEST:  # what is no number at all is refused by this, too
        raise argparse.ArgumentTypeError(f"{word} GiB: an image has {SMALLEST / GIB:g} GiB at least, {LARGEST // GIB} at most")
    return int(gib * GIB)


def named(word: str) -> tuple[str, ...]:
    """Names, from a list with commas; none from an empty one."""
    names = tuple(name for name in word.split(",") if name)
    if word and not names:
        raise argparse.ArgumentTypeError(f"{word!r} names nothing")
    return names


def counted(word: str) -> int:
    if not word.isdecimal() or not int(word):
        raise argparse.ArgumentTypeError(f"{word!r}: how often is a number from 1 on")
    return int(word)
