"""What is kept of a test failover to look at: the screen's picture, and the end of the console's text."""

import asyncio
from typing import Literal

from understudy.errors import UnderstudyError
from understudy.failover.drill.files import CONSOLE, PICTURE, DrillFiles
from understudy.hypervisor.protocol import Hypervisor

TEXT = 1 << 16
"""Bytes of the console's end."""
MOST_PICTURE = 16 << 20
IN_TIME = 30.0


async def taken(hypervisor: Hypervisor, run: str, files: DrillFiles, id_: str) -> tuple[Literal["", "png", "text"], tuple[str, ...]]:
    """What kind of picture there is now, and what could not be had: a test does not fail for want of a picture."""
    missing = []
    kind: Literal["", "png", "text"] = ""
    try:
        async with asyncio.timeout(IN_TIME):
            text = await hypervisor.console(run)
            await asyncio.to_thread(files.put, id_, CONSOLE, text[-TEXT:])
    except (UnderstudyError, TimeoutError) as error:
        missing.append(f"the console's text could not be had: {_why(error)}")
    try:
        async with asyncio.timeout(IN_TIME):
            picture = await hypervisor.picture(run)
        if len(picture.data) > MOST_PICTURE:
            missing.append(f"the screen's picture is too large to be kept: {len(picture.data)} bytes")
        else:
            await asyncio.to_thread(files.put, id_, PICTURE, picture.data)
            kind = picture.kind
    except (UnderstudyError, TimeoutError) as error:
        missing.append(f"the screen's picture could not be had: {_why(error)}")
    return kind, tuple(missing)


def _why(error: Exception) -> str:
    return error.message if isinstance(error, UnderstudyError) else f"not within {IN_TIME:g} s"
