"""What a machine shows: the text of its serial port, kept bounded, and its screen."""

import base64
import os

from understudy.errors import NotFound, SourceUnavailable
from understudy.hypervisor.protocol import Picture
from understudy.hypervisor.qemu.arguments import CONSOLE, CONSOLE_BYTES
from understudy.hypervisor.qemu.locks import held
from understudy.hypervisor.qemu.places import Places
from understudy.hypervisor.qemu.process import RunProcess
from understudy.qemu.session import QmpRefused, QmpSession

KEPT = 4 * CONSOLE_BYTES
"""Bytes of text that are kept of a run."""
SHOWN = 4096


async def drained(places: Places) -> bytes:
    """All that is kept, with what QEMU held until now. A machine without a serial port says nothing."""
    if held(places.life):
        async with RunProcess(places).session() as session:
            try:
                data = await _fetch(session)
            except QmpRefused:
                data = b""
        if data:
            _append(places, data)
    return _kept(places)


async def picture(places: Places) -> Picture:
    """A PNG where there is a display; else the end of the text."""
    if held(places.life):
        try:
            async with RunProcess(places).session() as session:
                await session.execute("screendump", {"filename": str(places.picture), "format": "png"})
            return Picture("png", places.picture.read_bytes())
        except QmpRefused:
            # It has no display.
            pass
        finally:
            places.picture.unlink(missing_ok=True)
    elif not places.directory.exists():
        raise NotFound(f"there is no run {places.directory.name!r} here")
    return Picture("text", (await drained(places))[-SHOWN:])


async def _fetch(session: QmpSession) -> bytes:
    """Taken out of QEMU's memory, which keeps the newest."""
    answer: str = await session.execute("ringbuf-read", {"device": CONSOLE, "size": CONSOLE_BYTES, "format": "base64"})
    return base64.b64decode(answer)


def _append(places: Places, data: bytes) -> None:
    try:
        size = places.console.stat().st_size
    except FileNotFoundError:
        size = 0
    try:
        if size + len(data) <= KEPT:
            with places.console.open("ab") as file:
                file.write(data)
        else:
            staged = places.console.with_suffix(".new")
            staged.write_bytes((_kept(places) + data)[-KEPT // 2 :])
            os.replace(staged, places.console)
    except OSError as error:
        raise SourceUnavailable(f"the console's text cannot be kept: {error.strerror}", hint="free space in the state directory") from error


def _kept(places: Places) -> bytes:
    try:
        return places.console.read_bytes()
    except FileNotFoundError:
        return b""
