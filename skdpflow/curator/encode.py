"""Rows as integer codes: one code per cell, a function of that cell and of the public domain alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator.cells import RawCells, category_codes, numbers_of
from skdpflow.curator.dtypes import CellType
from skdpflow.domain import FINE_LEVELS, Categories, Column, Interval
from skdpflow.domain.codes import code_of
from skdpflow.domain.grid import Grid
from skdpflow.latent.lookup import KnotTable

__all__ = ["bounds_of", "counted", "encode_cells", "interval_codes"]

#: Located share of values at either end of a column that may take longer to find.
TAIL = 1e-3


def interval_codes(
    x: NDArray[np.float64], gaps: NDArray[np.bool_] | None, intervals: Sequence[Interval], types: Sequence[CellType]
) -> NDArray[np.int64]:
    """Encode columns of numbers, (n, k) for k intervals; every operation is exact or correctly rounded.

    Each cell has one code, also one that is missing or lies outside, as every sensitivity assumes. What is no number,
    or is missing where it must not be, is unreadable.
    """
    x = counted(x, intervals, types)
    intervals = [interval.measured for interval in intervals]
    lower, upper = np.transpose([bounds_of(interval, found) for interval, found in zip(intervals, types, strict=True)])
    inside = (x >= lower) & (x <= upper)
    if inside.all():
        return _value_codes(x, intervals)
    codes = _value_codes(np.where(inside, x, lower), intervals)
    at = np.nonzero(~inside)
    j, numbers = at[1], x[at]
    below = np.array([code_of(interval, "below") for interval in intervals])
    above = np.array([code_of(interval, "above") for interval in intervals])
    unreadable = np.array([code_of(interval, "unreadable") for interval in intervals])
    own = np.where(numbers < lower[j], below[j], np.where(numbers > upper[j], above[j], unreadable[j]))
    missing = (np.isnan(numbers) if gaps is None else gaps[at]) & np.array([i.nullable for i in intervals])[j]
    codes[at] = np.where(missing, np.array([i.n_values for i in intervals])[j], own)
    return codes


def counted(x: NDArray[np.float64], columns: Sequence[Column], types: Sequence[CellType]) -> NDArray[np.float64]:
    """Return numbers as they are measured: those of columns with a declared grain as whole numbers of steps."""
    lattices = [column.lattice if isinstance(column, Interval) else None for column in columns]
    x = x.copy() if any(lattices) else x
    for i, (column, lattice) in enumerate(zip(columns, lattices, strict=True)):
        if lattice is None or not isinstance(column, Interval):
            continue
        own, (lower, upper) = x[:, i], bounds_of(column, types[i])
        beside = np.where(own < lower, -np.inf, np.where(own > upper, np.inf, np.nan))
        inside = (own >= lower) & (own <= upper)
        x[:, i] = np.where(inside, lattice.counts(np.where(inside, own, lower)), beside)
    return x


def bounds_of(interval: Interval, found: CellType) -> tuple[float, float]:
    """Return bounds, also as they read in a column of single precision: 0.1 is a little more there."""
    lower, upper = float(interval.lower), float(interval.upper)
    if found.kind != "float" or found.stored is None:
        return lower, upper
    with np.errstate(over="ignore"):
        return min(lower, float(found.stored.type(lower))), max(upper, float(found.stored.type(upper)))


def _value_codes(x: NDArray[np.float64], intervals: Sequence[Interval]) -> NDArray[np.int64]:
    lower = np.array([interval.lower for interval in intervals], dtype=np.float64)
    upper = np.array([interval.upper for interval in intervals], dtype=np.float64)
    x = np.clip(x, lower, upper)
    discrete = np.array([interval.discrete for interval in intervals])
    if discrete.all():
        return (np.rint(x) - lower).astype(np.int64)
    codes = np.empty(x.shape, dtype=np.int64, order="F")
    for i, interval in enumerate(intervals):
        own = np.rint(x[:, i]) if interval.integer else x[:, i]
        if interval.discrete:
            codes[:, i] = own - lower[i]
        elif interval.grid is not None:
            codes[:, i] = _grid_codes(own, interval.grid)
        else:
            steps = np.floor((x[:, i] - lower[i]) / (upper[i] - lower[i]) * FINE_LEVELS)
            codes[:, i] = np.minimum(steps, FINE_LEVELS - 1)
    return codes


def _grid_codes(x: NDArray[np.float64], grid: Grid) -> NDArray[np.int64]:
    """Encode a located column."""
    with np.errstate(over="ignore"):  # what is too far away for a float is in the first or the last slot
        bins = _bins_of(grid).find(x)
    return grid.codes_in(bins, x)


@lru_cache(maxsize=2**10)
def _bins_of(grid: Grid) -> KnotTable:
    """Return a table of the bins of a grid, once for all blocks; wide bounds have most bins in a small part of them."""
    edges, below = np.array(grid.edges), np.cumsum(grid.shares)
    first, last = np.minimum(np.searchsorted(below, [TAIL, 1.0 - TAIL]), len(below) - 1)
    return KnotTable([edges[:-1]], (edges[first], edges[last + 1]))


def encode_cells(raw: RawCells, found: CellType, column: Column) -> NDArray[np.int64]:
    """Encode the cells of one column."""
    if isinstance(column, Categories):
        return category_codes(raw, column, found.stored if found.kind == "float" else None)
    numbers, gaps = numbers_of(raw, column)
    return interval_codes(numbers[:, None], gaps[:, None], [column], [found])[:, 0]
