"""Connections whose other end has gone without a word."""

import socket

_OPTIONS = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 4, socket.TCP_USER_TIMEOUT: 35_000, socket.TCP_NODELAY: 1}
"""The first three in seconds (and tries), the fourth in milliseconds."""


def dead_after(connection: socket.socket) -> None:
    """Within 35 s the kernel finds out that nobody is there, whether or not something is being sent. What is accepted inherits it."""
    for option, value in _OPTIONS.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
