"""What a command waits for, said on stderr when that has become long."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from understudy.cli.output import Output

_SAID_BY = "understudy.store.waiting"


@contextmanager
def waiting_told(output: Output) -> Iterator[None]:
    """While the context lasts."""
    logger, handler = logging.getLogger(_SAID_BY), _Handler(output)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


class _Handler(logging.Handler):
    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        self._output.note(record.getMessage())
