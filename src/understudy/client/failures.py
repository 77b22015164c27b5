"""A daemon's failures, as the errors that they were there."""

import errno

import msgspec

from understudy.engine import Failure, Value
from understudy.errors import AccessDenied, Conflict, DaemonUnavailable, InvalidRequest, NotFound, UnderstudyError, known


class _Refusal(Value, frozen=True):
    error: Failure


def error_of(failure: Failure, status: int = 500) -> UnderstudyError:
    """By its code; one that is not known here, by what HTTP calls it."""
    by_status = {401: AccessDenied, 403: AccessDenied, 404: NotFound, 409: Conflict, 503: DaemonUnavailable}
    kind = known().get(failure.code) or by_status.get(status) or (InvalidRequest if 400 <= status < 500 else UnderstudyError)
    return kind(failure.message, hint=failure.hint)


def raised_by(content: bytes, status: int) -> UnderstudyError:
    try:
        return error_of(msgspec.json.decode(content, type=_Refusal).error, status)
    except msgspec.DecodeError:
        return DaemonUnavailable(f"the daemon answered {status}, and said nothing that makes sense", hint="is it an understudy?")


def unreachable(socket: str, error: BaseException) -> DaemonUnavailable:
    """What keeps us from the daemon at `socket`."""
    number = getattr(error, "errno", None)
    if number in (errno.EACCES, errno.EPERM):
        return DaemonUnavailable(f"this user may not open the daemon's socket {socket}", hint="[api] in its configuration says who may")
    if number in (errno.ENOENT, errno.ECONNREFUSED):
        hint = "does it run? `systemctl status understudy`, or begin it: `understudy serve`"
        return DaemonUnavailable(f"no daemon listens at {socket}", hint=hint)
    why = f": {error}" if number else ""
    return DaemonUnavailable(f"the connection to the daemon at {socket} broke{why}", hint="was it stopped? `systemctl status understudy`")
