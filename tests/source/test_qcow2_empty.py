"""The empty images that scratch files begin as, held against QEMU's own tools; and why QEMU is not asked to make them."""

import asyncio
import json
import secrets
import subprocess

import pytest

from tests.source.machine import MIB
from understudy.source.qcow2_empty import make_empty

SHAPES = [(512, 65536), (MIB + 512, 65536), (512 * MIB, 65536), ((512 << 20) + 512, 65536), (8 << 40, 65536), (8 << 40, 2 * MIB)]


@pytest.mark.parametrize(("size", "cluster"), SHAPES)
def test_it_is_what_qemu_takes_for_an_empty_image(tmp_path, size, cluster):
    path = tmp_path / "empty"
    path.touch()
    make_empty(path, size, cluster)

    def said(*words: str) -> object:
        return json.loads(subprocess.run(["qemu-img", *words, "--output=json", path], check=True, capture_output=True).stdout)

    info, check = said("info", "-f", "qcow2"), said("check", "-f", "qcow2")
    assert (info["virtual-size"], info["cluster-size"]) == (size, cluster)
    assert (check["check-errors"], check.get("leaks", 0), check.get("corruptions", 0), check["image-end-offset"]) == (
        0,
        0,
        0,
        path.stat().st_size,
    )
    if size < MIB * 1024:
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P 7 {size - 512} 512", path], check=True, capture_output=True)
        read = subprocess.run(
            ["qemu-io", "-f", "qcow2", "-c", f"read -P 7 {size - 512} 512", path], check=True, capture_output=True, text=True
        )
        assert "failed" not in read.stdout
        assert said("check", "-f", "qcow2")["check-errors"] == 0


async def test_who_asks_for_the_nodes_meanwhile_does_not_end_qemu(two_disks):
    """As libvirt and monitoring do, at any moment."""
    machine, over = two_disks, asyncio.Event()

    async def look() -> int:
        count = 0
        while not over.is_set():
            await machine.execute("query-named-block-nodes", flat=True)
            count += 1
        return count

    looking = asyncio.ensure_future(look())
    source = machine.source()
    await source.recover(None)
    for _ in range(3):
        await source.freeze(secrets.token_hex(16), None)
        await source.release(False)
    over.set()
    assert await looking > 3
    await source.close()
    assert machine.process.poll() is None
