"""What decoding bytes that somebody else wrote may raise."""

import msgspec

MALFORMED = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Not what the type says; text that is not UTF-8; nested too deep."""
