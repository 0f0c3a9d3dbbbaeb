"""k-d trees over binned columns: the regions in which rows are counted, found alike by curator and model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.integer]


def bits_of(n_bins: int) -> int:
    """Return how many bits number so many bins."""
    return (n_bins - 1).bit_length()


@dataclass(frozen=True, eq=False)
class KDTree:
    """A tree each level of which cuts all regions so far by one column, each at a bin of its own [1]_.

    Parameters
    ----------
    columns : ndarray of shape (depth,), int
        The column that each level cuts.
    cuts : ndarray of shape (2**depth - 1,), int
        The last bin of the lower part of each region, level by level. Regions of a level are numbered so that region r
        is cut into 2 r, the lower part, and 2 r + 1.

    References
    ----------
    .. [1] Bentley, J. L. (1975). Multidimensional binary search trees used for associative searching. Communications
       of the ACM, 18(9), 509-517.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.latent.kdtree import KDTree
    >>> tree = KDTree(np.array([0, 1]), np.array([0, 2, 1]))
    >>> tree.find([np.array([0, 0, 1, 1]), np.array([2, 3, 1, 2])])
    array([0, 1, 2, 3])
    """

    columns: NDArray[np.int64]
    cuts: Integers

    @property
    def n_regions(self) -> int:
        """Number of regions, of which some may be empty for ever."""
        return 1 << len(self.columns)

    def find(self, bins: Sequence[Integers] | Mapping[int, Integers] | Integers) -> NDArray[np.int64]:
        """Return the region of each point, whose bins are given column by column (n_columns, n)."""
        columns = self.columns.tolist()
        at = (bins[columns[0]] > self.cuts[0]).astype(np.int64)
        for level, j in enumerate(columns[1:], start=1):
            n = 1 << level
            beyond = bins[j] > self.cuts[n - 1 : 2 * n - 1].take(at)
            at <<= 1
            at += beyond
        return at


def grid(columns: Sequence[int], n_bins: Sequence[int]) -> KDTree:
    """Return the tree whose regions are the combinations of bins, numbered by the bits of one bin after the other.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.latent.kdtree import grid
    >>> grid([0, 1], [2, 3]).find([np.array([1]), np.array([2])])  # bits 1 and 10
    array([6])
    """
    levels, cuts, n_before = list[int](), list[NDArray[np.int64]](), 1
    for j, n in zip(columns, n_bins, strict=True):
        bits = bits_of(n)
        for b in range(bits):
            width = 1 << (bits - b)  # bins of a region that is to be cut
            own = np.arange(1 << b) * width + width // 2 - 1
            cuts.append(np.tile(own, n_before))
            levels.append(j)
        n_before <<= bits
    if not levels:  # of single bins; a tree has a level
        return KDTree(np.array(columns[:1]), np.zeros(1, dtype=np.int64))
    return KDTree(np.array(levels), np.concatenate(cuts))


def cells(n_bins: Sequence[int]) -> NDArray[np.int64]:
    """Return the region of each combination of bins in a `grid`, in C order."""
    out = np.zeros(1, dtype=np.int64)
    for n in n_bins:
        out = ((out[:, None] << bits_of(n)) + np.arange(n)).ravel()
    return out
