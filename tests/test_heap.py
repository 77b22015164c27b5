"""A command's memory is used again, and not fetched from the kernel page by page each time."""

import subprocess
import sys

PROGRAM = """
import os, resource
from understudy.heap import BRIEF, bound
bound(BRIEF)
zero = os.open("/dev/zero", os.O_RDONLY)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = faults()
for _ in range(20):
    os.pread(zero, 16 << 20, 0)
print((faults() - before) * resource.getpagesize())
"""


def test_a_large_block_that_comes_and_goes_is_fetched_once() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 40 << 20
