"""An empty qcow2 image, without QEMU's help: while `blockdev-create` makes one, a QEMU that is asked for its nodes, by anybody, aborts
(seen with 7.2.22), and the guest with it.

After docs/interop/qcow2.txt of QEMU: version 3, reference counts of 16 bits, nothing allocated but the tables themselves.
"""

import os
import struct
from pathlib import Path

_HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_REFCOUNT_ORDER = 4


def make_empty(path: Path, size: int, cluster: int) -> None:
    """Lay an image of `size` bytes (whole sectors), all holes, into an empty file. OSError if it cannot be written."""
    reach = cluster // 8 * cluster
    entries = -(-size // reach)
    tables = -(-entries * 8 // cluster)
    clusters = 3 + tables
    header = _HEADER.pack(
        *(b"QFI\xfb", 3, 0, 0, cluster.bit_length() - 1, size, 0),
        *(entries, 3 * cluster),  # the table of tables
        *(cluster, 1, 0, 0),  # the table of blocks of reference counts; no snapshots
        *(0, 0, 0, _REFCOUNT_ORDER, _HEADER.size),
    )
    with path.open("rb+", buffering=0) as file:
        descriptor = file.fileno()
        os.ftruncate(descriptor, clusters * cluster)
        os.pwrite(descriptor, header, 0)
        os.pwrite(descriptor, struct.pack(">Q", 2 * cluster), cluster)
        os.pwrite(descriptor, struct.pack(f">{clusters}H", *[1] * clusters), 2 * cluster)
