"""The golden files read by what docs/format.md says and nothing else: no module of the package takes part."""

import struct
from hashlib import blake2b
from pathlib import Path

import lz4.block
import nacl.bindings as sodium
import pytest
import xxhash
from nacl.public import PrivateKey, SealedBox

from tests.vault.kit import MACHINE, PRIVATE, VAULT, access_of, content, disk_id
from tests.vault.test_golden_maps import NUMBERS, SIZES, TAGS

GOLDEN = Path(__file__).parents[1] / "golden"
SECRETS = access_of().secrets
OWNER = bytes.fromhex(VAULT) + bytes.fromhex(MACHINE)


def unseal(key: bytes, associated: bytes, sealed: bytes) -> bytes:
    body = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed[24:], associated, sealed[:24], key)
    return lz4.block.decompress(body[8:], uncompressed_size=int.from_bytes(body[:8], "little"))


def rows_of(data: bytes, count: int, layout: str) -> list[tuple[int, ...]]:
    """Transposed rows."""
    return [struct.unpack(layout, data[i::count]) for i in range(count)]


def test_a_pack() -> None:
    pack = (GOLDEN / "pack-xchacha20poly1305.bin").read_bytes()
    footer_at, footer_length, header_hash, footer_hash, checksum, digest = struct.unpack("<QQ32s32s16s32s", pack[-128:])
    assert footer_at + footer_length == len(pack) - 128
    for covered, want in ((pack[-128:-32], digest), (pack[:160], header_hash), (pack[footer_at:-128], footer_hash)):
        assert blake2b(covered, digest_size=32).digest() == want
    assert xxhash.xxh3_128(pack[:-128]).digest() == checksum

    assert pack[:8] == b"USPACK\x01\x00"
    pack_id, suite, generation = pack[8:24], pack[24], int.from_bytes(pack[28:32], "little")
    assert (suite, generation) == (1, 1)
    key = SealedBox(PrivateKey(PRIVATE)).decrypt(pack[32:112])

    footer = unseal(SECRETS.footer, b"understudy-footer\0" + OWNER + pack_id, pack[footer_at : footer_at + footer_length])
    _, disks, rows, _, signed = struct.unpack_from("<B3xIIIQ", footer)
    assert len(footer) == 24 + 16 * disks + 32 * rows + 16 * signed
    ids = [footer[24 + 16 * i :][:16] for i in range(disks)]
    assert ids == [disk_id(name) for name in SIZES]
    found: dict[tuple[bytes, int], bytes] = {}
    for first, offset, blocks, length, number, disk, kind, _ in struct.iter_unpack("<QQIIIHBB", footer[24 + 16 * disks :][: 32 * rows]):
        plain = bytes(4096 * blocks)
        if kind:
            context = blake2b(b"understudy-frame\0" + OWNER + pack_id + ids[disk], digest_size=32).digest()
            nonce = number.to_bytes(24, "little")
            plain = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
                pack[offset : offset + length], context + struct.pack("<QIB", first, blocks, kind), nonce, key
            )
            plain = lz4.block.decompress(plain, uncompressed_size=4096 * blocks) if kind == 1 else plain
        found |= {(ids[disk], first + i): plain[4096 * i :][:4096] for i in range(blocks)}
    assert found == {
        (disk_id(name), int(block)): content(TAGS[name][i : i + 1]).tobytes()
        for name, numbers in NUMBERS.items()
        for i, block in enumerate(numbers)
    }


@pytest.mark.parametrize(("name", "version", "layout"), [("checkpoint", b"", "<IIQII"), ("hashed", b"-2", "<IIQII16s")])
def test_a_checkpoint(name: str, version: bytes, layout: str) -> None:
    stored = (GOLDEN / f"{name}.bin").read_bytes()
    offset, length = (int(number) for number in (GOLDEN / f"{name}.directory").read_text().split())
    checkpoint_id = blake2b(b"checkpoint\x01", digest_size=16).digest()
    assert stored[:8] == b"USMAPS\x01\x00"
    associated = b"understudy-directory" + version + b"\0" + OWNER + checkpoint_id
    directory = unseal(SECRETS.checkpoint, associated, stored[offset : offset + length])
    _, objects, disks = struct.unpack_from("<16sII", directory)
    heads = list(struct.iter_unpack("<16sQII", directory[24 + 24 * objects :][: 32 * disks]))
    pages = rows_of(directory[24 + 24 * objects + 32 * disks :], sum(head[2] for head in heads), layout)
    assert [head[:2] for head in heads] == [(disk_id(name), size) for name, size in SIZES.items()]
    assert [(head[2], page[0], page[1]) for head, page in zip(heads, pages, strict=True)] == [(1, 0, 0), (1, 0, 0)]
    for (disk, *_), (region, _, at, size, count, *hashes) in zip(heads, pages, strict=True):
        assert all(blake2b(stored[at : at + size], digest_size=16).digest() == digest for digest in hashes)
        associated = b"understudy-page\0" + OWNER + checkpoint_id + disk + region.to_bytes(8, "little")
        page = unseal(SECRETS.checkpoint, associated, stored[at : at + size])
        rows_count, packs = struct.unpack_from("<II", page)
        assert rows_count == count
        [(pack_id, pack_size, digest, seq)] = struct.iter_unpack("<16sQ32sQ", page[8 : 8 + 64 * packs])
        pack = (GOLDEN / "pack-xchacha20poly1305.bin").read_bytes()
        assert (pack_id, pack_size, digest, seq) == (pack[8:24], len(pack), pack[-32:], 2)
        covered = {
            first + i
            for first, blocks, _, _, _, _, _, _, kind, _ in rows_of(page[8 + 64 * packs :], count, "<QQQIIIBBBB")
            for i in range(blocks)
            if kind
        }
        name = next(name for name in SIZES if disk_id(name) == disk)
        assert covered == set(NUMBERS[name][TAGS[name] > 0].tolist())
