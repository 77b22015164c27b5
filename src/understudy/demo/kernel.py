"""What a guest boots: a kernel image made quick to start, and its modules in the order in which they load."""

import re
import struct
from collections.abc import Iterable, Mapping

import lz4.block

from understudy.errors import Unsupported

_BOOT_PARAMETERS = 0x1F1
_LZ4_LEGACY = struct.pack("<I", 0x184C2102)
_LZ4_LEGACY_BLOCK = 8 << 20


def unpack_kernel(image: bytes) -> bytes:
    """The ELF kernel inside a bzImage, or the image itself where it is compressed in another way than LZ4.

    An ELF kernel starts by PVH about a second sooner under emulation, where the image's own decompressor runs slowly.
    """
    if image[0x202:0x206] != b"HdrS":
        raise Unsupported("the kernel is not a Linux boot image")
    setup_sectors = image[_BOOT_PARAMETERS] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start : start + length]
    if not payload.startswith(_LZ4_LEGACY):
        return image
    kernel = bytearray()
    position = len(_LZ4_LEGACY)
    # The payload ends with its unpacked size, where a block would have its length.
    while position + 4 < len(payload):
        (size,) = struct.unpack_from("<I", payload, position)
        kernel += lz4.block.decompress(payload[position + 4 : position + 4 + size], uncompressed_size=_LZ4_LEGACY_BLOCK)
        position += 4 + size
    if not kernel.startswith(b"\x7fELF"):
        raise Unsupported("the kernel's payload is not an ELF file")
    return bytes(kernel)


def module_name(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(".ko").replace("-", "_")


def load_order(modules: Mapping[str, bytes], wanted: Iterable[str]) -> list[str]:
    """Names of the wanted modules and all they depend on, dependencies first.

    ``modules`` maps module names to their ELF files. A name that is not there is built into the kernel if it is a wanted one, and an
    error if another module depends on it.
    """
    order: list[str] = []

    def visit(name: str, needed_by: str | None) -> None:
        if name in order:
            return
        if name not in modules:
            if needed_by is None:
                return
            raise Unsupported(f"kernel module {needed_by} depends on {name}, which is not in the kernel's package")
        found = re.search(rb"\0depends=([^\0]*)\0", modules[name])
        for dependency in found[1].decode().split(",") if found and found[1] else []:
            visit(dependency.replace("-", "_"), name)
        order.append(name)

    for name in wanted:
        visit(name, None)
    return order
