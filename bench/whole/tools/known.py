"""All that are compared."""

from collections.abc import Collection

from bench.whole.tool import Tool
from bench.whole.tools import borg, copies, floors, restic
from bench.whole.tools.understudy import Understudy

TOOLS: tuple[Tool, ...] = (
    Understudy(),
    restic.DEFAULTS,
    restic.FASTEST,
    borg.DEFAULTS,
    borg.FASTEST,
    borg.FINE,
    copies.QEMU_IMG,
    copies.NBDCOPY,
    copies.RSYNC_WHOLE,
    copies.RSYNC_DELTA,
    floors.LZ4,
    floors.DISK,
)


SELDOM: tuple[Tool, ...] = (borg.FINE, copies.RSYNC_DELTA)
"""Where time is short. At steps with a target another setting of the same tool is faster; borg's is at random changes."""


def chosen(names: Collection[str], *, brief: bool = False) -> tuple[Tool, ...]:
    """Those of these names; all, if none is named; `brief`: without those that are seldom the fastest.

    `ValueError` for a name that nothing has.
    """
    unknown = set(names) - {tool.name for tool in TOOLS}
    if unknown:
        known = ", ".join(dict.fromkeys(tool.name for tool in TOOLS))
        raise ValueError(f"no such tool: {', '.join(sorted(unknown))}; there are {known}")
    return tuple(tool for tool in TOOLS if (not names or tool.name in names) and not (brief and tool in SELDOM))
