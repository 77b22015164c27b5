"""What the kernel tells of this host's memory."""

from pathlib import Path

_MEMINFO = Path("/proc/meminfo")


def available() -> int:
    """Bytes that programs may have, or the page cache keep, without anything being swapped out."""
    return next(int(line.split()[1]) << 10 for line in _MEMINFO.read_text().splitlines() if line.startswith("MemAvailable:"))
