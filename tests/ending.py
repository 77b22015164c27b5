"""A loop to whose wake-ups from another library's threads, such as those of a bucket's client, there is no end: they come back for ever."""

import asyncio
import threading
import time
from typing import Any


class Loop(asyncio.SelectorEventLoop):
    def call_soon_threadsafe(self, *words: Any, **more: Any) -> Any:
        handle = super().call_soon_threadsafe(*words, **more)
        # Python itself waits for a thread that it began.
        while isinstance(threading.current_thread(), threading._DummyThread):
            time.sleep(0.01)
        return handle


class Policy(asyncio.DefaultEventLoopPolicy):
    _loop_factory = Loop
