"""What a peer hears where the served store fails, or the site's own state: not where they are, which is the site's own business."""

from collections.abc import Iterator
from contextlib import contextmanager

from understudy.errors import StateFailed, StoreRefused, StoreUnavailable, UnderstudyError


@contextmanager
def hiding(what: str = "does not answer") -> Iterator[None]:
    """`what` the store does where it fails. What it said, which names its place, is the cause of what is raised: for the site's log."""
    try:
        yield
    except StoreUnavailable as error:
        raise StoreUnavailable(f"the store that it serves {what}", hint="that site's log says why; it is tried again") from error
    except StoreRefused as error:
        raise StoreRefused("the store that it serves refuses this", hint="that site's log says why, and what to do there") from error


def hidden(error: UnderstudyError) -> UnderstudyError:
    """The same for a failure that is about to be told."""
    if not isinstance(error, StateFailed):
        return error
    told = StateFailed("it cannot read or write what it knows of its peers", hint="that site's log says why; it is tried again")
    told.__cause__ = error
    return told
