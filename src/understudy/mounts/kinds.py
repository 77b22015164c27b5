"""What is found on a disk, what the kernel is told when it is mounted, and what an operator is told where it cannot be. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from understudy import engine

_PAIR = re.compile(r'(\w+)="([^"]*)"')
_ESCAPED = re.compile(r"\\(.)")
SECTOR = 512
_EXTENDED = ("0x5", "0xf", "0x85")


class Partition(NamedTuple):
    """In bytes."""

    number: int
    start: int
    size: int


class Signature(NamedTuple):
    """What `blkid` knows of a place; all empty: nothing. `several`: it found signatures of more than one thing. `unread`: why it could not
    be looked at."""

    kind: str = ""
    usage: str = ""
    label: str = ""
    table: str = ""
    several: bool = False
    unread: str = ""


def signature_of(status: int, output: str) -> Signature:
    """Of `blkid --probe --output export`."""
    if status == 8:
        return Signature(several=True)
    said = {name: _ESCAPED.sub(r"\1", value) for name, _, value in (line.partition("=") for line in output.splitlines())}
    return Signature(said.get("TYPE", ""), said.get("USAGE", ""), said.get("LABEL", ""), said.get("PTTYPE", ""))


def partitions_of(output: str) -> tuple[Partition, ...]:
    """Of `partx --pairs`. Extended partitions hold others, and nothing of their own."""
    rows = [dict(_PAIR.findall(line)) for line in output.splitlines()]
    return tuple(
        Partition(int(row["NR"]), int(row["START"]) * SECTOR, int(row["SECTORS"]) * SECTOR) for row in rows if row["TYPE"] not in _EXTENDED
    )


ALWAYS = ("ro", "nosuid", "nodev", "noexec", "nosymfollow")
"""A link of the guest's would lead to this host's files, without a word."""
# A guest may have said that its own kernel shall panic; and of one file system there may be several points.
_MORE: Mapping[str, tuple[str, ...]] = {
    "ext2": ("errors=remount-ro",),
    "ext3": ("errors=remount-ro",),
    "ext4": ("errors=remount-ro",),
    "xfs": ("nouuid",),
}
_DRIVERS: Mapping[str, tuple[str, ...]] = {"ntfs": ("ntfs3", "ntfs")}


def drivers_of(kind: str) -> Sequence[str]:
    """The kernel's names for it, the better one first."""
    return _DRIVERS.get(kind, (kind,))


def options_of(kind: str) -> tuple[str, ...]:
    return ALWAYS + _MORE.get(kind, ())


class Words(NamedTuple):
    note: str
    hint: str


_UNDO = "undo all that before the unmount"
_BY_HAND: Mapping[str, Words] = {
    "LVM2_member": Words(
        "a physical volume of LVM, whose volumes are not looked for",
        "go on by hand, with lvm2: {attach}; then `vgimportclone`, lest it be taken for a group of this host, and `vgchange --activate y`; "
        + _UNDO,
    ),
    "crypto_LUKS": Words(
        "encrypted with LUKS",
        "go on by hand, with cryptsetup and its passphrase: {attach}; then `cryptsetup open` and `mount -o ro`; " + _UNDO,
    ),
    "linux_raid_member": Words(
        "a member of a Linux RAID array",
        "go on by hand, with mdadm: {attach}, for each member; then `mdadm --assemble --readonly` and `mount -o ro`; " + _UNDO,
    ),
    "swap": Words("swap space", ""),
}


def words_for(found: Signature, volume: engine.Volume, raw: str) -> Words:
    """Why its files are not shown, where nobody tried: it is no file system."""
    attach = attach_by(volume, raw)
    if found.unread:
        return Words(
            f"it cannot be read: {found.unread}", "the log of the export says why, and `understudy verify` what of the point is damaged"
        )
    if found.several:
        return Words("blkid finds signatures of more than one thing", f"see `wipefs {raw}`, and go on by hand: {attach}")
    if found.table and not found.kind:
        return Words(f"a partition table ({found.table}), and no partition", "")
    if not found.kind:
        return Words("nothing that blkid knows", "")
    words = _BY_HAND.get(found.kind, Words(f"{found.kind}, which is no file system", "go on by hand: {attach}"))
    return Words(words.note, words.hint.format(attach=attach))


def attach_by(volume: engine.Volume, raw: str) -> str:
    """The command that makes a block device of it."""
    part = f"--offset {volume.start} --sizelimit {volume.size} " if volume.partition else ""
    return f"losetup --find --show {part}{raw}"


def refused(volume: engine.Volume, said: str, raw: str) -> Words:
    """Why its files are not shown, where the kernel would not."""
    if "unknown filesystem type" in said:
        return Words(
            f"{volume.kind}, which this host's kernel does not know",
            f"`modprobe {drivers_of(volume.kind)[0]}` may load it, then unmount and mount again; else go to a host that knows it",
        )
    return Words(f"{volume.kind}, which was not mounted: {said}", f"`dmesg` may tell more; go on by hand: {attach_by(volume, raw)}")
