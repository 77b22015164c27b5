"""qemu-guest-agent for the kit's guest: an archive beside the kit's, which the kernel unpacks over it.

The program comes from Debian's package, opened and not installed; its libraries are this host's, which QEMU brought along.
`python -m tests.live.agent_kit` fetches that, and needs a network the first time.
"""

import re
import subprocess
from pathlib import Path

from tests.live.opened import opened
from understudy.demo.initramfs import build_initramfs
from understudy.demo.kit import Kit
from understudy.errors import Unsupported

PACKAGE = "qemu-guest-agent"
SERVE = (
    "mkdir -p /run; qemu-ga -d -m isa-serial -p /dev/ttyS1 -t /run -f /run/ga.pid; "
    "until ls -l /proc/$(cat /run/ga.pid)/fd | grep -q ttyS1; do usleep 50000; done"
)
"""Said by the guest's shell. It detaches before it opens its port: what is asked until then is lost."""


def with_agent(kit: Kit, directory: Path) -> Kit:
    """A kit in `directory` whose guests have /bin/qemu-ga."""
    program = downloaded()
    archive = build_initramfs({"/bin/qemu-ga": program.read_bytes(), **_libraries(program)})
    initramfs = directory / "with-agent.gz"
    initramfs.write_bytes(kit.initramfs.read_bytes() + archive)
    return Kit(kit.kernel, initramfs)


def downloaded() -> Path:
    """The program, kept beside the kit's own parts."""
    return opened(PACKAGE, "agent", "qemu-ga") / "qemu-ga"


def _libraries(program: Path) -> dict[str, bytes]:
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
    if missing := re.findall(r"(\S+) => not found", listed):
        raise Unsupported(f"qemu-ga needs {', '.join(missing)}", hint="apt-get install qemu-system-x86 brings them")
    return {path: Path(path).read_bytes() for path in re.findall(r"(/\S+) \(0x", listed)}


if __name__ == "__main__":
    print(downloaded())
