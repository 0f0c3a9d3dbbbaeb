"""The cells of synthetic rows: what positions on the lattice mean, before a container is chosen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdpflow.domain import Column, Domain, Interval
from skdpflow.domain.schema import Schema
from skdpflow.sampling.dtypes import Dtype, dtype_of

__all__ = ["Cells", "as_dates", "cells_of", "decimal_grid"]

Array = NDArray[np.float64]


def _whole(values: NDArray[np.float64], interval: Interval, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Round to integers that lie in the interval and fit the dtype."""
    info = np.iinfo(dtype)
    lower = max(math.ceil(interval.lower), int(info.min))
    upper = min(math.floor(interval.upper), int(info.max))
    top = float(upper)
    if top > upper:  # the largest int64 rounds up to 2**63
        top = math.nextafter(top, 0)
    return np.clip(np.rint(values), float(lower), top).astype(dtype)


def _real(values: NDArray[np.float64], interval: Interval, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Cast to a floating dtype; rounding must not lead out of the interval."""
    with np.errstate(over="ignore"):
        lower, upper = dtype.type(interval.lower), dtype.type(interval.upper)
        if float(lower) < interval.lower:
            lower = np.nextafter(lower, dtype.type(np.inf))
        if float(upper) > interval.upper:
            upper = np.nextafter(upper, dtype.type(-np.inf))
        return np.clip(values.astype(dtype), lower, upper)


def _numbers(positions: NDArray[np.float64], interval: Interval) -> NDArray[np.float64]:
    """Return what positions mean; whatever lies in the interval for those of gaps."""
    return np.asarray(interval.numbers(positions))


def _cast(numbers: NDArray[np.float64], interval: Interval, dtype: np.dtype[Any] | None) -> NDArray[Any]:
    """Return numbers of the interval in a dtype, or in their own."""
    if dtype is None:
        dtype = np.dtype(np.int64 if interval.integer else np.float64)
    if dtype.kind == "b":
        return np.rint(numbers) != 0
    return _real(numbers, interval, dtype) if dtype.kind == "f" else _whole(numbers, interval, dtype)


@lru_cache(maxsize=1024)
def decimal_grid(interval: Interval, digits: tuple[int, int]) -> tuple[int, int, int]:
    """Return the least and the largest multiple of 10**-scale in an interval, and that scale.

    It is the scale of the dtype, or a smaller one if double precision could not tell the multiples apart otherwise.
    """
    precision, scale = digits
    peak = max(abs(interval.lower), abs(interval.upper))
    finest = 0 if interval.integer else min(22, math.floor(math.log10(2.0**52) - math.log10(peak)))
    coarse = min(scale, finest)
    unit = Fraction(10) ** coarse
    limit = math.floor((10**precision - 1) * unit / Fraction(10) ** scale)
    # what a bound says is its shortest spelling: 0.1 is the decimal 0.1
    lower, upper = (Fraction(Decimal(repr(bound))) * unit for bound in (interval.lower, interval.upper))
    return max(math.ceil(lower), -limit), min(math.floor(upper), limit), coarse


def _decimals(numbers: Array, interval: Interval, digits: tuple[int, int]) -> Array:
    """Round to decimals that lie in the interval and fit the dtype."""
    lower, upper, scale = decimal_grid(interval, digits)
    unit = 10.0 ** abs(scale)
    counts = np.clip(np.rint(numbers * unit if scale >= 0 else numbers / unit), lower, upper)
    return counts / unit if scale >= 0 else counts * unit


def as_dates(column: Column, dtype: Dtype | None) -> bool:
    """Whether a column goes out as dates: one that came as numbers, counted since 1970, goes out as numbers."""
    numbers = dtype is not None and dtype.kind in ("number", "decimal")
    return isinstance(column, Interval) and column.unit is not None and not numbers


#: Units of dates, from coarse to fine.
_RESOLUTIONS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as")


def _moments(counts: NDArray[np.int64], column: Interval, dtype: Dtype | None) -> NDArray[np.datetime64]:
    """Return dates in the coarser of the units of a column and of a dtype, inside the column and the dtype's range."""
    assert column.unit is not None
    recorded = column.unit if dtype is None or dtype.unit is None else dtype.unit
    moments = counts.astype(f"datetime64[{column.unit}]")
    bounds = np.array([column.lower, column.upper], dtype=np.int64).astype(moments.dtype)
    if _RESOLUTIONS.index(recorded) < _RESOLUTIONS.index(column.unit):
        coarse = bounds.astype(f"datetime64[{recorded}]")
        coarse[0] += int(coarse[0].astype(moments.dtype) < bounds[0])  # rounding down must not lead out
        return np.clip(moments.astype(coarse.dtype), *coarse)
    finer = int(np.array(1, dtype=f"timedelta64[{column.unit}]").astype(f"timedelta64[{recorded}]").astype(np.int64))
    most = np.iinfo(np.int64).max // finer
    fits = np.array([max(column.lower, -most), min(column.upper, most)], dtype=np.int64)
    return np.clip(moments, *fits.astype(moments.dtype))


def _gaps(positions: NDArray[np.float64], column: Column) -> NDArray[np.bool_]:
    return positions >= column.n_values if column.nullable else np.zeros(len(positions), dtype=np.bool_)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of one column.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Numbers of an interval, in the dtype that they go out with, or its dates; levels of categories, int64. Where a
        cell is missing: anything, and NaT for dates.
    gaps : ndarray of shape (n,), bool
        Which cells are missing.
    """

    values: NDArray[Any]
    gaps: NDArray[np.bool_]

    @classmethod
    def of(cls, positions: NDArray[np.float64], column: Column, container: str, dtype: str | None) -> Self:
        """Decode the positions of one column."""
        gaps = _gaps(positions, column)
        if not isinstance(column, Interval):
            return cls(np.clip(np.floor(positions), 0, column.n_values - 1).astype(np.int64), gaps)
        return cls._of(_numbers(positions, column), gaps, column, container, dtype)

    @classmethod
    def of_numbers(
        cls, numbers: NDArray[np.float64], gaps: NDArray[np.bool_], column: Interval, container: str, dtype: str | None
    ) -> Self:
        """Bring numbers into an interval and into the dtype that they go out with."""
        return cls._of(np.asarray(column.nearest(numbers)), gaps, column, container, dtype)

    @classmethod
    def _of(
        cls, numbers: NDArray[np.float64], gaps: NDArray[np.bool_], column: Interval, container: str, dtype: str | None
    ) -> Self:
        known = dtype_of(container, dtype)
        if known is not None and known.digits is not None:
            return cls(_decimals(numbers, column, known.digits), gaps)
        values = _cast(numbers, column, None if known is None else known.plain)
        if not as_dates(column, known):
            return cls(values, gaps)
        moments = _moments(values, column, known)
        moments[gaps] = np.datetime64("NaT")
        return cls(moments, gaps)

    def numbers(self, column: Column) -> NDArray[np.float64]:
        """Return the cells as numbers again."""
        if self.values.dtype.kind != "M":
            return self.values.astype(np.float64)
        assert isinstance(column, Interval)
        return self.values.astype(f"datetime64[{column.unit}]").astype(np.int64).astype(np.float64)


def cells_of(positions: ArrayLike, domain: Domain, schema: Schema) -> list[Cells]:
    """Decode positions, column by column."""
    positions = np.asarray(positions, dtype=np.float64)
    if positions.ndim != 2 or not positions.shape[1] == len(domain) == schema.n_features:
        raise ValueError("Positions, domain and schema must have the same number of columns.")
    return [
        Cells.of(positions[:, j], column, schema.container, schema.dtypes[j]) for j, column in enumerate(domain.columns)
    ]
