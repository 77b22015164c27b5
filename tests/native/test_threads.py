"""Kernels run beside Python and beside each other."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tests.native import samples
from tests.native.frames import pack, unpack
from understudy.native import blockhash
from understudy.native.layout import SUITE_AEGIS256


def test_python_runs_while_a_kernel_does() -> None:
    """Signatures are seen half written: with the GIL held, they would be all there or not at all."""
    data = np.tile(samples.text(256, 1), 64)
    out = np.zeros((16384, 16), np.uint8)

    def seen_half_done() -> bool:
        out[...] = 0
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(blockhash.sign, data, samples.SECRET, out)
            while not call.done():
                if out[0].any() and not out[-1].any():
                    return True
        return False

    assert any(seen_half_done() for _ in range(100))


def test_threads_do_not_disturb_each_other() -> None:
    inputs = [samples.mixed(300, seed) for seed in range(8)]
    old = np.ones((300, 16), np.uint8)
    alone = [pack(data, None, old, suite=SUITE_AEGIS256) for data in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda data: pack(data, None, old, suite=SUITE_AEGIS256), inputs))
        back = list(pool.map(lambda made: unpack(made.sealed, made.rows, suite=SUITE_AEGIS256), together))
    for a, b, data, restored in zip(alone, together, inputs, back, strict=True):
        assert np.array_equal(a.sealed, b.sealed)
        assert a.result == b.result
        assert np.array_equal(data, restored)
