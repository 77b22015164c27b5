"""What may stand between two sites: a proxy that passes bytes on, until it swallows them, or cuts connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """`swallow`: everything from now on vanishes, and nobody is told. `cut_after`: connections break after so many bytes to the site.
    `reached` is set when as many as `mark` went there."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.port = 0
        self.swallow = False
        self.cut_after: int | None = None
        self.cuts = 0
        self.passed = 0
        self.mark = 1 << 62
        self.reached = asyncio.Event()
        self._lines: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: set[asyncio.Task[None] | None] = set()

    def expect(self, more: int) -> None:
        self.mark = self.passed + more
        self.reached.clear()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepting = asyncio.current_task()
        self._accepting.add(accepting)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            return
        finally:
            self._accepting.discard(accepting)
        self._lines |= {writer, back}
        tasks = [asyncio.create_task(self._pass(reader, back, True)), asyncio.create_task(self._pass(there, writer, False))]
        self._tasks |= set(tasks)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for line in (writer, back):
            line.transport.abort()
            self._lines.discard(line)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks -= set(tasks)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counted: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                if self.swallow:
                    continue
                if counted:
                    self.passed += len(data)
                    if self.passed >= self.mark:
                        self.reached.set()
                    if self.cut_after is not None:
                        self.cut_after -= len(data)
                        if self.cut_after < 0:
                            self.cut_after = None
                            self.cuts += 1
                            return
                writer.write(data)
                await writer.drain()

    async def close(self) -> None:
        """Nothing of it is left behind, what was being connected neither."""
        for task in list(self._accepting):
            assert task is not None
            task.cancel()
            await asyncio.wait([task])
        for line in list(self._lines):
            line.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxied(port: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(port)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
