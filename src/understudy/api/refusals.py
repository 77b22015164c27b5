"""Every failure as one form of answer. What only HTTP knows has codes of its own."""

import logging

import msgspec
from aiohttp import web

from understudy.engine import Failure, Value
from understudy.errors import AccessDenied, DaemonUnavailable, InvalidRequest, NotFound, UnderstudyError

_LOG = logging.getLogger(__name__)


class Refusal(Value, frozen=True):
    """The body of every answer that is no success."""

    error: Failure


class Unauthenticated(AccessDenied):
    """Nobody whom we know asks."""

    code = "unauthenticated"
    http_status = 401


class MethodNotAllowed(InvalidRequest):
    """The path exists, and is asked in another way."""

    code = "method_not_allowed"
    http_status = 405


class TooSlow(InvalidRequest):
    """The request's body did not come in time."""

    code = "request_timeout"
    http_status = 408
    retryable = True


class TooLarge(InvalidRequest):
    """The request's body is longer than any sensible one."""

    code = "too_large"
    http_status = 413


class NotJson(InvalidRequest):
    """The request's body is said to be something else than JSON."""

    code = "unsupported_media_type"
    http_status = 415


class Overdue(DaemonUnavailable):
    """The answer took too long and was given up."""

    code = "overdue"


def refused(error: UnderstudyError) -> web.Response:
    body = Refusal(error=Failure(code=error.code, message=error.message, hint=error.hint, retryable=error.retryable))
    response = web.Response(body=msgspec.json.encode(body), status=error.http_status, content_type="application/json")
    if error.http_status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def refused_by_http(error: web.HTTPException) -> web.Response:
    """What aiohttp itself says no to."""
    if error.status == 404:
        return refused(NotFound("there is nothing at this path", hint="GET /v1/openapi.json describes all that there is"))
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        response = refused(MethodNotAllowed(f"{error.method} is not possible here", hint=f"possible: {allowed}"))
        response.headers["Allow"] = allowed
        return response
    if error.status == 413:
        return refused(TooLarge("the body is longer than 1 MiB"))
    refusal = InvalidRequest(error.reason)
    response = refused(refusal)
    response.set_status(error.status)
    return response


def refused_by_fault(error: Exception) -> web.Response:
    """A fault of ours: the log has it, the answer does not."""
    _LOG.error("a request failed by a fault in understudy", exc_info=error)
    return refused(UnderstudyError("a fault in understudy", hint="the daemon's log has the details"))
