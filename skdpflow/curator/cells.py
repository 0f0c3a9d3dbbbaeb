"""Cells of one column as numbers, dates or gaps, each a function of that cell alone."""

from __future__ import annotations

import math
from datetime import UTC
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["missing_cells", "missing_type", "to_float", "to_moments"]

_NUMBERS = (int, float, np.bool_, np.integer, np.floating, Decimal, Fraction)


def missing_type(kind: type) -> bool:
    """Say whether a type has missing values only: None, pandas' NA and NaT."""
    return kind is type(None) or kind.__name__ in ("NAType", "NaTType")


def missing_cells(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Say which cells are missing: None, NA, NaT and what differs from itself.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Cells of any dtype.

    Returns
    -------
    missing : ndarray of shape (n,), bool
    """
    kind = values.dtype.kind
    if kind == "f":
        return np.isnan(values)
    if kind in "mM":
        return np.isnat(values)
    if kind not in "OT":
        return np.zeros(len(values), dtype=np.bool_)
    floats = (float, np.floating, Decimal)
    return np.array([missing_type(type(v)) or (isinstance(v, floats) and v != v) for v in values.tolist()], dtype=bool)


def _numeric(kind: type) -> bool:
    # numpy counts its time differences as integers
    return issubclass(kind, _NUMBERS) and not issubclass(kind, np.timedelta64)


def _cell_to_float(value: Any) -> float:
    if missing_type(type(value)):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def to_float(values: NDArray[Any], label: str) -> NDArray[np.float64]:
    """Convert a column to float64; missing values become NaN and numbers beyond double precision infinity.

    Parameters
    ----------
    values : ndarray
        Cells of any dtype.
    label : str
        Which column it is, as messages should say it.

    Returns
    -------
    ndarray of float64, of the same shape
        The numbers.

    Raises
    ------
    ValueError, TypeError
        If the column does not hold numbers. The message shows no cell.
    """
    if values.dtype.kind in "biuf":
        with np.errstate(over="ignore"):
            return values.astype(np.float64)
    kinds = set(map(type, values.tolist())) if values.dtype.kind == "O" else {values.dtype.type}
    if any(issubclass(kind, complex | np.complexfloating) for kind in kinds):
        raise ValueError(f"Complex data not supported: {label} holds complex numbers.")
    if any(issubclass(kind, str | bytes) for kind in kinds):
        raise ValueError(
            f"{label} holds text where numbers are expected. Convert it to numbers, or give a Domain that "
            "declares it with Categories([...])."
        )
    if not all(missing_type(kind) or _numeric(kind) for kind in kinds):
        raise TypeError(
            f"{label} cannot be read as numbers: a float() argument must be a string or a real number. "
            "Convert durations, times and nested values to numbers first, and declare dates: Interval(..., unit='D')."
        )
    if kinds <= {int, float, type(None)}:
        try:
            return values.astype(np.float64)  # as below, but faster
        except OverflowError:
            pass
    return np.array([_cell_to_float(value) for value in values.tolist()], dtype=np.float64)


def _moment(cell: Any, unit: str) -> float:
    if missing_type(type(cell)):
        return math.nan
    if getattr(cell, "tzinfo", None) is not None:
        cell = cell.astimezone(UTC).replace(tzinfo=None)
    moment = np.datetime64(cell).astype(f"datetime64[{unit}]")
    return math.nan if np.isnat(moment) else float(moment.astype(np.int64))


def to_moments(values: NDArray[Any], unit: str, label: str) -> NDArray[np.float64]:
    """Convert dates and times to whole units since 1970; missing ones become NaN.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Cells: numpy's, Python's or pandas' dates and times, ISO text, or numbers, which are units since 1970.
    unit : str
        The unit, of `skdpflow.columns.UNITS`.
    label : str
        Which column it is, as messages should say it.

    Returns
    -------
    ndarray of shape (n,), float64
        The numbers.

    Raises
    ------
    ValueError, TypeError
        If a cell is none of these. The message shows no cell.
    """
    if values.dtype.kind == "M":
        counts = values.astype(f"datetime64[{unit}]")
        return np.where(np.isnat(counts), np.nan, counts.astype(np.int64).astype(np.float64))
    if values.dtype.kind in "biuf":
        return to_float(values, label)
    out = None
    try:
        if values.dtype.kind != "m":  # whose tolist may give ints
            out = np.array(
                [float(v) if isinstance(v, int | float | np.number) else _moment(v, unit) for v in values.tolist()],
                dtype=np.float64,
            )
    except Exception:  # numpy shows the text that is no date
        pass
    if out is None:
        raise ValueError(
            f"{label} holds cells that are no dates in ISO form, which its unit {unit!r} asks for. Turn durations and "
            "times of day into numbers first, such as minutes."
        )
    return out
