"""A reader of vaults made from docs/format.md alone: no module of the package takes part. It reads footers and no checkpoint."""

import base64
import struct
from hashlib import blake2b
from pathlib import Path
from typing import Any

import lz4.block
import msgspec
import nacl.bindings as sodium
from nacl.exceptions import BadSignatureError, CryptoError
from nacl.public import PrivateKey, SealedBox
from nacl.signing import VerifyKey

BLOCK = 4096
FRAME_CIPHERS = {
    1: (24, sodium.crypto_aead_xchacha20poly1305_ietf_decrypt),
    2: (32, sodium.crypto_aead_aegis256_decrypt),
}
SOURCE = {"protect", "claim", "point", "checkpoint", "definition", "note"}
OPERATOR = SOURCE | {"hold", "failover"}
SETTINGS = {"genesis", "identity", "revoke", "note"}


def hashed(data: bytes, key: bytes = b"", size: int = 32) -> bytes:
    return blake2b(data, key=key, digest_size=size).digest()


def unpacked(data: bytes) -> Any:
    return msgspec.msgpack.decode(data)


def unsealed(key: bytes, context: bytes, data: bytes) -> bytes:
    return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(data[24:], context, data[:24], key)


def le64(number: int) -> bytes:
    return number.to_bytes(8, "little")


