import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("end", [0, 4], ids=["well", "with a code"])
def test_a_process_ends_whatever_threads_of_others_do(end: int) -> None:
    words = f"""
import asyncio, atexit, sys
from obstore.store import MemoryStore
from tests.ending import Loop
from understudy.leaving import end_process

async def put():
    await MemoryStore().put_async("a", b"b")

def main():
    atexit.register(sys.stdout.write, ", and what was left to do")
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(put())
    sys.stdout.write("done")
    {f"sys.exit({end})" if end else ""}

end_process(main)
"""
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[1])
    assert (done.returncode, done.stdout) == (end, "done, and what was left to do"), done.stderr
