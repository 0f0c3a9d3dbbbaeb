"""Checks of the public parameters on which a sensitivity rests, since a mechanism may send any values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdpflow.latent.scores import LATENT_LIMIT, LATENT_STEPS

#: Largest radius in lattice steps: the sums of squares of 2**21 rows stay below 2**53.
MAX_STEPS = 2**16
#: Farthest place of a code: codes are below 2**53.
_FARTHEST = 2.0**54


def whole(params: Mapping[str, Any], name: str, most: int) -> int:
    """Return a whole number from 1 to `most`."""
    value = params[name]
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= most:
        raise ValueError(f"The parameter {name!r} of a statistic must be a whole number from 1 to {most}.")
    return int(value)


def integers(values: ArrayLike, name: str, largest: float) -> NDArray[np.int64]:
    """Return an array of integers of at most `largest` in magnitude."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or (array.size and max(int(array.max()), -int(array.min())) > largest):
        raise ValueError(f"The parameter {name!r} of a statistic must hold integers within {largest:g}.")
    return array.astype(np.int64)


def increasing(edges: NDArray[Any], name: str, *, ties: bool = False) -> NDArray[Any]:
    """Return edges if they increase along the last axis: otherwise a search among them depends on other rows."""
    if edges.dtype.kind not in "iuf":
        raise ValueError(f"The parameter {name!r} of a statistic must hold numbers.")
    with np.errstate(over="ignore"):
        numbers = edges.astype(np.float64)  # as which they are searched
    # compared and not subtracted: differences of integers wrap, and are positive then
    before, after = numbers[..., :-1], numbers[..., 1:]
    if not np.isfinite(numbers).all() or not (before <= after if ties else before < after).all():
        raise ValueError(f"The parameter {name!r} of a statistic must hold finite, increasing numbers.")
    return edges


def columns(params: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the columns of a statistic: negative ones would mean others in X than in y."""
    found = integers(params["columns"], "columns", 2**31)
    if found.ndim != 1 or (found < 0).any():
        raise ValueError("The parameter 'columns' of a statistic must hold numbers of columns, from 0.")
    each_once(found, "columns")
    return [int(j) for j in found]


def each_once(found: NDArray[np.int64], name: str) -> None:
    """Refuse columns that are named again: memory for a row would have no bound, so the number of rows would decide."""
    if len(np.unique(found)) < len(found):
        raise ValueError(f"The parameter {name!r} of a statistic must hold each column once.")


def split(values: NDArray[Any], sizes: ArrayLike) -> list[NDArray[Any]]:
    """Cut a flat array into parts of the given sizes."""
    cuts = np.cumsum([0, *integers(sizes, "sizes", 2**31).tolist()]).tolist()
    if values.ndim != 1 or cuts[-1] != len(values) or min(np.diff(cuts), default=1) < 1:
        raise ValueError("The sizes of a statistic's flat arrays must be positive and sum to their length.")
    return [values[start:stop] for start, stop in pairwise(cuts)]


def component_count(params: Mapping[str, Any]) -> int:
    """Return the number of components; checks the edges and directions that cut them, if there are any."""
    if "component_edges" in params:
        edges = increasing(integers(params["component_edges"], "component_edges", 2**53), "component_edges", ties=True)
        if edges.ndim != 1:
            raise ValueError("The parameter 'component_edges' of a statistic must be a flat array.")
    n_components = whole(params, "n_components", 2**20)
    if "cut_directions" in params:
        n_columns = latent_columns(params)
        directions = exact_directions(params["cut_directions"], "cut_directions", n_columns)
        cuts = integers(params["cuts"], "cuts", 2**53)
        if (
            directions.ndim != 3
            or directions.shape[1] != n_columns
            or cuts.shape != (directions.shape[0], directions.shape[2])
            or directions.shape[2] > 16
            or n_components != directions.shape[0] << directions.shape[2]
        ):
            raise ValueError(
                "The parameters 'cut_directions' (n, d, k) and 'cuts' (n, k) of a statistic must cut n components of "
                "d columns k times, into n_components = n * 2**k."
            )
    return n_components


def exact_directions(values: ArrayLike, name: str, n_columns: int) -> NDArray[np.int64]:
    """Return directions along which projections of latent vectors are exact in float64."""
    return integers(values, name, 2.0**53 / (LATENT_LIMIT * LATENT_STEPS * n_columns))


def component_centres(params: Mapping[str, Any]) -> NDArray[np.int64] | None:
    """Return what is subtracted from the latent vectors of each component, if anything is."""
    if "component_centres" not in params:
        return None
    centres = integers(params["component_centres"], "component_centres", LATENT_LIMIT * LATENT_STEPS)
    if centres.shape != (component_count(params), latent_columns(params)):
        raise ValueError(
            "The parameter 'component_centres' of a statistic must have a row per component, an entry per column."
        )
    return centres


def ball(params: Mapping[str, Any]) -> tuple[float, int]:
    """Return the radius of the ball and its number of lattice steps."""
    radius = float(params["radius"])
    if not 1.0 / LATENT_STEPS <= radius < math.inf:
        raise ValueError(f"The parameter 'radius' of a statistic must be at least 1 / {LATENT_STEPS} and finite.")
    return radius, whole(params, "steps", MAX_STEPS)


def latent_columns(params: Mapping[str, Any]) -> int:
    """Return the number of latent columns; checks their edges, or the centre and levels of scaled ones."""
    if "centre" in params:
        centre = integers(params["centre"], "centre", LATENT_STEPS)
        levels = integers(params["levels"], "levels", 2**53)
        if centre.ndim != 1 or centre.shape != levels.shape or not (levels > 0).all():
            raise ValueError("The parameters 'centre' and 'levels' of a statistic must have one entry per column.")
        return len(centre)
    columns = split(np.asarray(params["latent_edges"]), params["latent_sizes"])
    _placing(params, len(columns))
    for edges, cdf in zip(columns, split(np.asarray(params["latent_cdf"]), params["latent_sizes"]), strict=True):
        increasing(edges, "latent_edges")
        increasing(cdf, "latent_cdf", ties=True)
        if not (0.0 <= cdf[0] and cdf[-1] <= 1.0 and -_FARTHEST <= edges[0] and edges[-1] <= _FARTHEST):
            raise ValueError(
                "The parameters 'latent_edges' and 'latent_cdf' of a statistic must hold places of codes, and levels "
                "from 0 to 1."
            )
    return len(columns)


def _placing(params: Mapping[str, Any], n_columns: int) -> None:
    """Check what places cells that lie outside: otherwise an error would tell that there is such a cell."""
    spreads = np.asarray(params["latent_spreads"])
    values = {
        "latent_order": integers(params["latent_orders"], "latent_orders", 2**53),
        "latent_spread": spreads,
        "latent_home": integers(params["latent_homes"], "latent_homes", _FARTHEST),
    }
    for name, own in values.items():
        sizes = integers(params[f"{name}_sizes"], f"{name}_sizes", 2**31)
        if own.ndim != 1 + (own is spreads) or sizes.shape != (n_columns,) or min(sizes) < 0 or sizes.sum() != len(own):
            raise ValueError(f"The parameter '{name}_sizes' of a statistic must cut '{name}s' in one part a column.")
    if spreads.shape[1:] != (2,) or spreads.dtype.kind not in "iuf" or np.isnan(spreads).any():
        raise ValueError("The parameter 'latent_spreads' of a statistic must hold pairs of numbers.")
    if integers(params["latent_levels"], "latent_levels", 2**53).shape != (n_columns, 3):
        raise ValueError("The parameter 'latent_levels' of a statistic must hold three integers for each column.")
