"""Joining another site with a registration key, once. The private key is made here, and stays."""

import ssl
from contextlib import suppress
from pathlib import Path

from understudy.durable import remove, replace_file
from understudy.engine import Joined
from understudy.errors import AccessDenied, Conflict, StoreRefused, StoreUnavailable
from understudy.finish import finish_in_thread
from understudy.pairing import wire
from understudy.pairing.certificates import Request, new_request, pin_of, request_of
from understudy.pairing.credential import Credential, credential_file, write_credential
from understudy.pairing.key import RegistrationKey
from understudy.pairing.tls import client_context, trusting_context
from understudy.store.peer.channel import Channel, Patience
from understudy.store.url import StoreUrl

_PATIENCE = Patience(answer=60.0)


async def join(key: RegistrationKey, state: Path, *, again: bool = False) -> Joined:
    """The credential is durable when this returns. `again`: in the place of one that is there, which else is a `Conflict`.

    Killed or cut off at any time, it can be repeated with the same key. `AccessDenied` if the site does not take the key, `StoreRefused`
    if another site answers there.
    """
    path = credential_file(state, key.address)
    if path.exists() and not again:
        raise Conflict(
            f"this site has joined {key.address} already: {path}",
            hint="use it; or, if that site does not let this one in any more: --again",
        )
    authority = await _authority(key)
    # Kept until the answer is: the site signs no other one for this registration key.
    private = path.with_name(f"{key.peer}.joining")
    request = await finish_in_thread(lambda: _request(private))
    asked = wire.Registration(peer=key.peer, secret=key.secret, request=request.request)
    try:
        registered = await _registered(key, client_context(authority), asked)
    except AccessDenied:
        await finish_in_thread(lambda: remove(private))
        raise
    await finish_in_thread(lambda: write_credential(path, Credential(request.private_key, registered.certificate, authority)))
    await finish_in_thread(lambda: remove(private))
    return Joined(url=str(StoreUrl("understudy", str(key.address), "")), name=registered.name, credential=str(path))


async def _authority(key: RegistrationKey) -> str:
    """As the site says it, if its hash is the one that the registration key names."""
    channel = Channel(key.address, trusting_context(), 1, _PATIENCE)
    try:
        answer = await channel.receive("GET", wire.AUTHORITY, None, (), [])
    finally:
        await channel.close()
    pem = b"".join(answer.chunks).decode("ascii", "replace")
    with suppress(ValueError):
        if pin_of(pem) == key.pin:
            return pem
    raise StoreRefused(
        f"what listens at {key.address} is not the site that made this registration key",
        hint="is the address in the key still that site's? Was the site set up anew since? Then make another key there",
    )


async def _registered(key: RegistrationKey, context: ssl.SSLContext, asked: wire.Registration) -> wire.Registered:
    channel = Channel(key.address, context, 1, _PATIENCE)
    try:
        return await channel.ask(wire.Registered, "POST", wire.REGISTER, None, asked)
    except StoreRefused as error:
        raise AccessDenied(error.message, hint=error.hint) from None
    except StoreUnavailable as error:
        raise StoreUnavailable(error.message, hint="this site may use the key again: say the same once more") from error
    finally:
        await channel.close()


def _request(private: Path) -> Request:
    """With the private key of an attempt before this one, if there was one."""
    with suppress(FileNotFoundError, ValueError, TypeError):
        key = private.read_text()
        return Request(key, request_of(key))
    request = new_request()
    replace_file(private, request.private_key.encode())
    return request
