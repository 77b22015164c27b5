"""The facade over the control API of a daemon."""

from understudy.client.connecting import RemoteService, open_service
from understudy.client.engine import RemoteEngine

__all__ = ["RemoteEngine", "RemoteService", "open_service"]
