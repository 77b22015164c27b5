import pytest

from understudy.errors import IntegrityError, Unsupported
from understudy.vault.descriptor import MAGIC, Descriptor, decode, digest, encode


def test_round_trip() -> None:
    new = Descriptor.new(5)
    assert decode(encode(new)) == new
    assert Descriptor.new(5).id != new.id


def test_every_flipped_byte_and_every_truncation_is_refused() -> None:
    data = encode(Descriptor.new(5))
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x40
        with pytest.raises(IntegrityError):
            decode(bytes(damaged))
        with pytest.raises(IntegrityError):
            decode(data[:position])
    with pytest.raises(IntegrityError):
        decode(data + bytes(10000))


def test_a_later_format_is_not_called_damage() -> None:
    data = MAGIC + b"\2\0" + b"whatever"
    with pytest.raises(Unsupported, match="format 2"):
        decode(data + digest(data))


def test_nonsense_with_a_right_checksum() -> None:
    data = MAGIC + b"\1\0" + b"\xc1"
    with pytest.raises(IntegrityError, match="malformed"):
        decode(data + digest(data))
