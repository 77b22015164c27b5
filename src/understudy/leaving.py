"""How a process of ours ends."""

import atexit
import os
import sys
from collections.abc import Callable
from contextlib import suppress


def end_process(main: Callable[[], object]) -> None:
    """Run `main`, and have the process end as that does, but without taking the interpreter apart.

    The last result of a bucket's client is delivered by a thread of its own, and may be used before that thread is back. One that asks for
    the interpreter while that is taken apart aborts the process: exit code 134, in 3 of 35 commands that ended right after a request.
    """
    code = 1

    def leave() -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)

    # Python calls first what was registered last, and nothing before the threads that it began have ended.
    atexit.register(leave)
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