class FormatReader:
    """An opened vault: `machines` of ids, `bundle`, `members` by public key (role, and None or the heads of a revocation)."""

    def __init__(self, root: Path, key_file: str) -> None:
        self.root = root
        raw = (root / "vault").read_bytes()
        assert raw[:8] == b"USVLT\0\x01\x00"
        assert raw[-32:] == hashed(raw[:-32])
        self.id: bytes = unpacked(raw[8:-32])["id"]
        prefix = "understudy-key-1:"
        assert key_file.startswith(prefix)
        self.bundle = self._slots(base64.b64decode(key_file.removeprefix(prefix)))
        self.members: dict[bytes, tuple[str, dict[bytes, int] | None]] = {}
        self._read_settings(hashed(raw))
        self.machines = sorted(path.name for path in (root / "machines").iterdir())

    def _slots(self, secret: bytes) -> Any:
        for path in (self.root / "keys").iterdir():
            raw = path.read_bytes()
            assert raw[:8] == b"USKEY\0\x01\x00"
            assert raw[-32:] == hashed(raw[:-32])
            end = 12 + int.from_bytes(raw[8:12], "little")
            header = unpacked(raw[12:end])
            derivation = header["derivation"]
            if derivation["name"] != "blake2b":
                continue
            key = hashed(b"understudy-key-file\0" + self.id + derivation["salt"], secret)
            context = b"understudy-slot\0" + self.id + bytes.fromhex(path.name) + raw[12:end]
            try:
                bundle = unpacked(unsealed(key, context, raw[end:-32]))
            except CryptoError:
                continue
            assert (header["role"], header["label"]) == (bundle["role"], bundle["name"])
            return bundle
        raise AssertionError("no slot opens")

    def secret(self, purpose: str) -> bytes:
        """Of 32 bytes: the first half of B(0)."""
        data = b"understudy\0" + purpose.encode() + b"\0" + self.id + bytes(4)
        return hashed(data, self.bundle["index_key"], 64)[:32]

    def records(self, owner: str) -> list[tuple[bytes, Any, bytes]]:
        """Signer (empty: no good signature), body, and hash of each object."""
        found = []
        for seq, path in enumerate(sorted((self.root / owner / "log").iterdir()), 1):
            raw = path.read_bytes()
            assert path.name == f"{seq:016d}"
            assert raw[:8] == b"USLOG\0\x01\x00"
            place = self.id + owner.encode() + b"\0" + le64(seq)
            signed = unpacked(unsealed(self.secret("log"), b"understudy-record\0" + place, raw[8:]))
            signer = signed["signer"]
            try:
                VerifyKey(signer).verify(b"understudy-signed\0" + place + signed["body"], signed["signature"])
            except BadSignatureError:
                signer = b""
            found.append((signer, unpacked(signed["body"]), hashed(raw)))
        return found

    def _read_settings(self, descriptor: bytes) -> None:
        before = bytes(32)
        for seq, (signer, body, digest) in enumerate(self.records("settings"), 1):
            role, revoked = self.members.get(signer, ("", None))
            data = body["data"]
            if seq == 1:
                assert (signer, body["kind"], data["descriptor"]) == (self.bundle["root"], "genesis", descriptor)
                assert data["recovery_public"] == self.bundle["recovery_public"]
                self.members[signer] = ("operator", None)
            elif role == "operator" and revoked is None and body["kind"] in SETTINGS:
                if body["kind"] == "identity" and data["public"] not in self.members:
                    self.members[data["public"]] = (data["role"], None)
                elif body["kind"] == "revoke":
                    heads = {head["machine"]: head["seq"] for head in data.get("heads", [])}
                    self.members[data["public"]] = (self.members[data["public"]][0], heads)
            assert body["prev"] == before
            before = digest

    def points(self, machine: str) -> dict[str, Any]:
        """The fold, as far as points and epochs go: valid points by id, in order, each with `seq`."""
        points: dict[str, Any] = {}
        epoch, writer, site, before = 0, b"", "", bytes(32)
        for seq, (signer, body, digest) in enumerate(self.records(f"machines/{machine}"), 1):
            role, heads = self.members.get(signer, ("", None))
            trusted = bool(role) and (heads is None or seq <= heads.get(bytes.fromhex(machine), 0))
            if trusted and body["kind"] in (OPERATOR if role == "operator" else SOURCE):
                assert body["prev"] == before
                data, kind = body["data"], body["kind"]
                if kind == "protect" and seq == 1 and body["epoch"] == 1:
                    epoch, site = 1, data["site"]
                elif body["epoch"] == epoch != 0:
                    if kind == "claim" and (epoch == 1 or role == "operator" or data["site"] == site):
                        writer, site = body["writer"], data["site"]
                    elif kind == "failover" and data["epoch"] == epoch + 1:
                        epoch, site, writer = data["epoch"], data["site"], b""
                    elif kind == "point" and body["writer"] == writer and data["id"].hex() not in points:
                        points[data["id"].hex()] = data | {"seq": seq}
            before = digest
        return points

    def disks(self, machine: str, points: dict[str, Any], point: str) -> dict[str, bytes]:
        """What a point's disks hold, by name."""
        chain = [points[point]]
        while chain[0]["parent"]:
            chain.insert(0, points[chain[0]["parent"].hex()])
            assert chain[0]["seq"] < chain[1]["seq"]
        blocks: dict[bytes, dict[int, bytes]] = {}
        for step in chain:
            ends = {disk["id"]: -(-disk["size"] // BLOCK) for disk in step["disks"]}
            blocks = {disk: {n: b for n, b in blocks.get(disk, {}).items() if n < end} for disk, end in ends.items()}
            assert "packs_in" not in step, "more packs than a record holds"
            for ref in step.get("packs", []):
                pack = (self.root / f"machines/{machine}/packs/{ref['id'].hex()}").read_bytes()
                assert (pack[8:24], len(pack), pack[-32:]) == (ref["id"], ref["size"], ref["hash"])
                self._lay(machine, pack, blocks)
            if step.get("inline"):
                self._lay(machine, step["inline"], blocks)
        return {
            disk["name"]: b"".join(blocks[disk["id"]].get(n, bytes(BLOCK)) for n in range(-(-disk["size"] // BLOCK)))[: disk["size"]]
            for disk in chain[-1]["disks"]
        }

    def _lay(self, machine: str, pack: bytes, blocks: dict[bytes, dict[int, bytes]]) -> None:
        footer_at, footer_length, header_hash, footer_hash, _, digest = struct.unpack("<QQ32s32s16s32s", pack[-128:])
        sealed = pack[footer_at : footer_at + footer_length]
        assert footer_at + footer_length == len(pack) - 128
        assert (hashed(pack[-128:-32]), hashed(pack[:160]), hashed(sealed)) == (digest, header_hash, footer_hash)
        assert pack[:8] == b"USPACK\x01\x00"
        owner = self.id + bytes.fromhex(machine) + pack[8:24]
        suite, generation = pack[24], int.from_bytes(pack[28:32], "little")
        (private,) = [held["private"] for held in self.bundle["recovery_private"] if held["generation"] == generation]
        key = SealedBox(PrivateKey(private)).decrypt(pack[32:112])
        body = unsealed(self.secret("footer"), b"understudy-footer\0" + owner, sealed)
        footer = lz4.block.decompress(body[8:], uncompressed_size=int.from_bytes(body[:8], "little"))
        named, count, rows, _, signatures = struct.unpack_from("<B3xIIIQ", footer)
        assert (named, len(footer)) == (suite, 24 + 16 * count + 32 * rows + 16 * signatures)
        ids = [footer[24 + 16 * i :][:16] for i in range(count)]
        nonce_size, decrypt = FRAME_CIPHERS[suite]
        for first, offset, length, size, number, disk, kind, _ in struct.iter_unpack("<QQIIIHBB", footer[24 + 16 * count :][: 32 * rows]):
            plain = bytes(BLOCK * length)
            if kind:
                context = hashed(b"understudy-frame\0" + owner + ids[disk]) + struct.pack("<QIB", first, length, kind)
                plain = decrypt(pack[offset : offset + size], context, number.to_bytes(nonce_size, "little"), key)
                plain = lz4.block.decompress(plain, uncompressed_size=BLOCK * length) if kind == 1 else plain
            blocks[ids[disk]].update((first + i, plain[BLOCK * i :][:BLOCK]) for i in range(length))
