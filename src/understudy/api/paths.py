"""Paths that are sent are the daemon's host's: one that depends on a working directory means nothing there. Pure."""

import os
from collections.abc import Mapping

from understudy.errors import InvalidRequest


def must_be_absolute(paths: Mapping[str, str]) -> None:
    """`paths`: by the name of their field; an empty one is none."""
    for field, path in paths.items():
        if path and not (os.path.isabs(path) and "\0" not in path):
            raise InvalidRequest(f"{field} is no absolute path", hint="give the path on the daemon's host, from / on")
