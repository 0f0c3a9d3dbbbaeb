"""Two-way tables of all pairs of binned columns, counted together and kept in one flat array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Entries of a table, on average, up to which products of matrices of zeros and ones are faster than counting.
_FEW_ENTRIES = 128
#: Most rows multiplied at once, whose sums are exact in single precision, and columns of the product.
_PIECE_ROWS, _BAND = 2**12, 2**9
#: Entries that are counted in one call, about: enough that a call costs little, and few enough for a cache.
_COUNTED = 2**17


class CrossTables:
    """Places of the entries of all two-way tables of some columns.

    Column a stands above all later ones: their tables, with the bins of a as rows, are side by side. The tables of
    column 0 come first, row by row.

    Parameters
    ----------
    sizes : ndarray of int64
        Number of bins of each column.

    Attributes
    ----------
    pairs : ndarray of shape (n_pairs, 2)
        The pairs (a, b) with a < b, in order.
    n_entries : int
        Number of entries of all tables.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.latent.crosstabs import CrossTables
    >>> tables = CrossTables(np.array([2, 1, 2]))
    >>> counts = tables.count(np.array([[0, 0, 1], [1, 0, 0]]), np.array([0, 0]), 1)
    >>> counts.tolist()  # (0, 1) beside (0, 2), then (1, 2)
    [[1, 0, 1, 1, 1, 0, 1, 1]]
    >>> tables.per_pair(counts[0])
    array([2, 2, 2])
    """

    def __init__(self, sizes: NDArray[np.int64]) -> None:
        self._sizes = sizes
        self._ends = np.cumsum(sizes)  # of the bins of each column, all columns in a row
        self._starts = self._ends - sizes
        self._later = self._ends[-1] - self._ends  # bins of all later columns
        own = sizes * self._later
        self._offsets = np.cumsum(own) - own
        self.n_entries = int(own.sum())
        self.pairs: NDArray[np.int64] = np.column_stack(np.triu_indices(len(sizes), 1)).astype(np.int64)

    def of(self, values: NDArray[Any], a: int) -> NDArray[Any]:
        """Return the tables of a column with all later ones, (..., bins of a, bins of the later ones): a view."""
        own = values[..., self._offsets[a] : self._offsets[a] + self._sizes[a] * self._later[a]]
        return own.reshape(*values.shape[:-1], self._sizes[a], self._later[a])

    def per_pair(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the sum over the entries of each table."""
        return np.concatenate([self._sums(self.of(values, a), a) for a in range(len(self._sizes) - 1)])

    def distances(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sum of the absolute differences over the entries of each pair's tables, of all components."""
        return np.concatenate(
            [
                self._sums(np.abs(self.of(one, a) - self.of(other, a)).sum(axis=0), a)
                for a in range(len(self._sizes) - 1)
            ]
        )

    def _sums(self, tables: NDArray[Any], a: int) -> NDArray[Any]:
        return np.asarray(np.add.reduceat(tables.sum(axis=0), self._starts[a + 1 :] - self._ends[a]))

    def count(self, bins: NDArray[Any], component: NDArray[np.int64], n_components: int) -> NDArray[np.int64]:
        """Count rows, (n_components, n_entries); those with a negative component are left out."""
        inside = component >= 0
        if not inside.all():
            bins, component = bins[inside], component[inside]
        out = np.zeros((n_components, self.n_entries), dtype=np.int64)
        if self.n_entries <= _FEW_ENTRIES * len(self.pairs):
            self._add_products(out, bins, component)
        else:
            self._add_counts(out, bins, component)
        return out

    def _add_counts(self, out: NDArray[np.int64], bins: NDArray[Any], component: NDArray[np.int64]) -> None:
        places = np.ascontiguousarray(bins.T, dtype=np.int64) + self._starts[:, None]
        together = max(1, _COUNTED // max(len(bins), 1))  # later columns
        for a in range(len(places) - 1):
            tables, row = self.of(out, a), component * self._sizes[a] + (places[a] - self._starts[a])
            for first in range(a + 1, len(places), together):
                later = places[first : first + together]
                left, width = self._starts[first], self._ends[first + len(later) - 1] - self._starts[first]
                shape = len(out), int(self._sizes[a]), int(width)
                entries = later + (row * width - left)
                start = left - self._ends[a]
                found = np.bincount(entries.ravel(), minlength=int(np.prod(shape)))
                tables[..., start : start + width] = found.reshape(shape)

    def _add_products(self, out: NDArray[np.int64], bins: NDArray[Any], component: NDArray[np.int64]) -> None:
        bands = np.flatnonzero(np.diff(self._ends // _BAND, prepend=-1))  # first columns of groups of some width
        for c, tables in enumerate(out):
            own = bins if len(out) == 1 else bins[component == c]
            for first in range(0, len(own), _PIECE_ROWS):
                piece = own[first : first + _PIECE_ROWS]
                hot = np.zeros((len(piece), self._ends[-1]), dtype=np.float32)
                hot[np.arange(len(piece))[:, None], self._starts + piece] = 1.0
                for start, stop in zip(bands, [*bands[1:], len(self._sizes)], strict=True):
                    left = self._starts[start]
                    product = hot[:, left : self._ends[stop - 1]].T @ hot[:, left:]
                    for a in range(start, stop):
                        rows = slice(self._starts[a] - left, self._ends[a] - left)
                        self.of(tables, a)[...] += product[rows, self._ends[a] - left :].astype(np.int64)
