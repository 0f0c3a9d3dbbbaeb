r"""Columns that are measured as their differences from others.

*Sensitivity.* The number of a cell of such a column b is replaced by :math:`g(b, a)`, where a is the cell of another
column in the same row, and g is fixed by the public domain. So a row still gives one number per column, and that is a
function of this row alone. Every bound on the contribution of a row, to counts, tables, moments and slices, holds for
whatever numbers a row consists of. So it holds for these.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Interval

__all__ = ["differences_of"]

Array = NDArray[np.float64]


def differences_of(x: Array, column: Interval, bounds: tuple[float, float], first: Array, low: Interval) -> Array:
    """Return the differences of the cells of a column from those of the one that it is measured from.

    Notes
    -----
    Both cells are brought into their columns first, and a difference below 0 counts as 0. A cell of `column` that lies
    below or above its bounds becomes minus or plus infinity, which is outside of the difference in the same way: so it
    is counted as such. A cell that is no number, or whose other cell is none, becomes NaN.
    """
    assert column.since is not None
    width = column.since.width
    lower, upper = bounds  # as they read in the dtype of the column
    beside = np.where(x < lower, -np.inf, np.where(x > upper, np.inf, np.nan))
    inside = (x >= lower) & (x <= upper)
    with np.errstate(invalid="ignore"):
        own = np.clip(column.nearest(np.where(inside, x, column.lower)) - low.nearest(first), 0.0, width)
    return np.where(inside, own, beside)
