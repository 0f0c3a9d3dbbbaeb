"""Made-up rows, on which a fit is rehearsed for a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow._validation import check_int
from skdpflow.domain import Categories, Column, Domain, Interval
from skdpflow.domain.differences import differences
from skdpflow.domain.resolve import resolve_domain

#: Part of a made-up value that depends on the made-up target, beside one of its own.
DEPENDENCE = 0.5
#: Values of a column whose own are to be found.
MADE_UP_LEVELS = tuple(f"level {i}" for i in range(10))


def planned_columns(
    owner: str, domain: object, target: Column | None, n_features: int | None, n_classes: int | None
) -> tuple[int, Domain | None, Column | None]:
    """Fill in the sizes of a table from what is declared, or the other way round."""
    if n_features is None and isinstance(domain, tuple | list):
        widths = {len(bound) for bound in domain if np.ndim(bound) == 1}
        n_features = widths.pop() if len(widths) == 1 else None
    elif n_features is None and domain is not None:
        n_features = len(domain)  # type: ignore[arg-type]
    if n_features is None:
        raise ValueError(f"{owner}.plan needs n_features: the 'domain' parameter does not tell how many columns X has.")
    n_features = check_int(owner, "n_features", n_features, 1)
    same = [name for name, column in domain.items() if column == target] if isinstance(domain, Mapping) else []
    name_of_y = same[0] if len(same) == 1 else None  # a domain may describe the target too
    resolved = resolve_domain(domain, None, n_features, owner=owner, target=target, target_name=name_of_y)
    declared = len(target.values) if isinstance(target, Categories) and target.declared else None
    if n_classes is None:
        if isinstance(target, Categories) and declared is None:
            raise ValueError(f"{owner}.plan needs n_classes, since target=Categories() does not list the classes.")
        return n_features, resolved, target
    n_classes = check_int(owner, "n_classes", n_classes, 1)
    if isinstance(target, Interval) or declared not in (None, n_classes):
        raise ValueError(f"n_classes={n_classes} contradicts target={target!r}; leave it out to take it from there.")
    return n_features, resolved, Categories(range(n_classes)) if target is None else target


def made_up_rows(
    n: int, n_features: int, domain: Domain | None, target: Column | None, n_classes: int | None
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Make rows whose columns are spread over their domains and depend a little on the target."""
    rng = np.random.default_rng(0)
    y, where = None, rng.uniform(size=n)
    if isinstance(target, Categories):
        labels = list(target.values if target.declared else range(n_classes or 1))
        codes = np.arange(n) % len(labels)
        y, where = _picked(labels, codes), codes / max(len(labels) - 1, 1)
    elif target is not None:
        y = _values(target, where)
    places = (rng.uniform(size=(n, n_features)) + DEPENDENCE * where[:, None]) / (1.0 + DEPENDENCE)
    if domain is None:
        return places, y
    for name, since in differences(domain).items():  # the later of two dates is not before the other
        low, high = domain[since.name], domain[name]
        assert isinstance(low, Interval)
        assert isinstance(high, Interval)
        at, first = places[:, domain.names.index(name)], places[:, domain.names.index(since.name)]
        least = np.clip((low.lower + first * (low.upper - low.lower) - high.lower) / (high.upper - high.lower), 0, 1)
        at[:] = least + at * (1.0 - least)
    columns = [_values(column, u) for column, u in zip(domain.columns, places.T, strict=True)]
    kinds = {c.dtype for c in columns}
    X = np.empty((n, n_features), dtype=np.float64 if kinds == {np.dtype(np.float64)} else object)
    for j, column in enumerate(columns):
        X[:, j] = column
    return X, y


def _picked(values: Sequence[Any], codes: NDArray[np.int64]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = list(values)
    return array[codes]


def _values(column: Column, places: NDArray[np.float64]) -> NDArray[Any]:
    """Values of a column at places from 0 to 1 of its domain."""
    if isinstance(column, Categories):
        levels = column.categories or MADE_UP_LEVELS
        return _picked(levels, np.minimum((places * len(levels)).astype(np.int64), len(levels) - 1))
    values = column.lower + places * (column.upper - column.lower)
    values = column.nearest(values)
    return np.asarray(values if column.unit is None else values.astype(np.int64).astype(f"datetime64[{column.unit}]"))
