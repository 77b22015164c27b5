"""What a site says, and what TLS and the network say in its place, in terms of the store Protocol. Pure."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import msgspec

from understudy.engine import Failure
from understudy.errors import InvalidRequest, NotFound, OverQuota, StoreRefused, StoreUnavailable, UnderstudyError
from understudy.pairing.address import Address
from understudy.pairing.wire import Refusal

_EXPIRED, _NOT_YET = 10, 9
"""What OpenSSL calls a certificate whose time is not now."""

_JOIN = "there: `understudy peer invite NAME`; here: `understudy peer join --again` with the key that it prints"


class Broken(StoreUnavailable):
    """The connection failed, not the site: what was under way may be gone on with over another one."""


def told(address: Address, status: int, body: bytes) -> UnderstudyError:
    """What a refusal means to who uses the store."""
    try:
        failure = msgspec.json.decode(body, type=Refusal).error
    except msgspec.DecodeError:
        failure = Failure(
            code="",
            message=f"it answered {status}, and nothing that makes sense",
            hint="does an understudy listen there, or something between?",
        )
    message = f"the site at {address}: {failure.message}"
    if failure.code == "not_found":
        return NotFound(message, hint=failure.hint)
    if failure.code == "invalid_request":
        return InvalidRequest(message, hint=failure.hint)
    if failure.code == OverQuota.code:
        return OverQuota(message, hint=failure.hint)
    passes = failure.retryable or (status >= 500 and failure.code != StoreRefused.code)
    return (StoreUnavailable if passes else StoreRefused)(message, hint=failure.hint)


def unreached(address: Address, error: BaseException) -> UnderstudyError:
    """Why there was no answer."""
    certificate, reason = _certificate_of(error), _reason_of(error)
    if certificate is not None:
        return _unproven(address, certificate)
    if "WRONG_VERSION_NUMBER" in reason or "HTTP" in reason:
        return Broken(f"what listens at {address} does not speak TLS", hint="is it the address of [peers] in that site's configuration?")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Broken(f"the name {address.host!r} is not known", hint="check the vault's address, and this host's resolver")
    if isinstance(error, aiohttp.ClientConnectorError) and not reason:
        why = error.os_error.strerror or str(error.os_error)
        return Broken(f"the site at {address} cannot be reached: {why}", hint="does its daemon run, with [peers] in its configuration?")
    if isinstance(error, TimeoutError):
        return Broken(f"the site at {address} does not answer in time", hint="look at the network between, and at that site's load")
    why = str(error) or type(error).__name__
    return Broken(f"the connection to the site at {address} broke: {why}", hint="it is tried again; look at the network between")


def misfit(address: Address, credential: Path) -> UnderstudyError:
    """Why a site hung up on a credential that none of its authority can have made."""
    return StoreRefused(
        f"the site at {address} lets nobody in by the certificate in {credential}: it is none that its authority signed for a peer",
        hint=f"is it another site's? `credentials=` in the address names the file; else, {_JOIN}",
    )


def _unproven(address: Address, error: ssl.SSLCertVerificationError) -> UnderstudyError:
    if error.verify_code in (_EXPIRED, _NOT_YET):
        when = "has expired" if error.verify_code == _EXPIRED else "is not valid yet"
        return StoreUnavailable(
            f"the certificate of the site at {address} {when}",
            hint="compare the clocks of both sites; its daemon renews it by itself while it runs",
        )
    return StoreRefused(
        f"what listens at {address} is not the site that this one joined: {error.verify_message}",
        hint=f"is the address right? If that site was set up anew: {_JOIN}",
    )


def _certificate_of(error: BaseException) -> ssl.SSLCertVerificationError | None:
    return next((one for one in _behind(error) if isinstance(one, ssl.SSLCertVerificationError) and hasattr(one, "verify_code")), None)


def _reason_of(error: BaseException) -> str:
    """What OpenSSL calls it; empty if it was not TLS that failed."""
    for one in _behind(error):
        if isinstance(one, ssl.SSLError) and getattr(one, "reason", None):
            return str(one.reason)
    return ""


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it stands for."""
    while error is not None:
        yield error
        for name in ("certificate_error", "os_error"):
            if isinstance(inner := getattr(error, name, None), BaseException):
                yield inner
        error = error.__cause__ or error.__context__
