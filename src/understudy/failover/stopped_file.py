"""Which request a machine was shut down for on this host: written before its guest is asked, removed when it runs again or is left."""

from pathlib import Path

from understudy.durable import remove, replace_file
from understudy.errors import StateFailed

NAME = "shut-down-for"


def read_stopped(directory: Path) -> str:
    """The request's id in hex; empty if it was not."""
    try:
        return (directory / NAME).read_text().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise StateFailed(f"{directory / NAME} cannot be read: {error}", hint="see whether the VM runs, and remove the file") from None


def write_stopped(directory: Path, request: str) -> None:
    """Durable when it returns."""
    if request:
        replace_file(directory / NAME, request.encode() + b"\n")
    else:
        remove(directory / NAME)
