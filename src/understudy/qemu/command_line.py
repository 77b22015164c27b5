"""A process's command line, for what QMP does not tell."""

from itertools import pairwise
from pathlib import Path


def command_line(pid: int) -> list[str] | None:
    """None if it cannot be seen: the process is another user's, or in another namespace."""
    if pid <= 0:
        return None
    try:
        data = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    words = data.removesuffix(b"\0").split(b"\0")
    return [word.decode(errors="replace") for word in words] if data and b"qemu" in words[0] else None


def values_of(words: list[str], option: str) -> list[str]:
    """What is given with an option, each time that it is; QEMU takes one dash and two."""
    return [after for word, after in pairwise(words) if word in (f"-{option}", f"--{option}")]


def properties(value: str) -> tuple[str, dict[str, str]]:
    """`first,key=value,...`, in which a comma that is meant is written twice. JSON is not read: its text is the first."""
    if value.startswith("{"):
        return value, {}
    words = [word.replace("\0", ",") for word in value.replace(",,", "\0").split(",")]
    first = words.pop(0) if words and "=" not in words[0] else ""
    return first, dict(word.partition("=")[::2] for word in words)
