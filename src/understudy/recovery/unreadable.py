"""What is wrong with one object, and no reason to leave the others alone."""

from understudy.errors import IntegrityError, NotFound, StoreRefused, StoreUnavailable

UNREADABLE = (IntegrityError, NotFound, StoreRefused, StoreUnavailable)
"""What examining one object may raise without ending the examination of the others."""
