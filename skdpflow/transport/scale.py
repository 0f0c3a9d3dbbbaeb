"""Codes to a common numeric scale, for distances between tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Categories, Domain


def unit_scaled(codes: NDArray[np.int64], domain: Domain) -> NDArray[np.float64]:
    """Scale numeric columns to the unit interval and encode categories one-hot.

    Parameters
    ----------
    codes : ndarray of shape (n, d), int64
        Codes of the columns; an unknown category, -1, becomes a row of zeros.
    domain : Domain
        The columns.

    Returns
    -------
    scaled : ndarray of shape (n, n_numeric + sum of numbers of categories), float64
    """
    parts = []
    for j, column in enumerate(domain.columns):
        if isinstance(column, Categories):
            parts.append((codes[:, j, None] == np.arange(column.n_levels)).astype(np.float64))
        else:
            parts.append((codes[:, j, None] + 0.5) / column.n_levels)
    return np.hstack(parts)
