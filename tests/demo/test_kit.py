import gzip
import struct
import subprocess
from pathlib import Path

import lz4.block
import pytest

from understudy.demo.initramfs import build_initramfs
from understudy.demo.kernel import load_order, module_name, unpack_kernel
from understudy.demo.kit import Kit, build_kit
from understudy.demo.machine import GuestDisk, qemu_command
from understudy.errors import TargetFailed, Unsupported


def boot_image(payload: bytes) -> bytes:
    setup = bytearray(1024)
    setup[0x1F1] = 1
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", setup, 0x248, 16, len(payload))
    return bytes(setup) + bytes(16) + payload


def lz4_legacy(*chunks: bytes) -> bytes:
    blocks = [lz4.block.compress(chunk, store_size=False) for chunk in chunks]
    return (
        struct.pack("<I", 0x184C2102)
        + b"".join(struct.pack("<I", len(block)) + block for block in blocks)
        + struct.pack("<I", sum(map(len, chunks)))
    )


def test_an_lz4_kernel_is_unpacked():
    first = b"\x7fELF" + bytes((8 << 20) - 4)
    assert unpack_kernel(boot_image(lz4_legacy(first, b"the end"))) == first + b"the end"


def test_any_other_kernel_boots_as_it_is():
    image = boot_image(b"\xfd7zXZ\0 something")
    assert unpack_kernel(image) is image


def test_what_is_no_kernel_is_refused():
    with pytest.raises(Unsupported, match="boot image"):
        unpack_kernel(bytes(2048))
    with pytest.raises(Unsupported, match="ELF"):
        unpack_kernel(boot_image(lz4_legacy(b"nothing of the kind")))


def test_modules_load_after_what_they_depend_on():
    modules = {"c": b"\0depends=a,b-b\0", "b_b": b"\0depends=a\0", "a": b"\0depends=\0", "unused": b""}
    assert load_order(modules, ["c", "built_in"]) == ["a", "b_b", "c"]
    assert module_name("lib/modules/6.1/kernel/arch/x86/crypto/crc32c-intel.ko") == "crc32c_intel"
    with pytest.raises(Unsupported, match="depends on gone"):
        load_order({"x": b"\0depends=gone\0"}, ["x"])


def test_an_initramfs_is_an_archive_that_busybox_reads(tmp_path: Path):
    packed = build_initramfs({"/init": b"#!/bin/sh\n", "/bin/odd": b"12345"}, ("/dev",))
    archive = gzip.decompress(packed)
    assert archive.startswith(b"070701")
    assert archive.count(b"070701") == 5
    assert b"TRAILER!!!" in archive
    assert len(archive) % 4 == 0
    assert packed == build_initramfs({"/bin/odd": b"12345", "/init": b"#!/bin/sh\n"}, ("/dev",))


def test_the_command_line_of_a_guest():
    kit = Kit(Path("/k/vmlinux"), Path("/k/initramfs"))
    disks = [GuestDisk(Path("/d/a,b.raw"), "raw"), GuestDisk(Path("/d/b.qcow2"), "qcow2", sector=4096)]
    words = qemu_command(kit, "tcg", "write", disks, monitors=[Path("/r/qmp.sock")], options={"run": "ab"})
    assert words[words.index("-append") + 1].split()[-3:] == ["us.mode=write", "us.disks=2", "us.run=ab"]
    assert "driver=file,filename=/d/a,,b.raw,node-name=file0,discard=unmap" in words
    assert "driver=qcow2,file=file1,node-name=disk1,discard=unmap" in words
    assert "virtio-blk-pci,drive=disk1,id=vd1,logical_block_size=4096,physical_block_size=4096" in words
    assert "unix:/r/qmp.sock,server=on,wait=off" in words
    assert words[words.index("-cpu") + 1] == "max"
    assert qemu_command(kit, "kvm", "probe")[4] == "host"


def test_the_guest_programs_build_without_a_warning(tmp_path: Path):
    guest = Path(__file__).parents[2] / "src" / "understudy" / "demo" / "guest"
    for source in sorted(guest.glob("*.c")):
        command = ["gcc", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(tmp_path / source.stem), str(source)]
        subprocess.run(command, check=True)


def test_a_kit_that_cannot_be_kept_is_said():
    with pytest.raises(TargetFailed, match="cannot be kept in /proc/nowhere") as caught:
        build_kit(Path("/proc/nowhere"))
    assert "UNDERSTUDY_GUEST_KIT" in caught.value.hint
