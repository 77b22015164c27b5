"""The control API: one table of routes over a `Service`, who may ask for what, and what is answered."""

from understudy.api.access import Settings
from understudy.api.metrics import StoreRequests, StoreUse
from understudy.api.server import make_app, renew
from understudy.api.tokens import Token, tokens_of

__all__ = ["Settings", "StoreRequests", "StoreUse", "Token", "make_app", "renew", "tokens_of"]
