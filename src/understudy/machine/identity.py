"""What a copy needs to run beside its original."""

import secrets

_PREFIX = "52:54:00"
"""QEMU's own, locally administered."""


def fresh_mac() -> str:
    """By chance."""
    return ":".join([_PREFIX, *(f"{octet:02x}" for octet in secrets.token_bytes(3))])
