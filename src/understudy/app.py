"""The composition root: the only place that names concrete kinds of stores and sources and joins the parts."""

from contextlib import AbstractAsyncContextManager

from understudy.engine import Connection, Engine
from understudy.errors import Unsupported


def open_engine(connection: Connection) -> AbstractAsyncContextManager[Engine]:
    """The engine inside this process. Its parts are still landing."""
    raise Unsupported(f"nothing opens {connection.vault} yet")
