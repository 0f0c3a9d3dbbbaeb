"""Synthetic rows that meet a condition, from a bounded pool of particles."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.columns import Column, Interval, since_epoch
from skdpflow.domain import Domain
from skdpflow.transport.model import Model

Array = NDArray[np.float64]
Ranges = dict[int, list[tuple[float, float]]]

#: Particles drawn at once and at most, and how many of them must meet the condition.
POOL, MOST_DRAWN, FEWEST = 2**15, 2**19, 50


def _interval_range(column: Interval, wanted: Any, name: str) -> tuple[float, float]:
    if not isinstance(wanted, tuple):
        if not column.integer:
            raise ValueError(f"`where` needs a pair (lower, upper) for column {name!r}, which is continuous.")
        wanted = (wanted, wanted)
    if len(wanted) != 2:
        raise ValueError(f"`where` needs a pair (lower, upper) for column {name!r}; None leaves an end open.")
    ends = []
    for bound, default in zip(wanted, (column.lower, column.upper), strict=True):
        bound = default if bound is None else bound
        if column.unit is not None:
            bound = since_epoch(name, bound, column.unit)
        if isinstance(bound, bool) or not isinstance(bound, int | float | np.number) or not math.isfinite(bound):
            raise ValueError(f"The bounds of column {name!r} in `where` must be finite numbers, dates or None.")
        ends.append(float(bound))
    low, high = max(ends[0], column.lower), min(ends[1], column.upper)
    if column.integer:
        low, high = math.ceil(low), math.floor(high)
    if low > high:
        raise ValueError(f"`where` asks for values of column {name!r} that its domain does not have.")
    if column.discrete:
        return low - column.lower, high - column.lower + 1
    half = 0.5 if column.integer else 0.0  # whole numbers are rounded on the way out
    scale = column.n_values / (column.upper - column.lower)
    top = column.n_values if high == column.upper else (high + half - column.lower) * scale
    return max((low - half - column.lower) * scale, 0.0), top


def _ranges(column: Column, wanted: Any, name: str) -> list[tuple[float, float]]:
    """Return the positions that a wish for one column allows."""
    if wanted is None:
        if not column.nullable:
            raise ValueError(f"`where` asks for missing values of column {name!r}, which is not nullable.")
        return [(column.n_values, column.n_values + 1)]
    if isinstance(column, Interval):
        return [_interval_range(column, wanted, name)]
    values = list(wanted) if isinstance(wanted, list | tuple | set | frozenset) else [wanted]
    if not values or not all(value in column.values for value in values):
        raise ValueError(f"`where` asks for values of column {name!r} that its domain does not have.")
    codes = [column.values.index(value) for value in values]
    return [(code, code + 1) for code in codes]


def condition_of(where: Any, domain: Domain) -> Ranges:
    """Turn wishes of a user into ranges of positions.

    Parameters
    ----------
    where : mapping of str to value, list of values, pair (lower, upper) or None
        One entry per conditioned column. None asks for missing values; None in a pair leaves an end open.
    domain : Domain
        The columns.

    Returns
    -------
    ranges : dict of int to list of (float, float)
        Per column, half-open ranges of positions.

    Raises
    ------
    ValueError
        If it names a column that there is not, or asks for what its domain does not have.
    """
    if not isinstance(where, Mapping) or not set(where) <= set(domain.names):
        raise ValueError(f"`where` must be a dict whose keys are columns of the domain: {list(domain.names)[:10]}.")
    return {domain.names.index(name): _ranges(domain[name], wanted, name) for name, wanted in where.items()}


def meets(positions: Array, ranges: Ranges) -> NDArray[np.bool_]:
    """Say which rows meet a condition.

    Parameters
    ----------
    positions : ndarray of shape (n, d)
        Positions.
    ranges : dict
        Of `condition_of`.

    Returns
    -------
    meets : ndarray of shape (n,), bool
    """
    out = np.ones(len(positions), dtype=np.bool_)
    for j, allowed in ranges.items():
        p = positions[:, j]
        out &= np.any([(p >= low) & (p < high) for low, high in allowed], axis=0)
    return out


def completed(model: Model, found: Array, n: int, columns: Collection[int], rng: np.random.Generator) -> Array:
    """Draw more particles like some that were found.

    Parameters
    ----------
    model : Model
        The learned model.
    found : ndarray of shape (m, d)
        Positions.
    n : int
        How many to draw.
    columns : collection of int
        Columns that are taken together from one of those found.
    rng : numpy.random.Generator
        Public randomness.

    Returns
    -------
    positions : ndarray of shape (n, d)
        Draws from a Gaussian kernel estimate in the latent space; or, of fewer than `FEWEST`, which are no estimate,
        repetitions.
    """
    if len(found) < FEWEST:
        return found[rng.integers(len(found), size=n)]
    codes = np.floor(found).astype(np.int64)
    z = model.latent.to_latent(codes, found - codes)
    size, d = z.shape
    width = size ** (-1.0 / (d + 4))
    mean, spread = z.mean(axis=0), np.atleast_2d(np.cov(z, rowvar=False)) + 1e-9 * np.eye(d)
    parents = rng.integers(size, size=n)
    noise = rng.standard_normal((n, d)) @ np.linalg.cholesky(spread).T
    # shrunk towards the mean, so that the covariance stays what it is
    moved = model.latent.from_latent(mean + np.sqrt(1 - width**2) * (z[parents] - mean) + width * noise)
    for j in columns:
        moved[:, j] = found[parents, j]
    return moved


def sample_where(
    model: Model,
    n: int,
    ranges: Ranges,
    draw: Callable[[int], tuple[Array, NDArray[np.int64]]],
    rng: np.random.Generator,
    tied: Collection[int] = (),
) -> tuple[Array, NDArray[np.int64]]:
    """Draw rows that meet a condition.

    Parameters
    ----------
    model : Model
        The learned model.
    n : int
        How many.
    ranges : dict
        Of `condition_of`.
    draw : callable
        Draws that many positions, and their leaves.
    rng : numpy.random.Generator
        Public randomness.
    tied : collection of int, default=()
        Columns that fit together in every row, as the constraints of the domain demand.

    Returns
    -------
    positions : ndarray of shape (n, d)
    leaf : ndarray of shape (n,), int64

    Raises
    ------
    ValueError
        If the condition has almost no mass under the model.

    Notes
    -----
    At most `MOST_DRAWN` particles are drawn. Those that meet the condition are exact draws of the conditional model;
    if they are fewer than `n`, the rest is drawn from a Gaussian kernel estimate around them, leaf by leaf.
    """
    positions: list[Array] = []
    leaves: list[NDArray[np.int64]] = []
    have = drawn = 0
    while drawn < MOST_DRAWN and have < n:
        pool, leaf = draw(POOL)
        kept = meets(pool, ranges)
        positions.append(pool[kept])
        leaves.append(leaf[kept])
        have, drawn = have + int(kept.sum()), drawn + POOL
    if n == 0:
        return draw(0)
    found, leaf = np.concatenate(positions), np.concatenate(leaves)
    if have >= n:
        return found[:n], leaf[:n]
    if have < FEWEST:
        raise ValueError(
            f"The condition has almost no mass: under the model it holds in fewer than {FEWEST} of {MOST_DRAWN} rows. "
            "Widen its ranges, or drop one of its columns."
        )
    wanted = leaf[rng.integers(have, size=n - have)]
    extra = np.empty((n - have, found.shape[1]))
    for c in np.unique(wanted):
        rows = wanted == c
        extra[rows] = completed(model, found[leaf == c], int(rows.sum()), {*ranges, *tied}, rng)
    order = rng.permutation(n)
    return np.concatenate([found, extra])[order], np.concatenate([leaf, wanted])[order]
