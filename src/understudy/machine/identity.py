"""A copy that can run beside its original."""

import secrets
import uuid

import msgspec

from understudy.machine.definition import MachineDefinition

_PREFIX = "52:54:00"
"""QEMU's own, locally administered."""


def fresh_identity(definition: MachineDefinition) -> MachineDefinition:
    """The same machine with a new UUID and new addresses of its network cards, by chance."""
    nics = tuple(msgspec.structs.replace(nic, mac=fresh_mac()) for nic in definition.nics)
    return msgspec.structs.replace(definition, uuid=str(uuid.uuid4()), nics=nics)


def fresh_mac() -> str:
    return ":".join([_PREFIX, *(f"{octet:02x}" for octet in secrets.token_bytes(3))])
