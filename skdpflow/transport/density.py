"""Log-density of encoded rows under a learned model, in the units of the data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import qmc

from skdpflow.domain import Column, Domain, Interval
from skdpflow.transport.model import Model

Array = NDArray[np.float64]

#: Points over which cells of discrete columns are averaged, and over which a numeric target is integrated.
CELL_POINTS, TARGET_POINTS = 8, 64
_BLOCK_POINTS = 2**16


def _log_unit(column: Column) -> float:
    """Log of lattice levels per unit of the column's measure."""
    if not isinstance(column, Interval) or column.discrete:
        return 0.0
    width = column.upper - column.lower + (1.0 if column.integer else 0.0)
    return float(np.log(column.n_levels / width))


def log_density(model: Model, codes: NDArray[np.int64], domain: Domain) -> Array:
    """Log-density of rows, with a numeric target integrated out.

    Parameters
    ----------
    model : Model
        The learned model, whose last column may be a numeric target.
    codes : ndarray of shape (n, d), int64
        Codes of the rows; rows with an unknown category (-1) get -inf.
    domain : Domain
        The columns.

    Returns
    -------
    log_density : ndarray of shape (n,)
        With respect to Lebesgue x counting measure; a lower bound where there are discrete columns.
    """
    d = len(domain)
    discrete = np.array([c.discrete or len(model.latent.spreads[j]) > 0 for j, c in enumerate(domain.columns)])
    cells = np.full((1, d), 0.5)
    if discrete.any():
        points = qmc.Halton(int(discrete.sum()), scramble=False).random(CELL_POINTS + 1)[1:]
        cells = np.full((CELL_POINTS, d), 0.5)
        cells[:, discrete] = points
    extra, log_extra = np.zeros((1, 0)), np.zeros(1)
    if model.latent.n_columns > d:  # midpoints of equal mass under the pooled distribution of the target
        edges, cdf = model.latent.edges[-1], model.latent.cdf[-1]
        extra = np.interp((np.arange(TARGET_POINTS) + 0.5) / TARGET_POINTS, cdf, edges)[:, None]
        density = (np.diff(cdf) / np.diff(edges))[np.searchsorted(edges, extra[:, 0], side="right") - 1]
        log_extra = -np.log(density) - np.log(TARGET_POINTS)
    unit = sum(_log_unit(c) for c in domain.columns)
    rows = max(1, _BLOCK_POINTS // len(extra))
    out = np.empty(len(codes))
    for start in range(0, len(codes), rows):
        block = np.maximum(codes[start : start + rows], 0)
        n, t = len(block), len(extra)
        wide = np.hstack([np.repeat(block, t, axis=0), np.tile(np.floor(extra), (n, 1))]).astype(np.int64)
        logs = []
        for cell in cells:
            ranks = np.hstack([np.tile(cell, (n * t, 1)), np.tile(extra - np.floor(extra), (n, 1))])
            joint = model.log_density(wide, ranks).reshape(n, t)
            logs.append(logsumexp(joint + log_extra, axis=1))
        out[start : start + rows] = np.mean(logs, axis=0)
    out[(codes < 0).any(axis=1)] = -np.inf
    return out + unit
