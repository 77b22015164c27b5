"""QEMU's bridge helper: which bridges a machine may be joined to by it."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

HELPERS = (Path("/usr/lib/qemu/qemu-bridge-helper"), Path("/usr/libexec/qemu-bridge-helper"))
RULES = Path("/etc/qemu/bridge.conf")
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Helper:
    """`program`: where it is, None if it is not here. `able`: it has the right to join bridges. `rules`: its file's lines, those of
    included files in their places; None if there is no file."""

    program: Path | None
    able: bool
    rules: tuple[str, ...] | None


def helper_here() -> Helper:
    """Of this host, for a process of ours."""
    program = next((path for path in HELPERS if path.exists()), None)
    able = os.geteuid() == 0
    if program is not None and not able:
        status = program.stat()
        able = bool(status.st_mode & stat.S_ISUID) and status.st_uid == 0
    return Helper(program, able, _lines(RULES, _DEEPEST))


def refusal(bridge: str, helper: Helper) -> tuple[str, str] | None:
    """Why the bridge may not be joined, and what to do; None if it may. Pure."""
    if helper.program is None:
        return f"there is no {HELPERS[0].name} here", "apt-get install qemu-system-common"
    if helper.rules is None:
        return f"there is no {RULES}", f"echo 'allow {bridge}' >> {RULES}"
    words = [tuple(line.split()) for line in helper.rules]
    if any(word in (("deny", "all"), ("deny", bridge)) for word in words):
        return f"{RULES} denies it", "take that line out"
    if not any(word in (("allow", "all"), ("allow", bridge)) for word in words):
        return f"{RULES} does not allow it", f"echo 'allow {bridge}' >> {RULES}"
    if not helper.able:
        return f"{helper.program} lacks the right", f"chmod u+s {helper.program}, or let understudy run as root"
    return None


def _lines(path: Path, deeper: int) -> tuple[str, ...] | None:
    """None if it cannot be read, which for an included file is as if it were empty."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return None
    found: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if words[:1] == ["include"]:
            found += (_lines(Path(words[1]), deeper - 1) if deeper and len(words) == 2 else None) or ()
        elif words:
            found.append(" ".join(words))
    return tuple(found)
