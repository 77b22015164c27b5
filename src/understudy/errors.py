"""The one error family. The CLI's words and exit code, the API's body and the log line all derive from it."""

from typing import ClassVar


class UnderstudyError(Exception):
    """A failure with a stable code, words for a person, and what that person can do about it."""

    code: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 70
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidRequest(UnderstudyError):
    """Something that was asked for makes no sense: a malformed name, size, option or URL."""

    code = "invalid_request"
    exit_code = 2
    http_status = 422


class NotFound(UnderstudyError):
    """The named vault, machine, disk or point does not exist."""

    code = "not_found"
    exit_code = 3
    http_status = 404


class Conflict(UnderstudyError):
    """The operation is not allowed in the present state; the message names the state and what is possible."""

    code = "conflict"
    exit_code = 4
    http_status = 409


class Busy(Conflict):
    """Another process owns the machine on this host."""

    code = "busy"
    retryable = True


class Diverged(Conflict):
    """A copy of the vault holds something that the vault does not: somebody else has written there, or it was promoted."""

    code = "diverged"


class AccessDenied(UnderstudyError):
    """No key slot opens with this credential, or its role lacks the right."""

    code = "access_denied"
    exit_code = 5
    http_status = 403


class IntegrityError(UnderstudyError):
    """Stored bytes are not what was written: altered, truncated, swapped, or from another vault."""

    code = "integrity"
    exit_code = 6
    http_status = 500


class RolledBack(IntegrityError):
    """The vault lacks a record that this site has already seen: it is an old copy."""

    code = "rolled_back"


class Fenced(UnderstudyError):
    """A higher epoch exists: another site is the primary of this machine now."""

    code = "fenced"
    exit_code = 7
    http_status = 409


class SecondWriter(UnderstudyError):
    """Another process writes this machine's log in our own epoch."""

    code = "second_writer"
    exit_code = 8
    http_status = 409


class InDoubt(UnderstudyError):
    """The store did not say whether an append took effect. Nothing was merged back or released; it is settled on the next run."""

    code = "in_doubt"
    exit_code = 9
    http_status = 503
    retryable = True


class StoreUnavailable(UnderstudyError):
    """The object store did not answer, or its answer does not tell what happened. Transient: try again."""

    code = "store_unavailable"
    exit_code = 10
    http_status = 503
    retryable = True


class OverQuota(StoreUnavailable):
    """The site that stores for this one has no room left for it: nothing was stored. It passes when somebody makes room, or gives more."""

    code = "over_quota"


class StoreRefused(UnderstudyError):
    """The object store said no, or lies about what it promises. Trying again changes nothing."""

    code = "store_refused"
    exit_code = 11
    http_status = 502


class SourceUnavailable(UnderstudyError):
    """The VM or its disks cannot be reached. The daemon itself is well, whoever asks it over HTTP."""

    code = "source_unavailable"
    exit_code = 12
    http_status = 409
    retryable = True


class SourceRefused(UnderstudyError):
    """This VM cannot be replicated safely as it is; the message says why."""

    code = "source_refused"
    exit_code = 13
    http_status = 409


class SourceBusy(SourceRefused):
    """Somebody else is at work on this VM's disks. It passes, or can be ended."""

    code = "source_busy"
    retryable = True


class TargetFailed(UnderstudyError):
    """The image or device being written failed, or is not what it was said to be."""

    code = "target_failed"
    exit_code = 14
    http_status = 500


class Unsupported(UnderstudyError):
    """A library, tool or version that is needed is missing here; the hint names what to install."""

    code = "unsupported"
    exit_code = 15
    http_status = 501


class StateFailed(UnderstudyError):
    """The local state directory cannot be read or written. What is committed in the vault is not touched by it."""

    code = "state_failed"
    exit_code = 16
    http_status = 500
    retryable = True


class DaemonUnavailable(UnderstudyError):
    """The daemon on this host does not answer."""

    code = "daemon_unavailable"
    exit_code = 17
    http_status = 503
    retryable = True


class Overloaded(UnderstudyError):
    """More is asked for, or happens, than can be taken in at once."""

    code = "overloaded"
    exit_code = 18
    http_status = 503
    retryable = True


class PlanFailed(UnderstudyError):
    """A recovery plan came to its end, but not all that it says was done; its report tells what."""

    code = "plan_failed"
    exit_code = 19
    http_status = 409


class OutputFailed(UnderstudyError):
    """A command's answer cannot be written to where it should go. What it had to do may be done."""

    code = "output_failed"
    exit_code = 20
    http_status = 500


def known() -> dict[str, type[UnderstudyError]]:
    """The family's members here by their codes, for who hears of a failure elsewhere."""
    found, todo = {UnderstudyError.code: UnderstudyError}, [UnderstudyError]
    while todo:
        children = [kind for kind in todo.pop().__subclasses__() if kind.__module__ == __name__]
        found.update((kind.code, kind) for kind in children)
        todo += children
    return found
