"""The log: one line an event, with the ids of what it is about. The journal adds the time by itself."""

import json
import logging
import os
import sys
from typing import TextIO

from aiohttp.http_exceptions import HttpProcessingError

from understudy.config.values import Log

_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_IDS = ("event", "machine", "cycle", "job", "actor")


def set_up(config: Log, stream: TextIO | None = None) -> None:
    """`auto`: text with the journal's priorities under systemd, else with the time; `json`: one document a line."""
    to = stream or sys.stderr
    journal = config.format == "auto" and bool(os.environ.get("JOURNAL_STREAM"))
    handler = logging.StreamHandler(to)
    handler.setFormatter(Documents() if config.format == "json" else Lines(journal=journal))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(config.level.upper())
    # Every request of the API is an event already, where it changes something.
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("qemu").setLevel(logging.ERROR)
    # A store that is away is a reason in `status`, and an event.
    logging.getLogger("understudy.store.waiting").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.server").addFilter(_without_what_was_sent)


def _without_what_was_sent(record: logging.LogRecord) -> bool:
    """What is no HTTP is shown by its exception, and may be a token in a header that is not well formed."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.exc_info, record.levelno, record.levelname = None, logging.INFO, "INFO"
        record.msg, record.args = "somebody sent what is no HTTP request", ()
    return True


class Lines(logging.Formatter):
    """`message key=value …`, on one line whatever the message holds."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        words = [record.getMessage(), *(f"{name}={value}" for name, value in _ids(record))]
        if record.exc_info:
            words.append(self.formatException(record.exc_info))
        line = " ".join(words).replace("\n", "\\n")
        if self._journal:
            return f"<{_PRIORITY.get(record.levelno, 6)}>{line}"
        return f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S%z')} {record.levelname.lower()} {line}"


class Documents(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        document = {"at": round(record.created, 3), "level": record.levelname.lower(), "message": record.getMessage(), **dict(_ids(record))}
        if data := getattr(record, "data", None):
            document["data"] = data
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False)


def _ids(record: logging.LogRecord) -> list[tuple[str, str]]:
    data = getattr(record, "data", None) or {}
    found = [(name, getattr(record, name, data.get(name))) for name in _IDS]
    return [(name, str(value)) for name, value in found if value]
