"""Whether what a guest said on its console is what is waited for."""

import asyncio
import sys

from understudy.engine import ConsoleCheck
from understudy.failover.health.subject import Found, NotYet, Subject, Unwell

MOST = 1 << 17
"""Characters of the console's text that are searched: its end."""
THINKING = 5.0
"""Seconds for one search: a regular expression may take for ever."""
_SEARCH = """
import re, sys
pattern, text = sys.stdin.buffer.read().decode().split("\\0", 1)
found = re.search(pattern, text, re.MULTILINE)
if found is None:
    sys.exit(3)
begin, end = text.rfind("\\n", 0, found.start()) + 1, text.find("\\n", found.start())
sys.stdout.buffer.write(text[begin : end if end >= 0 else len(text)][:300].encode())
"""


async def shows(subject: Subject, check: ConsoleCheck) -> Found:
    data = await subject.hypervisor.console(subject.run)
    text = data.decode(errors="replace").replace("\r", "").replace("\0", "")[-MOST:]
    line = await _search(check.pattern, text)
    if line is None:
        last = next((line for line in reversed(text.splitlines()) if line.strip()), "")
        raise NotYet(f"the console's last line is {last!r}" if last else "the console shows nothing")
    return Found(f"the console shows {line!r}")


async def _search(pattern: str, text: str) -> str | None:
    """The line in which the match begins. In a process of its own, which can be ended: a search here would stop everything else."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", _SEARCH),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(THINKING):
            said, _ = await process.communicate(f"{pattern}\0{text}".encode())
    except TimeoutError:
        raise Unwell(f"the regular expression {pattern!r} takes too long: write it without nested repetitions") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return said.decode(errors="replace")
    if process.returncode == 3:
        return None
    raise NotYet(f"the console could not be searched: status {process.returncode}")
