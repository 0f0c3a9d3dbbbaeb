"""What bins are called for a reader."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Categories, Column, Interval
from skdpflow.domain.measured import measured_names
from skdpflow.latent.rank import RankTransform
from skdpflow.release import Release

#: Values that are named of a bin of several.
_NAMED = 3


def column_names(release: Release) -> list[str]:
    """Return the names of all that is measured, of which a numeric target is the last; see `own_names`."""
    return _with_target(measured_names(release.measured), release)


def own_names(release: Release) -> list[str]:
    """Return the names of the columns themselves: of "end", where "end - start" is measured."""
    return _with_target(release.measured.names, release)


def _with_target(names: Iterable[object], release: Release) -> list[str]:
    return [*map(str, names), *([release.target_name] if release.numeric_target else [])]


def number_name(number: float, column: Interval) -> str:
    """Write a number of a column, or a date of it."""
    if column.unit is not None:
        return str(np.array(round(number)).astype(f"datetime64[{column.unit}]"))
    number = 0.0 if abs(number) < 1e-12 * (column.upper - column.lower) else number  # the first after zero
    return f"{number:.4g}" if abs(number) < 1e4 or not column.integer else f"{number:.0f}"


def codes_name(first: int, stop: int, column: Column) -> str:
    """Name the codes of a column from `first` up to `stop`."""
    if first >= column.n_values:
        return "missing"
    if isinstance(column, Categories):
        return " or ".join(str(v) for v in column.values[first : min(stop, column.n_values)][:_NAMED])
    low, last = (float(column.numbers(np.array([float(code)]))[0]) for code in (first, stop - 1))
    if stop - first == 1 and column.discrete:
        return number_name(low, column)
    if not column.discrete:  # up to the end of the last code
        last = float(column.numbers(np.array([np.nextafter(float(min(stop, column.n_values)), 0.0)]))[0])
    low_name, last_name = number_name(low, column), number_name(last, column)
    return low_name if low_name == last_name else f"{low_name} to {last_name}"


def places_name(j: int, inner: NDArray[Any], k: int, transform: RankTransform, column: Column) -> str:
    """Name a bin between inner edges on the axis of a column."""
    layout, order = transform.layouts[j], transform.orders[j]
    edges = [0.0, *inner.tolist(), float(layout.n_levels)]
    first, stop = int(max(edges[k], 0)), int(min(edges[k + 1], layout.n_levels))
    if order is not None:
        return " or ".join(codes_name(int(c), int(c) + 1, column) for c in order[first:stop][:_NAMED])
    codes = layout.without_gap(np.arange(first, stop)[[0, -1]]) if stop > first else np.zeros(2, dtype=np.int64)
    if codes[0] >= column.n_values or codes[1] >= column.n_values:
        return (
            "missing" if stop - first == 1 else f"{codes_name(int(codes.min()), int(codes.min()) + 1, column)} and up"
        )
    return codes_name(int(codes[0]), int(codes[1]) + 1, column)
