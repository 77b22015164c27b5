"""Extent maps as columns of PIECE rows (layout.PIECE): merge, cut and compare in linear time. No GIL.

Inputs must be sorted by `first`, disjoint, with blocks >= 1, and for kinds other than zero skip + blocks <= frame_blocks <= 64:
else ValueError naming the row. Cutting a row adjusts `first`, `blocks` and `skip`.
"""

import numpy as np
from numpy.typing import NDArray

def overlay_bound(lower: int, upper: int) -> int:
    """The most rows that overlay can give for so many rows: lower + 2 * upper."""

def overlay(lower: NDArray[np.void], upper: NDArray[np.void], out: NDArray[np.void], drop_zero: bool) -> int:
    """`upper` hides `lower` where both say something. drop_zero leaves KIND_ZERO rows out (nothing lies below). Returns rows written."""

def cut(rows: NDArray[np.void], first: int, count: int, out: NDArray[np.void]) -> int:
    """Only the part inside first..first+count. Returns rows written (never more than there were)."""

def differing(a: NDArray[np.void], b: NDArray[np.void], out: NDArray[np.int64]) -> int:
    """Extents (sorted, merged) whose blocks come from another place in `a` than in `b`: other pack, number or position
    in the frame, or data in one and nothing (or zero) in the other. out is (len(a) + len(b), 2) at least. Returns extents written."""
