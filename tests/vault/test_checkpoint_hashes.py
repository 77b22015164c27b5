"""Whoever trusts a checkpoint's record trusts its directory, and with that every page. And what a page may tell in vain."""

import struct

import numpy as np
import numpy.lib.recfunctions as rfn
import pytest
from msgspec.structs import replace

from tests.vault.kit import MACHINE, Machine
from tests.vault.test_checkpoint import VDA, damaged_machine, described
from understudy.model import BLOCK_SIZE
from understudy.vault import names
from understudy.vault.access import Access
from understudy.vault.maps.checkpoint import take_checkpoint
from understudy.vault.maps.checkpoint_directory import UNHASHED, Directory
from understudy.vault.maps.checkpoint_page import REGION_BLOCKS, open_page, seal_page, transposed
from understudy.vault.maps.checkpoint_read import read_directory
from understudy.vault.maps.resolve import resolve
from understudy.vault.packs.sealed import seal


async def test_a_page_that_opens_and_is_not_the_one_of_the_directory_is_not_used() -> None:
    """Somebody with the index key, who cannot sign, seals another page in its place."""
    machine, _ = await damaged_machine()
    newest = machine.checkpoints[-1]
    directory = await read_directory(machine.history(), newest)
    page = directory.disks[0].pages[-1]
    holder, region, at, length = (directory.objects[page["object"]].id, int(page["region"]), int(page["offset"]), int(page["length"]))
    name = names.checkpoint(MACHINE, holder.hex())
    good = machine.store.objects[name]
    rows, packs = open_page(machine.access, MACHINE, holder, VDA, region, good[at : at + length])
    other = seal_page(machine.access, MACHINE, holder, VDA, region, rows, packs)
    assert len(other) == length
    machine.store.objects[name] = good[:at] + other + good[at + length :]
    assert (await resolve(machine.history(), newest.point)).ignored


def first_version(access: Access, checkpoint_id: bytes, directory: Directory) -> bytes:
    """A directory as it was stored before it had hashes."""
    plain = struct.pack("<16sII", directory.point, len(directory.objects), len(directory.disks))
    plain += b"".join(struct.pack("<16sQ", entry.id, entry.size) for entry in directory.objects)
    plain += b"".join(struct.pack("<16sQII", disk.disk_id, disk.size, len(disk.pages), 0) for disk in directory.disks)
    pages = np.concatenate([disk.pages for disk in directory.disks])
    plain += transposed(rfn.repack_fields(pages[list(UNHASHED.names or ())]))
    place = b"understudy-directory\0" + bytes.fromhex(access.vault_id) + bytes.fromhex(MACHINE) + checkpoint_id
    return seal(access.secrets.checkpoint, place, plain)


async def test_a_checkpoint_without_hashes_is_read_and_not_built_upon() -> None:
    machine, want = await damaged_machine()
    base = machine.checkpoints[0]
    good = await read_directory(machine.history(), base)
    plain = first_version(machine.access, base.id, good)
    name = names.checkpoint(MACHINE, base.id.hex())
    machine.store.objects[name] = machine.store.objects[name][: base.directory[0]] + plain
    machine.checkpoints = [replace(base, size=base.directory[0] + len(plain), directory=(base.directory[0], len(plain)), hash=b"")]
    point = machine.points[-1].point.id
    got = await resolve(machine.history(), point)
    assert (described(got), got.ignored) == (want, ())
    taken = await take_checkpoint(machine.history(), point)
    machine.checkpoints.append(taken)
    assert [entry.id for entry in (await read_directory(machine.history(), taken)).objects] == [taken.id]
    assert described(await resolve(machine.history(), point)) == want


@pytest.mark.parametrize("regions", [1, 2])
async def test_what_a_disk_lost_by_shrinking_stays_lost_when_it_grows(regions: int) -> None:
    """Also where its end is amid a region, whose page is not written anew."""
    machine = Machine()
    blocks = REGION_BLOCKS * (regions - 1) + 300
    await machine.add_point({"vda": blocks * BLOCK_SIZE}, [("vda", np.array([5, 200, blocks - 1]), np.array([1, 3, 5]))])
    machine.checkpoints.append(await take_checkpoint(machine.history(), machine.points[-1].point.id))
    await machine.add_point({"vda": 100 * BLOCK_SIZE}, [])
    machine.checkpoints.append(await take_checkpoint(machine.history(), machine.points[-1].point.id))
    grown = await machine.add_point({"vda": blocks * BLOCK_SIZE}, [])
    assert [first for first, *_ in (await resolve(machine.history(), grown)).disks[VDA].rows.tolist()] == [5]
