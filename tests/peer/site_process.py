"""A serving site as a process of its own: it prints its port, and serves until it is killed, or its standard input ends."""

import asyncio
import json
import sys
from pathlib import Path

from understudy.peer.serving import Terms, serving
from understudy.store.file import FileStore


async def main() -> None:
    given = json.loads(sys.argv[1])
    store = FileStore(Path(given["vault"]), make=True)
    terms = Terms(given.get("host", "127.0.0.1"), given["port"], **given["terms"])
    async with serving(Path(given["directory"]), "there", store, terms) as port:
        print(port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await store.close()


asyncio.run(main())
