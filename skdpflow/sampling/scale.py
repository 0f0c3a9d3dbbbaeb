"""Real and synthetic rows on a common numeric scale, and which rows a domain contains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Categories, Domain, Interval
from skdpflow.domain.schema import Schema
from skdpflow.sampling.decode import decode

Array = NDArray[np.float64]


def numeric_indices(domain: Domain) -> list[int]:
    """Positions of the numeric columns."""
    return [j for j, c in enumerate(domain.columns) if isinstance(c, Interval)]


def numeric_values(positions: Array, domain: Domain) -> Array:
    """Values of the numeric columns."""
    indices = numeric_indices(domain)
    if not indices:
        return np.empty((len(positions), 0))
    numeric = Domain({domain.names[j]: domain.columns[j] for j in indices})
    schema = Schema("numpy", None, ("float64",) * len(indices))
    return np.asarray(decode(positions[:, indices], numeric, schema))


def one_hot(codes: NDArray[np.int64], domain: Domain) -> Array:
    """Encode the categories one-hot, and the gaps of nullable numbers as one more column each."""
    parts = [np.empty((len(codes), 0))]
    for j, column in enumerate(domain.columns):
        if isinstance(column, Categories):
            parts.append((codes[:, j, None] == np.arange(column.n_levels)).astype(np.float64))
        elif column.nullable:
            parts.append((codes[:, j, None] == column.n_values).astype(np.float64))
    return np.hstack(parts)


def on_common_scale(
    numbers: Array, codes: NDArray[np.int64], positions: Array, domain: Domain, *, clip: bool
) -> tuple[Array, Array]:
    """Put real and synthetic rows on the scale of the real ones."""
    intervals = [c for c in domain.columns if isinstance(c, Interval)]
    lower = np.array([c.lower for c in intervals], dtype=np.float64)
    upper = np.array([c.upper for c in intervals], dtype=np.float64)
    middle = lower + (upper - lower) / 2
    numbers = np.where(np.isnan(numbers), middle, numbers)
    numbers = np.ascontiguousarray(np.clip(numbers, lower, upper) if clip else numbers)
    peak = np.maximum(np.abs(numbers).max(axis=0), np.finfo(np.float64).tiny)
    scale = (numbers / peak).std(axis=0) * peak  # the detour avoids overflow
    scale = np.where(scale > 1e-9 * (upper - lower), scale, upper - lower)
    real = np.hstack([numbers / scale, one_hot(codes, domain)])
    levels = np.floor(positions).astype(np.int64)
    synthetic = numeric_values(positions, domain)
    synthetic = np.where(np.isnan(synthetic), middle, synthetic)
    return real, np.hstack([synthetic / scale, one_hot(levels, domain)])


def inside(values: Array, domain: Domain) -> NDArray[np.bool_]:
    """Which rows have possible values in all numeric columns."""
    out = np.ones(len(values), dtype=np.bool_)
    intervals = [c for c in domain.columns if isinstance(c, Interval)]
    for x, column in zip(values.T, intervals, strict=True):
        possible = (x >= column.lower) & (x <= column.upper)
        near = column.nearest(x)  # which single precision may hold, too
        exact = (x == near) | (x == near.astype(np.float32))
        if column.lattice is not None:
            exact |= column.lattice.holds(x)
        possible &= exact | (not column.measured.integer)
        out &= possible | (np.isnan(x) & column.nullable)
    return out
