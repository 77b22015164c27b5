"""In which pieces an overlay is filled."""

import numpy as np

from understudy.hypervisor.qemu.draining import STEP, groups

MIB = 1 << 20


def test_pieces_are_all_of_it_in_order_and_some_at_a_time():
    random = np.random.default_rng(5)
    for _ in range(50):
        lengths = random.choice([4096, MIB, 63 * MIB, STEP, 300 * MIB], random.integers(1, 40))
        holes = random.choice([4096, MIB, STEP, 900 * MIB], len(lengths))
        starts = np.cumsum(lengths + holes) - lengths
        data = np.stack([starts, lengths], axis=1)
        found = list(groups(data))
        assert all(len(group) and group[:, 1].sum() < 2 * STEP for group in found)
        assert all((group[1:, 0] - group[:-1].sum(axis=1) <= STEP).all() for group in found)
        pieces = np.concatenate(found)
        assert (np.diff(pieces[:, 0]) > 0).all()
        joined = np.flatnonzero(np.append(True, pieces[1:, 0] != pieces[:-1].sum(axis=1)))
        assert (pieces[joined, 0] == starts).all()
        assert (np.add.reduceat(pieces[:, 1], joined) == lengths).all()


def test_nothing_is_no_piece():
    assert list(groups(np.empty((0, 2), np.int64))) == []
