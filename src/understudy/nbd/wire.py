"""Numbers and fixed layouts of the NBD protocol (big-endian throughout)."""

import struct
from enum import IntEnum, IntFlag

NBD_MAGIC = 0x4E42444D41474943
OPTION_MAGIC = 0x49484156454F5054
OPTION_REPLY_MAGIC = 0x0003E889045565A9
REQUEST_MAGIC = 0x25609513
SIMPLE_MAGIC = 0x67446698
STRUCTURED_MAGIC = 0x668E33EF

FIXED_NEWSTYLE = 1
NO_ZEROES = 2

ERROR_BIT = 1 << 31
CHUNK_ERROR_BIT = 1 << 15
CHUNK_DONE = 1

MAX_STRING = 4096
"""The longest name or message that the protocol allows."""
MAX_PAYLOAD = 32 << 20
"""The longest read or write where a server states no limit."""

GREETING = struct.Struct(">QQH")
OPTION = struct.Struct(">QII")
OPTION_REPLY = struct.Struct(">QIII")
REQUEST = struct.Struct(">IHHQQI")
SIMPLE = struct.Struct(">IIQ")
CHUNK = struct.Struct(">IHHQ")  # the length follows, read together with the payload's fixed part
LENGTH = struct.Struct(">I")
DATA = struct.Struct(">IQ")  # length, offset
HOLE = struct.Struct(">IQI")  # length, offset, size of the hole
ERROR = struct.Struct(">IIH")  # length, error, length of the message
OLD_EXPORT = struct.Struct(">QH")  # size, transmission flags
EXPORT = struct.Struct(">HQH")  # information type, size, transmission flags
BLOCK_SIZES = struct.Struct(">HIII")


class Option(IntEnum):
    EXPORT_NAME = 1
    ABORT = 2
    LIST = 3
    STARTTLS = 5
    INFO = 6
    GO = 7
    STRUCTURED_REPLY = 8
    LIST_META_CONTEXT = 9
    SET_META_CONTEXT = 10


class Reply(IntEnum):
    ACK = 1
    SERVER = 2
    INFO = 3
    META_CONTEXT = 4
    UNSUPPORTED = ERROR_BIT | 1
    INVALID = ERROR_BIT | 3
    TLS_REQUIRED = ERROR_BIT | 5
    UNKNOWN = ERROR_BIT | 6


class Info(IntEnum):
    EXPORT = 0
    NAME = 1
    DESCRIPTION = 2
    BLOCK_SIZE = 3


class Command(IntEnum):
    READ = 0
    WRITE = 1
    DISCONNECT = 2
    FLUSH = 3
    TRIM = 4
    CACHE = 5
    WRITE_ZEROES = 6
    BLOCK_STATUS = 7


class Chunk(IntEnum):
    NONE = 0
    OFFSET_DATA = 1
    OFFSET_HOLE = 2
    BLOCK_STATUS = 5
    ERROR = CHUNK_ERROR_BIT | 1
    ERROR_OFFSET = CHUNK_ERROR_BIT | 2


class Flags(IntFlag):
    """What an export can do."""

    HAS_FLAGS = 1
    READ_ONLY = 2
    SEND_FLUSH = 4
    SEND_FUA = 8
    ROTATIONAL = 16
    SEND_TRIM = 32
    SEND_WRITE_ZEROES = 64
    SEND_DF = 128
    CAN_MULTI_CONN = 256
    SEND_CACHE = 1024


FUA = 1
"""Command flag: answer when it is on stable storage."""
NO_HOLE = 2
"""Command flag of WRITE_ZEROES: do not punch a hole."""
NOT_IN_PIECES = 4
"""Command flag of READ: answer in one chunk."""
ONE_EXTENT = 8
"""Command flag of BLOCK_STATUS: one extent is enough."""

BASE_ALLOCATION = "base:allocation"

HOLE_BIT = 1
ZERO_BIT = 2
"""Flags of a `base:allocation` extent."""
DIRTY_BIT = 1
"""Flag of a `qemu:dirty-bitmap:` extent."""


def option(number: Option, payload: bytes = b"") -> bytes:
    """An option request."""
    return OPTION.pack(OPTION_MAGIC, number, len(payload)) + payload


def string(text: str) -> bytes:
    """A string with its length before it."""
    raw = text.encode()
    return LENGTH.pack(len(raw)) + raw
