"""What the tools say of disks, in cases that are seldom met."""

import pytest

from understudy import engine
from understudy.mounts.kinds import Partition, Signature, partitions_of, signature_of, words_for

ROW = 'NR="{}" START="{}" SECTORS="{}" TYPE="{}"\n'
WHOLE = engine.Volume(disk="vda", partition=0, start=0, size=1 << 20)


def test_an_extended_partition_is_not_one_of_its_own() -> None:
    rows = ROW.format(1, 2048, 8, "0x83") + ROW.format(2, 4096, 100, "0x5") + ROW.format(5, 4097, 9, "0x83")
    assert partitions_of(rows) == (Partition(1, 1 << 20, 4096), Partition(5, 4097 * 512, 9 * 512))


def test_a_table_may_be_empty() -> None:
    assert partitions_of("") == ()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (signature_of(8, ""), "more than one thing"),
        (signature_of(2, ""), "nothing that blkid knows"),
        (signature_of(0, "DEVNAME=x\nPTTYPE=dos\n"), "and no partition"),
        (signature_of(0, "TYPE=zfs_member\nUSAGE=raid\nLABEL=my\\ pool\n"), "zfs_member, which is no file system"),
        (Signature(unread="Input/output error"), "cannot be read"),
    ],
)
def test_what_is_no_file_system_is_named(found: Signature, said: str) -> None:
    assert said in words_for(found, WHOLE, "/here/vda/disk.raw").note


def test_a_label_is_read_as_it_is() -> None:
    assert signature_of(0, "LABEL=my\\ \\$pool\nTYPE=xfs\n").label == "my $pool"
