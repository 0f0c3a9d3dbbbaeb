"""What the integer code of a cell means: values first, then a missing value, then what lies outside of the column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain.columns import Column, Interval

__all__ = ["NO_PLACE", "Outside", "clipped", "code_of", "n_codes", "outside_of"]

#: How a cell can lie outside of its column: of an interval below or above the bounds, or no number; of categories none
#: of those listed.
Outside = Literal["below", "above", "unreadable", "unlisted"]

NO_PLACE = -1
"""Takes the place of the code of a cell that has no nearest value: no number, or none of the listed categories."""

_OF_INTERVAL: tuple[Outside, ...] = ("below", "above", "unreadable")
_OF_CATEGORIES: tuple[Outside, ...] = ("unlisted",)


def outside_of(column: Column) -> tuple[Outside, ...]:
    """Return in which ways a cell can lie outside of a column, in the order of their codes.

    Examples
    --------
    >>> from skdpflow import Categories, Interval
    >>> from skdpflow.domain.codes import code_of, n_codes, outside_of
    >>> outside_of(Interval(0, 1)), outside_of(Categories(["a", "b"]))
    (('below', 'above', 'unreadable'), ('unlisted',))
    >>> die = Interval(1, 6, integer=True, nullable=True)  # codes 0 to 5 are values, 6 is a gap
    >>> code_of(die, "below"), code_of(die, "unreadable"), n_codes(die)
    (7, 9, 10)
    """
    return _OF_INTERVAL if isinstance(column, Interval) else _OF_CATEGORIES


def code_of(column: Column, outside: Outside) -> int:
    """Return the code of cells that lie outside of a column in one way."""
    return column.n_levels + outside_of(column).index(outside)


def n_codes(column: Column) -> int:
    """Return the number of codes of a column: every cell has exactly one of them, from 0."""
    return column.n_levels + len(outside_of(column))


def clipped(codes: NDArray[np.int64], columns: Sequence[Column]) -> NDArray[np.int64]:
    """Bring codes of cells outside of their columns to the nearest value."""
    out = codes
    for j, column in enumerate(columns):
        beyond = np.flatnonzero(codes[:, j] >= column.n_levels)
        if beyond.size:
            out = codes.copy(order="K") if out is codes else out
            nearest = [0, column.n_values - 1, NO_PLACE] if isinstance(column, Interval) else [NO_PLACE]
            out[beyond, j] = np.array(nearest)[codes[beyond, j] - column.n_levels]
    return out
