"""A process that serves a point, from its order to its end."""

import asyncio
import logging
import os
import sys

import msgspec

from understudy import engine
from understudy.errors import UnderstudyError
from understudy.local.export_serving import Order, Stores, Told, serve_export

__all__ = ["Stores", "run_export"]

log = logging.getLogger(__name__)


def run_export(stores: Stores) -> None:
    """The order comes on standard input, one answer goes to standard output, which is closed then; ends with the process."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S%z"
    )
    os.chdir("/")
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    try:
        asyncio.run(serve_export(order, stores, lambda export: _answer(Told(export=export))))
    except UnderstudyError as error:
        log.error("%s", error.message)
        _answer(Told(failure=engine.Failure(code=error.code, message=error.message, hint=error.hint)))
        sys.exit(error.exit_code)


def _answer(told: Told) -> None:
    """Once; whoever began this process does not listen any more, and may be gone."""
    data = msgspec.json.encode(told)
    while data:
        try:
            data = data[os.write(1, data) :]
        except OSError:
            break
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
