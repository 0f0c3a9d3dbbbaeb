"""Piecewise linear maps, and a search for the interval of a point in constant time.

The result for a point is the same to the bit, whatever other points are in the call. The sensitivity of statistics
rests on that.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Slots of the table per knot, and points per slot from which a table is faster.
SLOTS_PER_KNOT, POINTS_PER_SLOT = 8, 0.5
#: Knots that points step over; where more share a slot, bisection is faster.
MOST_STEPS = 4
#: Knots that are all nearer to each other than this are looked up as if they were this far apart.
_NARROW = 1e-290


class KnotTable:
    """Positions of points among increasing knots, of one map or of several.

    A table over an even grid tells the last knot before each of its slots. Points then step over the knots in their
    slot, which are few. Bisection of random points, whose branches cannot be predicted, takes five times as long.
    Both find the same: a larger point never falls into an earlier slot, so a knot in a slot before that of a point is
    not above it, however the number of its slot is rounded.

    Parameters
    ----------
    knots : sequence of ndarray
        Increasing knots of each map, at least one.
    middle : tuple of float or of ndarray, or None, default=None
        Range in which most points lie, of all maps or of each, if it is not that of the knots: the slots are cut there.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.latent.lookup import KnotTable
    >>> KnotTable([np.array([0.0, 1.0, 3.0])]).find(np.array([-1.0, 0.5, 1.0, 9.0]))
    array([0, 0, 1, 2])
    """

    def __init__(self, knots: Sequence[Array], middle: tuple[Any, Any] | None = None) -> None:
        self.sizes = np.array([len(k) for k in knots])
        self.first = np.cumsum(self.sizes) - self.sizes
        self.flat = np.concatenate(knots, dtype=np.float64)
        self._knots = np.split(self.flat, self.first[1:])
        ends = (self.flat[self.first], self.flat[self.first + self.sizes - 1]) if middle is None else middle
        self._low, self._high = (np.broadcast_to(end, len(knots)) for end in ends)

    def find(self, p: Array, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Position of the last knot that is not above each point, or of the first knot."""
        n_slots = SLOTS_PER_KNOT * int(self.sizes.max())
        if len(p) < POINTS_PER_SLOT * n_slots * len(self._knots) or not self._even:
            return self._bisect(p, rows)
        low, scale, table, beyond = self._grid
        if rows is None:
            slot = _slots(p, low[0], scale[0], n_slots)
        else:
            slot = _slots(p, low.take(rows), scale.take(rows), n_slots)
            slot += n_slots * rows
        at = table.take(slot)
        late = np.flatnonzero(p >= beyond.take(at))
        for _ in range(MOST_STEPS):
            if not late.size:
                break
            at[late] += 1
            late = late[p[late] >= beyond[at[late]]]
        if late.size:
            at[late] = self._bisect(p[late], None if rows is None else rows[late])
        return np.asarray(at)

    @cached_property
    def _even(self) -> bool:
        """Whether the ranges to be cut into slots are of finite width, which an even grid needs."""
        with np.errstate(over="ignore"):
            return bool(np.isfinite(self._high - self._low).all())

    @cached_property
    def _grid(self) -> tuple[Array, Array, NDArray[np.int64], Array]:
        """Start and scale of the slots of each map, the last knot before each slot, and the knot after each knot."""
        n_slots, last = SLOTS_PER_KNOT * int(self.sizes.max()), self.first + self.sizes - 1
        low = self._low
        scale = (n_slots - 1) / np.maximum(self._high - low, _NARROW)
        before = [
            f + np.maximum(np.searchsorted(_slots(k, a, s, n_slots), np.arange(n_slots)) - 1, 0)
            for k, f, a, s in zip(self._knots, self.first, low, scale, strict=True)
        ]
        beyond = np.append(self.flat[1:], np.inf)
        beyond[last] = np.inf
        return low, scale, np.concatenate(before), beyond

    def _bisect(self, p: Array, rows: NDArray[np.int64] | None) -> NDArray[np.int64]:
        if rows is None:
            return np.maximum(np.searchsorted(self.flat, p, side="right") - 1, 0)
        at = np.empty(len(p), dtype=np.int64)
        for row in np.unique(rows):
            own = rows == row
            at[own] = self.first[row] + np.maximum(np.searchsorted(self._knots[row], p[own], side="right") - 1, 0)
        return at


def _slots(p: Array, low: Any, scale: Any, n_slots: int) -> NDArray[np.int64]:
    """Slots of an even grid; not decreasing in p, since every step rounds monotonically."""
    slots = p - low
    slots *= scale
    return np.clip(slots, 0, n_slots - 1, out=slots).astype(np.int64)


class Bins:
    """Bins between increasing edges, as ``np.searchsorted(edges, p, side="right")`` finds them.

    Parameters
    ----------
    edges : ndarray
        The edges, any number; whole ones below 2**53 in magnitude if points are whole.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.latent.lookup import Bins
    >>> Bins(np.array([1, 3])).of(np.array([0, 1, 2, 7]))
    array([0, 1, 1, 2])
    """

    def __init__(self, edges: NDArray[Any]) -> None:
        self._table = KnotTable([np.concatenate([[edges[0] - 1.0], edges])]) if len(edges) else None

    def of(self, p: NDArray[Any]) -> NDArray[np.int64]:
        """Return the bin of each point."""
        if self._table is None:
            return np.zeros(len(p), dtype=np.int64)
        return self._table.find(p.astype(np.float64, copy=False))


def bin_of(p: Array, edges: Array) -> NDArray[np.int64]:
    """Bins of points, see `Bins`."""
    return Bins(edges).of(p)


def counts_between(p: Array, edges: Array) -> NDArray[np.int64]:
    """Return how many points are in each bin, as `Bins` has them: sorting is faster than finding the bin of each."""
    below = np.zeros(len(edges) + 2, dtype=np.int64)
    below[1:-1], below[-1] = np.searchsorted(np.sort(p), edges, side="left"), len(p)
    return below[1:] - below[:-1]


class PiecewiseLinear:
    """Piecewise linear maps through knots, with slope one outside them.

    The value at a point is made by the same sums and products, one after the other, whatever points come with it.
    (`numpy.interp` chooses its arithmetic by the number of points.)

    Parameters
    ----------
    x, y : sequence of ndarray
        Knots of each map; increasing.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.latent.lookup import PiecewiseLinear
    >>> PiecewiseLinear([np.array([0.0, 1.0])], [np.array([0.0, 3.0])])(np.array([-1.0, 0.5, 2.0]))
    array([-1. ,  1.5,  4. ])
    """

    def __init__(self, x: Sequence[Array], y: Sequence[Array]) -> None:
        # a knot before the first one, so that a slope of one begins at either end
        knots, values = ([np.concatenate([[k[0] - 1.0], k]) for k in own] for own in (x, y))
        ends = np.array([k[0] for k in x]), np.array([k[-1] for k in x])
        self._table, self._y = KnotTable(knots, ends), np.concatenate(values)
        run, rise = np.diff(self._table.flat), np.diff(self._y)
        self._slopes = np.append(np.divide(rise, run, out=np.zeros_like(rise), where=rise != 0.0), 1.0)
        self._slopes[self._table.first] = 1.0
        self._slopes[self._table.first - 1] = 1.0  # of the last knot of the map before, or of all

    def __call__(self, p: Array, rows: NDArray[np.int64] | None = None) -> Array:
        """Evaluate the maps."""
        at = self._table.find(p, rows)
        values = p - self._table.flat.take(at)
        values *= self._slopes.take(at)
        values += self._y.take(at)
        return values
