"""Log-density of encoded rows under a learned model, in the units of the data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr, ndtri
from scipy.stats import qmc

from skdpflow.domain import Column, Domain, Interval
from skdpflow.latent.scores import LATENT_LIMIT
from skdpflow.transport.model import Model

Array = NDArray[np.float64]

#: Points over which the density is averaged: offsets of discrete columns, values of a numeric target, and both at once.
RANK_POINTS, TARGET_POINTS, JOINT_POINTS = 64, 256, 1024
#: Points for all cells of a table together, if all columns are discrete: the fewer cells, the more points each has.
CELL_POINTS = 2**20
#: Values of the target are spread this much wider than its normal score is, since rows may determine rare ones.
TARGET_SPREAD = 1.5
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


def _target_nodes(model: Model, parts: Array) -> tuple[Array, Array, Array]:
    """Return code, rank and log-weight of target values at parts of a distribution wider than the target's own."""
    edges, cdf = model.latent.edges[-1], model.latent.cdf[-1]
    proposed = ndtri(parts)
    score = np.clip(TARGET_SPREAD * proposed, -LATENT_LIMIT, LATENT_LIMIT)
    level = ndtr(score)
    position = np.minimum(np.interp(level, cdf, edges), np.nextafter(edges[-1], 0.0))
    code = np.floor(position)
    rank = position - code
    for low, high in model.latent.spreads[-1]:  # only the rank counts here
        first, last = np.interp([low, high], edges, cdf)
        inside = (code >= low) & (code < high)
        rank = np.where(inside, (level - first) / (last - first), rank)
    slope = (np.diff(cdf) / np.diff(edges))[np.searchsorted(edges, code, side="right") - 1]
    log_weight = 0.5 * (proposed**2 - score**2) + np.log(TARGET_SPREAD) - np.log(slope)
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
    numeric_target, n_discrete = model.latent.n_columns > d, int(discrete.sum())
    n_points = {(True, True): JOINT_POINTS, (True, False): TARGET_POINTS, (False, True): RANK_POINTS}.get(
        (numeric_target, n_discrete > 0), 1
    )
    cell = np.arange(len(codes))
    if discrete.all():  # each cell is evaluated once, however many rows have it
        codes, cell = np.unique(codes, axis=0, return_inverse=True)
        if not numeric_target:
            log_cells = sum(np.log2(c.n_levels) for c in domain.columns)
            n_points = 2 ** int(np.clip(np.log2(CELL_POINTS) - log_cells, np.log2(RANK_POINTS), np.log2(JOINT_POINTS)))
    # each coordinate takes the midpoints of equal parts
    points = qmc.Sobol(numeric_target + n_discrete, scramble=False).random(n_points) + 0.5 / n_points
    ranks, log_weight = np.full((n_points, d), 0.5), np.zeros(n_points)
    ranks[:, discrete] = points[:, int(numeric_target) :]
    target_code = np.zeros((n_points, 0))
    if numeric_target:
        target_code, target_rank, log_weight = _target_nodes(model, points[:, 0])
        ranks = np.hstack([ranks, target_rank])
    outside = np.flatnonzero((codes >= np.array([c.n_levels for c in domain.columns])).any(axis=1))
    codes = codes.copy()
    codes[outside] = 0
    unit = sum(_log_unit(c, codes[:, j]) for j, c in enumerate(domain.columns))
    rows = max(1, _BLOCK_POINTS // n_points)
    out = np.empty(len(codes))
    for start in range(0, len(codes), rows):
        block = codes[start : start + rows]
        n = len(block)
        wide = np.hstack([np.repeat(block, n_points, axis=0), np.tile(target_code, (n, 1))]).astype(np.int64)
        joint = model.log_density(wide, np.tile(ranks, (n, 1))).reshape(n, n_points)
        out[start : start + rows] = logsumexp(joint + log_weight, axis=1) - np.log(n_points)
    out[outside] = -np.inf
    return np.asarray((out + unit)[cell.reshape(-1)])
