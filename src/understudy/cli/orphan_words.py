"""What was put aside, in words."""

from understudy.cli.words import age, size
from understudy.engine import Orphan


def kept(orphan: Orphan) -> str:
    """What it is, and how much."""
    beyond = f"beyond point {orphan.number or orphan.point[:8]}"
    if orphan.saved_bytes == 0:
        return f"orphan {orphan.name}, which is empty (the images of {orphan.machine} held nothing {beyond}),"
    much = size(orphan.stored_bytes if orphan.saved_bytes is None else orphan.saved_bytes)
    return f"what the images of {orphan.machine} held {beyond}, put aside {age(orphan.made_at)} ({much}),"


def how(orphan: Orphan) -> str:
    """Its state, and whether there is anything in it."""
    return "done: the images held nothing beyond it" if orphan.saved_bytes == 0 else orphan.state
