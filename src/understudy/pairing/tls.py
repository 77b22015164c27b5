"""TLS as both sides speak it: version 1.3 alone, each side proven by the serving site's own authority."""

import ssl
from pathlib import Path

SITE = "site.understudy.invalid"
"""What every serving site is called inside TLS. Which one it is its authority tells: addresses change, and prove nothing."""


_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME."""


def server_context(leaf: Path, authority: str) -> ssl.SSLContext:
    """`leaf`: a file with private key and certificates; `authority`: PEM. `OSError`, as which `ssl.SSLError` counts, if they are no good.

    Whoever shows a certificate must show one that the authority signed for a peer. Whether it has expired, and whether one must be shown
    at all, is left to the application: TLS as asyncio has it hangs up without a word.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    context.load_verify_locations(cadata=authority)
    context.load_cert_chain(leaf)
    return context


def client_context(authority: str, credential: Path | None = None) -> ssl.SSLContext:
    """For who knows the authority, PEM, and perhaps has a credential: a file with private key and certificate. `OSError` as above."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=authority)
    if credential is not None:
        context.load_cert_chain(credential)
    return context


def trusting_context() -> ssl.SSLContext:
    """For hearing which authority a site has, before it is compared with a pin. Nothing secret is said over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
