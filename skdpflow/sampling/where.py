"""Synthetic rows that meet a condition, from a bounded pool of particles."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Domain
from skdpflow.domain.columns import Categories, Column, Interval
from skdpflow.domain.differences import by_themselves
from skdpflow.domain.grid import after
from skdpflow.domain.interval import since_epoch
from skdpflow.domain.measured import is_measured, measured_domain
from skdpflow.transport.model import Model

Array = NDArray[np.float64]
Ranges = dict[int, list[tuple[float, float]]]

#: Particles drawn first, at once and at most, and how many of them must meet the condition; if none of the first
#: `HOPELESS` does, it has no more mass than would be refused in the end.
FIRST, POOL, MOST_DRAWN, FEWEST, HOPELESS = 2**10, 2**15, 2**19, 50, 2**16

_SINGLE = (
    "`where` asks for a single number of column {!r}, which is continuous: no row has exactly that one. Give a range "
    "of some width."
)


def _is_gap(value: Any) -> bool:
    """Whether a value is one of the ways to write a missing cell: None, NaN, NaT or NA."""
    if value is None or type(value).__name__ == "NAType":
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return False


def _listed(wanted: Any, name: str) -> list[Any]:
    """Return the values of a list, set, array or series, or a single value as a list."""
    shape = getattr(wanted, "shape", ())
    if isinstance(wanted, Mapping) or len(shape) > 1:
        raise ValueError(f"`where` takes a value, a list of values or a pair for column {name!r}, no table or dict.")
    if isinstance(wanted, np.ndarray) and not shape:
        return [wanted[()]]
    if isinstance(wanted, str | bytes | np.generic) or not isinstance(wanted, Iterable):
        return [wanted]
    values = list(wanted)
    if not values:
        raise ValueError(f"`where` lists no value for column {name!r}: leave the column out to allow all.")
    return values


def _number(column: Interval, bound: Any, name: str) -> float:
    if column.unit is not None:
        bound = since_epoch(name, bound, column.unit)
    if isinstance(bound, bool) or not isinstance(bound, int | float | np.number) or not math.isfinite(bound):
        raise ValueError(f"The bounds of column {name!r} in `where` must be finite numbers, dates or None.")
    return float(bound) if column.lattice is None else column.lattice.meant(float(bound))


def _between(column: Interval, low: float, high: float, name: str) -> tuple[float, float]:
    """Return the positions of numbers from `low` to `high`, both among them."""
    low, high = max(low, column.lower), min(high, column.upper)
    if column.lattice is not None and low <= high:
        return _between(column.measured, *column.lattice.within(low, high), name)
    if column.integer:
        low, high = math.ceil(low), math.floor(high)
    if low > high:
        raise ValueError(f"`where` asks for values of column {name!r} that its domain does not have.")
    if column.discrete:
        return low - column.lower, high - column.lower + 1
    if column.grid is not None:
        first, last = column.grid.positions(np.array([low, float(after(np.array(high), column.integer))]))
        if last - first < 1.0 and not column.integer and low == high:
            raise ValueError(_SINGLE.format(name))
        return float(first), float(last)
    if not column.integer and low == high:
        raise ValueError(_SINGLE.format(name))
    half = 0.5 if column.integer else 0.0  # whole numbers are rounded on the way out
    scale = column.n_values / (column.upper - column.lower)
    top = column.n_values if high == column.upper else (high + half - column.lower) * scale
    return max((low - half - column.lower) * scale, 0.0), top


def _level(column: Categories, value: Any, name: str) -> int:
    if np.ndim(value) == 0 and value in column.values:
        return column.values.index(value)
    raise ValueError(f"`where` asks for values of column {name!r} that its domain does not have.")


def _end(column: Column, end: Any, name: str) -> float:
    return _level(column, end, name) if isinstance(column, Categories) else _number(column, end, name)


def _pair(column: Column, wanted: tuple[Any, ...], name: str) -> tuple[float, float]:
    """Return the positions of a range; None leaves an end open."""
    if isinstance(column, Categories) and not column.ordered:
        raise ValueError(
            f"A pair in `where` is a range, which the categories of column {name!r} do not have, as they are not "
            "ordered. Pass a list of values."
        )
    if len(wanted) != 2:
        raise ValueError(
            f"A tuple in `where` must be a pair (lower, upper), also for column {name!r}. None leaves an end open, and "
            "a list lists values."
        )
    ends = [None if end is None else _end(column, end, name) for end in wanted]
    if ends[0] is not None and ends[1] is not None and ends[0] > ends[1]:
        raise ValueError(f"The range of column {name!r} in `where` must not end before it starts.")
    first, last = (0.0, column.n_values - 1.0) if isinstance(column, Categories) else (column.lower, column.upper)
    low, high = first if ends[0] is None else ends[0], last if ends[1] is None else ends[1]
    return (low, high + 1) if isinstance(column, Categories) else _between(column, low, high, name)


def _ranges(column: Column, wanted: Any, name: str) -> list[tuple[float, float]]:
    """Return the positions that a wish for one column allows, as few ranges as they are."""
    if isinstance(wanted, tuple):
        return [_pair(column, wanted, name)]
    found: list[tuple[float, float]] = []
    for value in _listed(wanted, name):
        if _is_gap(value):
            if not column.nullable:
                raise ValueError(f"`where` asks for missing values of column {name!r}, which is not nullable.")
            found.append((column.n_values, column.n_values + 1))
        elif isinstance(column, Categories):
            level = _level(column, value, name)
            found.append((level, level + 1))
        elif column.measured.integer or column.grid is not None:
            number = _number(column, value, name)
            found.append(_between(column, number, number, name))
        else:
            raise ValueError(f"`where` needs a pair (lower, upper) for column {name!r}, which is continuous.")
    merged = sorted(found)[:1]
    for low, high in sorted(found)[1:]:
        if low <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], high)
        else:
            merged.append((low, high))
    return merged


def condition_of(where: Any, domain: Domain) -> Ranges:
    """Turn wishes of a user into ranges of positions."""
    wishes = {str(name): wanted for name, wanted in where.items()} if isinstance(where, Mapping) else None
    if wishes is None or not set(wishes) <= set(domain.names):
        raise ValueError(f"`where` must be a dict whose keys are columns of the domain: {list(domain.names)[:10]}.")
    unmeasured = [name for name in wishes if not is_measured(domain[name])]
    if unmeasured:
        raise ValueError(f"`where` cannot ask for values of {unmeasured}: they are constants or keys, not measured.")
    domain = by_themselves(measured_domain(domain))
    return {domain.names.index(name): _ranges(domain[name], wanted, name) for name, wanted in wishes.items()}


def meets(positions: Array, ranges: Ranges) -> NDArray[np.bool_]:
    """Say which rows meet a condition."""
    out = np.ones(len(positions), dtype=np.bool_)
    for j, allowed in ranges.items():
        p = positions[:, j]
        out &= np.any([(p >= low) & (p < high) for low, high in allowed], axis=0)
    return out


def completed(model: Model, found: Array, n: int, columns: Collection[int], rng: np.random.Generator) -> Array:
    """Draw more particles like some that were found."""
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
    in_own_values: Callable[[Array], Array] = np.asarray,
) -> tuple[Array, NDArray[np.int64]]:
    """Draw rows that meet a condition.

    Notes
    -----
    About `MOST_DRAWN` particles are drawn at most, and `HOPELESS` if none of these meets the condition. Those that meet
    it are exact draws of the conditional model; if they are fewer than `n`, the rest is drawn from a Gaussian kernel
    estimate around them, component by component.
    """
    positions: list[Array] = []
    components: list[NDArray[np.int64]] = []
    have = drawn = 0
    size = min(max(2 * n, FIRST), POOL)
    while have < n and drawn < (MOST_DRAWN if have else HOPELESS):
        pool, component = draw(size)
        kept = meets(in_own_values(pool), ranges)
        positions.append(pool[kept])
        components.append(component[kept])
        have, drawn, size = have + int(kept.sum()), drawn + size, min(2 * size, POOL)
    if n == 0:
        return draw(0)
    found, component = np.concatenate(positions), np.concatenate(components)
    if have >= n:
        return found[:n], component[:n]
    if have < FEWEST:
        raise ValueError(
            f"The condition has almost no mass: under the model it holds in fewer than {FEWEST} of {MOST_DRAWN} rows. "
            "Widen its ranges, or drop one of its columns. If the domain has constraints, it may contradict them."
        )
    wanted = component[rng.integers(have, size=n - have)]
    extra = np.empty((n - have, found.shape[1]))
    for c in np.unique(wanted):
        rows = wanted == c
        extra[rows] = completed(model, found[component == c], int(rows.sum()), {*ranges, *tied}, rng)
    order = rng.permutation(n)
    return np.concatenate([found, extra])[order], np.concatenate([component, wanted])[order]
