"""Log-density of encoded rows under a learned model, in the units of the data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr
from scipy.stats import qmc

from skdpflow.domain import Column, Domain, Interval
from skdpflow.latent.scores import LATENT_LIMIT
from skdpflow.transport.model import Model

Array = NDArray[np.float64]

#: Points over which offsets of discrete columns are averaged, nodes at which a numeric target is integrated.
RANK_POINTS, TARGET_POINTS = 16, 64
_BLOCK_POINTS = 2**16


def _log_unit(column: Column, codes: NDArray[np.int64]) -> Array | float:
    """Log of lattice levels per unit of the column's measure; a missing or a single value counts as one."""
    if not isinstance(column, Interval) or column.discrete:
        return 0.0
    column = column.measured
    if column.grid is not None:
        return np.where(codes < column.n_values, column.grid.log_levels(codes), 0.0)
    width = column.upper - column.lower + (1.0 if column.integer else 0.0)
    return np.where(codes < column.n_values, np.log(column.n_values / width), 0.0)


def _target_nodes(model: Model) -> tuple[Array, Array, Array]:
    """Nodes of the trapezoidal rule for the target, equally spaced in its normal score, with log-weights."""
    edges, cdf = model.latent.edges[-1], model.latent.cdf[-1]
    score = np.linspace(-LATENT_LIMIT, LATENT_LIMIT, TARGET_POINTS)
    level = ndtr(score)
    position = np.minimum(np.interp(level, cdf, edges), np.nextafter(edges[-1], 0.0))
    code = np.floor(position)
    rank = position - code
    for low, high in model.latent.spreads[-1]:  # only the rank counts here
        first, last = np.interp([low, high], edges, cdf)
        inside = (code >= low) & (code < high)
        rank = np.where(inside, (level - first) / (last - first), rank)
    slope = (np.diff(cdf) / np.diff(edges))[np.searchsorted(edges, code, side="right") - 1]
    log_weight = -0.5 * score**2 - np.log(np.sqrt(2.0 * np.pi) * slope) + np.log(score[1] - score[0])
    code = model.latent.code_at(-1, position).astype(np.float64)
    return code[:, None], np.clip(rank, 0.0, 1.0)[:, None], log_weight


def log_density(model: Model, codes: NDArray[np.int64], domain: Domain) -> Array:
    """Log-density of rows, with a numeric target integrated out."""
    d = len(domain)
    atoms = [
        len(spread) > 0 or (isinstance(c, Interval) and c.grid is not None and bool(c.grid.atoms.any()))
        for spread, c in zip(model.latent.spreads, domain.columns, strict=False)
    ]
    discrete = np.array([c.discrete or c.nullable or atom for c, atom in zip(domain.columns, atoms, strict=True)])
    offsets = np.full((1, d), 0.5)
    if discrete.any():
        # each coordinate takes the midpoints of equal parts of the offset
        points = qmc.Sobol(int(discrete.sum()), scramble=False).random(RANK_POINTS) + 0.5 / RANK_POINTS
        offsets = np.full((RANK_POINTS, d), 0.5)
        offsets[:, discrete] = points
    target_code, target_rank, log_weight = np.zeros((1, 0)), np.zeros((1, 0)), np.zeros(1)
    if model.latent.n_columns > d:
        target_code, target_rank, log_weight = _target_nodes(model)
    outside = np.flatnonzero((codes >= np.array([c.n_levels for c in domain.columns])).any(axis=1))
    codes = codes.copy()
    codes[outside] = 0
    unit = sum(_log_unit(c, codes[:, j]) for j, c in enumerate(domain.columns))
    t = len(log_weight)
    rows = max(1, _BLOCK_POINTS // t)
    out = np.empty(len(codes))
    for start in range(0, len(codes), rows):
        block = codes[start : start + rows]
        n = len(block)
        wide = np.hstack([np.repeat(block, t, axis=0), np.tile(target_code, (n, 1))]).astype(np.int64)
        logs = []
        for offset in offsets:
            ranks = np.hstack([np.tile(offset, (n * t, 1)), np.tile(target_rank, (n, 1))])
            joint = model.log_density(wide, ranks).reshape(n, t)
            logs.append(logsumexp(joint + log_weight, axis=1))
        out[start : start + rows] = np.mean(logs, axis=0)
    out[outside] = -np.inf
    return out + unit
