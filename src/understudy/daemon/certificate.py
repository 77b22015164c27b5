"""What proves the daemon to those who come over TCP: it may be renewed while they are connected."""

import ssl

from understudy.config.values import TcpConfig
from understudy.errors import InvalidRequest


class Certificate:
    """`context` is for the listener. Whoever shakes hands from a `use` on gets the newest one; open connections go on as they began."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = self._newest = context
        # Called with and without a name that the client asks for.
        context.sni_callback = self._choose

    def use(self, context: ssl.SSLContext) -> None:
        self._newest = context

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._newest


def read_certificate(config: TcpConfig) -> ssl.SSLContext:
    """`InvalidRequest` if the files are not there, or do not fit together. Blocks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.certificate, config.private_key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidRequest(f"api.tcp.certificate and private-key cannot be used: {error}") from None
    return context
