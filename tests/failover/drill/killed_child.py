"""`python -m tests.failover.drill.killed_child`: does what standard input says, and is killed on its way."""

import asyncio
import sys

import msgspec

from tests.failover.drill.site import Order, killed

if __name__ == "__main__":
    asyncio.run(killed(msgspec.json.decode(sys.stdin.buffer.read(), type=Order)))
