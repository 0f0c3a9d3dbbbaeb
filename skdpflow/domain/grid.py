"""Where the mass of a numeric column lies: bins between released edges, single values among them, and their shares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEW_VALUES", "FINE_LEVELS", "Grid", "after"]

Array = NDArray[np.float64]

FINE_LEVELS = 2**20
"""Number of equal bins into which a continuous interval is cut, and most levels of a grid."""

FEW_VALUES = 32
"""Columns of at most this many values are counted value by value: nothing is to be located."""


def after(x: Array, integer: bool) -> Array:
    """Return the next number after each: the next whole one, or the next of double precision."""
    with np.errstate(over="ignore"):  # infinity follows the largest number
        return np.asarray(x + 1.0 if integer else np.nextafter(x, np.inf))


@dataclass(frozen=True)
class Grid:
    """Bins of a numeric column, each cut evenly into levels, which are its codes.

    Parameters
    ----------
    edges : tuple of float
        Increasing. A bin holds the numbers from its edge up to the next one, exclusive.
    shares : tuple of float
        Located share of the column's values in each bin; positive, and 1 in all.
    integer : bool
        Whether only whole numbers occur; the edges are whole then.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.domain.grid import Grid
    >>> grid = Grid((0.0, 5e-324, 1.0, 100.0), (0.5, 0.4, 0.1), integer=False)
    >>> grid.atoms.tolist()  # the single value 0
    [True, False, False]
    >>> codes = grid.codes(np.array([0.0, 0.5, 1.0]))
    >>> grid.values(codes.astype(float)).tolist()
    [0.0, 0.5, 1.0]
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    integer: bool

    def __post_init__(self) -> None:
        """Refuse what are no bins: a search among unordered edges depends on more than one bin."""
        edges, shares = (np.asarray(own, dtype=np.float64) for own in (self.edges, self.shares))
        if not (len(edges) == len(shares) + 1 > 1 and np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
            raise ValueError("The edges of a grid must be finite and increase, one more than there are shares.")
        if not (shares > 0).all() or not np.isfinite(shares.sum()):
            raise ValueError("The shares of a grid must be positive.")
        if self.integer and not (edges == np.rint(edges)).all():
            raise ValueError("The edges of a grid of whole numbers must be whole.")
        if len(shares) > FINE_LEVELS:
            raise ValueError(f"A grid has at most {FINE_LEVELS} bins.")

    @cached_property
    def _edges(self) -> Array:
        return np.array(self.edges, dtype=np.float64)

    @cached_property
    def atoms(self) -> NDArray[np.bool_]:
        """Which bins are single values."""
        return np.asarray(self._edges[1:] <= after(self._edges[:-1], self.integer))

    @cached_property
    def levels(self) -> NDArray[np.int64]:
        """Number of levels of each bin: one of a single value, and one per value of few whole numbers."""
        each = 1 << ((FINE_LEVELS // len(self.shares)).bit_length() - 1)
        levels = np.where(self.atoms, 1, each)
        if self.integer:
            width = np.diff(self._edges)
            few = self._edges[-1] - self._edges[0] <= FINE_LEVELS
            levels = np.where(few | (width < each), width, levels)
        return np.where(self._too_narrow, 1, levels).astype(np.int64)

    @cached_property
    def _too_narrow(self) -> NDArray[np.bool_]:
        """Which bins are so narrow that the number of their levels per unit is not finite."""
        with np.errstate(over="ignore"):
            return np.asarray(~np.isfinite(FINE_LEVELS / np.diff(self._edges)))

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """First code of each bin, and the number of all codes."""
        return np.concatenate([[0], np.cumsum(self.levels)])

    @property
    def n_levels(self) -> int:
        """Number of codes."""
        return int(self.starts[-1])

    @cached_property
    def _per_unit(self) -> Array:
        """Levels per unit of the numbers of each bin."""
        single = self.atoms | self._too_narrow
        return np.asarray(np.where(single, 0.0, self.levels / np.where(single, 1.0, np.diff(self._edges))))

    def codes(self, numbers: Array) -> NDArray[np.int64]:
        """Return the codes of numbers between the first and the last edge: of each by itself."""
        return self.codes_in(
            np.clip(np.searchsorted(self._edges, numbers, side="right") - 1, 0, len(self.shares) - 1), numbers
        )

    def codes_in(self, bins: NDArray[np.int64], numbers: Array) -> NDArray[np.int64]:
        """Return the codes of numbers whose bins are known."""
        level = numbers - self._edges.take(bins)
        level *= self._per_unit.take(bins)
        np.clip(np.floor(level, out=level), 0, (self.levels - 1).take(bins), out=level)
        return self.starts.take(bins) + level.astype(np.int64)

    def positions(self, numbers: Array) -> Array:
        """Return where numbers lie among the codes, the inverse of `values` but for single values."""
        k = np.clip(np.searchsorted(self._edges, numbers, side="right") - 1, 0, len(self.shares) - 1)
        level = np.clip((numbers - self._edges[k]) * self._per_unit[k], 0, self.levels[k])
        return np.asarray(self.starts[k] + level)

    def values(self, positions: Array) -> Array:
        """Return the numbers at positions; a single value is exactly that."""
        k = np.clip(np.searchsorted(self.starts, positions, side="right") - 1, 0, len(self.shares) - 1)
        per_unit = self._per_unit[k]
        inner = np.divide(positions - self.starts[k], per_unit, out=np.zeros(len(k)), where=per_unit > 0.0)
        numbers = self._edges[k] + inner
        if self.integer:
            numbers = np.floor(numbers)
        last = self._edges[1:] - 1.0 if self.integer else np.nextafter(self._edges[1:], -np.inf)
        return np.asarray(np.clip(numbers, self._edges[k], last[k]))

    def share_below(self, positions: NDArray[Any]) -> Array:
        """Return the located share of values below positions: of codes, spread evenly over the levels of a bin."""
        below = np.concatenate([[0.0], np.cumsum(self.shares)])
        return np.interp(positions, self.starts, below / below[-1])

    def log_levels(self, codes: NDArray[np.int64]) -> Array:
        """Return the logarithm of levels per unit, 0 for single values, which are counted."""
        k = np.clip(np.searchsorted(self.starts, codes, side="right") - 1, 0, len(self.shares) - 1)
        return np.log(np.where(self._per_unit > 0.0, self._per_unit, 1.0))[k]

    def spans(self) -> list[tuple[float, float]]:
        """Return lower and upper end of each bin."""
        return list(pairwise(self.edges))
