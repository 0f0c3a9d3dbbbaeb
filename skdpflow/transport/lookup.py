"""Finds the interval that holds a point in constant time: the inner loop of all piecewise linear maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Cells of the table per knot, and points per cell from which a table is worth its making.
CELLS_PER_KNOT, POINTS_PER_CELL = 4, 1


class KnotTable:
    """Positions of points among increasing knots, of one map or of several.

    A table over an even grid tells the last knot before each of its cells. Points then step over the knots in their
    cell, which are few. Bisection of random points, whose branches cannot be predicted, takes five times as long.

    Parameters
    ----------
    knots : sequence of ndarray
        Increasing knots of each map, at least one.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.transport.lookup import KnotTable
    >>> KnotTable([np.array([0.0, 1.0, 3.0])]).find(np.array([-1.0, 0.5, 1.0, 9.0]))
    array([0, 0, 1, 2])
    """

    def __init__(self, knots: Sequence[Array]) -> None:
        self._knots = knots
        self.sizes = np.array([len(k) for k in knots])
        self.first = np.cumsum(self.sizes) - self.sizes
        self.flat = np.concatenate(knots)

    def find(self, p: Array, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Position of the last knot that is not above each point, or of the first knot.

        Parameters
        ----------
        p : ndarray of shape (n,)
            Points.
        rows : ndarray of shape (n,), int64, or None, default=None
            The map of each point; None if there is one.

        Returns
        -------
        at : ndarray of shape (n,), int64
            Positions in `flat`, the knots of all maps one after the other.
        """
        n_cells = CELLS_PER_KNOT * int(self.sizes.max())
        if len(p) < POINTS_PER_CELL * n_cells * len(self._knots):
            return self._bisect(p, rows)
        low, high = self.flat[self.first], self.flat[self.first + self.sizes - 1]
        scale = (n_cells - 1) / np.where(high > low, high - low, 1.0)
        grid = np.arange(n_cells)
        table = np.concatenate(
            [
                # a cell starts a little below its edge, so that rounding never places a point before it
                f + np.maximum(np.searchsorted(k, a + (grid - 1e-6) / s, side="right") - 1, 0)
                for k, f, a, s in zip(self._knots, self.first, low, scale, strict=True)
            ]
        )
        beyond = np.append(self.flat[1:], np.inf)  # the knot after each
        beyond[self.first + self.sizes - 1] = np.inf
        if rows is None:
            cell = (p - low[0]) * scale[0]
        else:
            cell = (p - low.take(rows)) * scale.take(rows)
        cell = np.clip(cell, 0, n_cells - 1, out=cell).astype(np.int64)
        if rows is not None:
            cell += n_cells * rows
        at = table.take(cell)
        late = np.flatnonzero(p >= beyond.take(at))
        while late.size:
            at[late] += 1
            late = late[p[late] >= beyond[at[late]]]
        return np.asarray(at)

    def _bisect(self, p: Array, rows: NDArray[np.int64] | None) -> NDArray[np.int64]:
        if rows is None:
            return np.maximum(np.searchsorted(self.flat, p, side="right") - 1, 0)
        at = np.empty(len(p), dtype=np.int64)
        for row in np.unique(rows):
            own = rows == row
            at[own] = self.first[row] + np.maximum(np.searchsorted(self._knots[row], p[own], side="right") - 1, 0)
        return at


def bin_of(p: Array, edges: Array) -> NDArray[np.int64]:
    """Bins of points, as ``np.searchsorted(edges, p, side="right")`` finds them.

    Parameters
    ----------
    p : ndarray of shape (n,)
        Points.
    edges : ndarray of shape (n_bins - 1,)
        Inner edges, not decreasing.

    Returns
    -------
    bins : ndarray of shape (n,), int64
    """
    if not len(edges):
        return np.zeros(len(p), dtype=np.int64)
    return KnotTable([np.concatenate([[edges[0] - 1.0], edges])]).find(p)
