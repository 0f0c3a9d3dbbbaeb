"""The cells of synthetic rows: what positions on the lattice mean, before a container is chosen."""

from __future__ import annotations

import importlib
import math
import re
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdpflow.domain import Column, Domain, Interval
from skdpflow.schema import Schema

__all__ = ["POLARS_NUMBERS", "Cells", "as_dates", "cells_of", "library_of", "plain_dtype"]

POLARS_NUMBERS = {
    **{f"{kind}{bits}": f"{kind.lower()}{bits}" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)},
    "Int128": "int64",
    "Float32": "float32",
    "Float64": "float64",
    "Boolean": "bool",
}


def library_of(container: str) -> Any:
    """Import the library of a container, which only its users need to have."""
    library = None
    try:
        library = importlib.import_module(container)
    except ImportError:
        pass
    if library is None:
        raise ImportError(
            f"These rows have to be given as a {container} data frame, and {container} is not installed. "
            f"Install it: pip install {container}"
        )
    return library


def plain_dtype(container: str, dtype: str | None) -> np.dtype[Any] | None:
    """Return numpy's equivalent of a recorded dtype if it is one of numbers or booleans, else None."""
    plain: Any = None
    try:
        if container == "polars":
            plain = np.dtype(POLARS_NUMBERS[str(dtype)])
        elif container == "pandas":
            recorded = library_of("pandas").api.types.pandas_dtype(dtype)
            plain = getattr(recorded, "numpy_dtype", recorded)
        elif dtype is not None:
            plain = np.dtype(dtype)
    except (TypeError, KeyError, ValueError):
        pass  # a dtype that this version of the library does not know
    return plain if isinstance(plain, np.dtype) and plain.kind in "biuf" else None


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
    if interval.discrete:
        return interval.lower + np.clip(np.floor(positions), 0, interval.n_values - 1)
    numbers = interval.lower + positions / interval.n_values * (interval.upper - interval.lower)
    numbers = np.where(positions >= np.nextafter(interval.n_values, 0.0), interval.upper, numbers)  # the end is exact
    return _inside(numbers, interval)


def _inside(numbers: NDArray[np.float64], interval: Interval) -> NDArray[np.float64]:
    """Clip numbers to the interval, and round them if it is one of whole numbers."""
    numbers = np.clip(numbers, interval.lower, interval.upper)
    return np.rint(numbers) if interval.integer else numbers


def _cast(numbers: NDArray[np.float64], interval: Interval, dtype: np.dtype[Any] | None) -> NDArray[Any]:
    """Return numbers of the interval in a dtype, or in their own."""
    if dtype is None:
        dtype = np.dtype(np.int64 if interval.integer else np.float64)
    if dtype.kind == "b":
        return np.rint(numbers) != 0
    return _real(numbers, interval, dtype) if dtype.kind == "f" else _whole(numbers, interval, dtype)


def as_dates(column: Column, plain: np.dtype[Any] | None) -> bool:
    """Whether a column goes out as dates: one that came as numbers, counted since 1970, goes out as numbers."""
    return isinstance(column, Interval) and column.unit is not None and plain is None


#: Units of dates, from coarse to fine, and how dtypes spell them.
_RESOLUTIONS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns")
_RECORDED = re.compile(r"\[(Y|M|W|D|h|m|s|ms|us|ns)\b")


def _resolution(unit: str, dtype: str | None) -> str:
    """Return the coarser of a unit and of that which a dtype of dates records."""
    found = _RECORDED.search(dtype or "")
    recorded = "D" if dtype == "Date" else found[1] if found else unit
    return min(unit, recorded, key=_RESOLUTIONS.index)


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
        """Decode the positions of one column.

        Parameters
        ----------
        positions : ndarray of shape (n,)
            Positions in [0, n_levels).
        column : Interval or Categories
            What it is.
        container : {"numpy", "pandas", "polars"}
            Where the cells will go.
        dtype : str or None
            The recorded dtype.

        Returns
        -------
        cells : Cells
        """
        gaps = _gaps(positions, column)
        if not isinstance(column, Interval):
            return cls(np.clip(np.floor(positions), 0, column.n_values - 1).astype(np.int64), gaps)
        return cls._of(_numbers(positions, column), gaps, column, container, dtype)

    @classmethod
    def of_numbers(
        cls, numbers: NDArray[np.float64], gaps: NDArray[np.bool_], column: Interval, container: str, dtype: str | None
    ) -> Self:
        """Bring numbers into an interval and into the dtype that they go out with.

        Parameters
        ----------
        numbers : ndarray of shape (n,)
            Numbers, or dates in units since 1970.
        gaps : ndarray of shape (n,), bool
            Which cells are missing.
        column : Interval
            What they are clipped to, and rounded to if it is one of whole numbers.
        container : {"numpy", "pandas", "polars"}
            Where the cells will go.
        dtype : str or None
            The recorded dtype.

        Returns
        -------
        cells : Cells
        """
        return cls._of(_inside(numbers, column), gaps, column, container, dtype)

    @classmethod
    def _of(
        cls, numbers: NDArray[np.float64], gaps: NDArray[np.bool_], column: Interval, container: str, dtype: str | None
    ) -> Self:
        plain = plain_dtype(container, dtype)
        values = _cast(numbers, column, plain)
        if not as_dates(column, plain):
            return cls(values, gaps)
        assert column.unit is not None
        moments = values.astype(f"datetime64[{column.unit}]").astype(f"datetime64[{_resolution(column.unit, dtype)}]")
        moments[gaps] = np.datetime64("NaT")
        return cls(moments, gaps)

    def numbers(self, column: Column) -> NDArray[np.float64]:
        """Return the cells as numbers again.

        Parameters
        ----------
        column : Interval or Categories
            What it is.

        Returns
        -------
        numbers : ndarray of shape (n,), float64
            Numbers, dates in units since 1970, or levels; anything where a cell is missing.
        """
        if self.values.dtype.kind != "M":
            return self.values.astype(np.float64)
        assert isinstance(column, Interval)
        return self.values.astype(f"datetime64[{column.unit}]").astype(np.int64).astype(np.float64)


def cells_of(positions: ArrayLike, domain: Domain, schema: Schema) -> list[Cells]:
    """Decode positions, column by column.

    Parameters
    ----------
    positions : array-like of float, of shape (n_samples, n_features)
        Positions in [0, n_levels) of each column, in levels.
    domain : Domain
        The columns.
    schema : Schema
        Container and dtypes of the rows.

    Returns
    -------
    cells : list of Cells
        One entry per column.

    Raises
    ------
    ValueError
        If positions, domain and schema differ in their number of columns.
    """
    positions = np.asarray(positions, dtype=np.float64)
    if positions.ndim != 2 or not positions.shape[1] == len(domain) == schema.n_features:
        raise ValueError("Positions, domain and schema must have the same number of columns.")
    return [
        Cells.of(positions[:, j], column, schema.container, schema.dtypes[j]) for j, column in enumerate(domain.columns)
    ]
