"""What the kind of a measurement implies: the sensitivity of its statistic, and the shape of its values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.projections import spectral_norm
from skdpflow.release.measurement import Measurement
from skdpflow.release.sensitivity import of_ball, of_ones, of_score, of_squares

Params = Mapping[str, Any]

#: Most numbers of the directions of records, whose norm takes time: as many as the mechanism draws.
MAX_DIRECTIONS = 2**24
#: Largest number of lattice steps in a radius, and of components, that a statistic may have.
MAX_STEPS, MAX_COMPONENTS = 2**16, 2**20
#: Most levels of the tree of a partition; partitions of a request, and their regions in all groups.
MAX_DEPTH, MAX_PARTITIONS, MAX_REGIONS = 20, 2**12, 2**26


def _whole(params: Params, name: str, most: int) -> int:
    value = params[name]
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= most:
        raise ValueError(f"{name!r} is no whole number from 1 to {most}")
    return int(value)


def _steps(params: Params) -> int:
    radius = params["radius"]
    if not (isinstance(radius, float | int) and 0.0 < radius < math.inf):
        raise ValueError("'radius' is no positive number")
    return _whole(params, "steps", MAX_STEPS)


def _flag(params: Params, name: str) -> bool:
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"{name!r} is neither true nor false")
    return value


def _width(params: Params) -> int:
    """Return the number of latent columns."""
    return len(params["centre"] if "centre" in params else params["latent_sizes"])


#: For each kind, of its parameters, shape and neighbouring relation: the sensitivity.
_SENSITIVITIES: dict[str, Callable[[Params, tuple[int, ...], str], float]] = {
    "counts": lambda p, shape, n: of_ones(1, n),
    "norms": lambda p, shape, n: of_ones(1, n),
    "labels": lambda p, shape, n: of_ones(1, n),
    "levels": lambda p, shape, n: of_ones(len(p["columns"]), n),
    "histograms": lambda p, shape, n: of_ones(len(p["columns"]), n),
    "bounds": lambda p, shape, n: of_ones(shape[0], n),
    "location": lambda p, shape, n: of_ones(len(p["columns"]), n),
    "slices": lambda p, shape, n: of_ones(shape[1], n),
    "pairs": lambda p, shape, n: of_ones(len(p["pairs"]), n),
    "partitions": lambda p, shape, n: of_ones(len(p["partition_columns"]), n),
    "column_moments": lambda p, shape, n: of_ball(_steps(p), n),
    "mean": lambda p, shape, n: of_ball(_steps(p), n),
    "second_moment": lambda p, shape, n: of_squares(_steps(p), n),
    "select_pairs": lambda p, shape, n: of_score(n),
    "records": lambda p, shape, n: of_ball(_steps(p), n) * spectral_norm(_directions(p).astype(np.float64)),
}


def _directions(params: Params) -> NDArray[Any]:
    directions = np.asarray(params["directions"])
    if directions.shape[:-1] != (len(params["levels"]),) or directions.size > MAX_DIRECTIONS:
        raise ValueError("'directions' are not of its columns, or too many")
    return directions


def _bins(params: Params) -> int:
    """Return the number of bins of all columns."""
    return int(np.sum(params["edge_sizes"])) - len(params["edge_sizes"])


def _pair_entries(params: Params) -> int:
    """Return the number of entries of all two-way tables."""
    sizes = np.asarray(params["pair_edge_sizes"], dtype=object) + 1
    return int(np.sum(np.prod(sizes[np.asarray(params["pairs"])], axis=1)))


def _indices(params: Params, name: str, end: int) -> NDArray[np.int64]:
    """Return whole numbers from 0 up to `end`."""
    values = np.asarray(params[name])
    if values.dtype.kind not in "iu" or not values.size or not 0 <= int(values.min()) <= int(values.max()) < end:
        raise ValueError(f"The parameter {name!r} of a statistic must hold integers from 0 to {end - 1}.")
    return values.astype(np.int64, copy=False)


def partition_shape(params: Params) -> tuple[int, int]:
    """Return the number of groups of components, and of regions of all partitions; refuse what are no partitions."""
    columns = _indices(params, "partition_columns", len(params["pair_edge_sizes"]))
    cuts, groups = _indices(params, "partition_cuts", MAX_REGIONS), _indices(params, "groups", MAX_COMPONENTS)
    if columns.ndim != 2 or len(columns) > MAX_PARTITIONS or columns.shape[1] > MAX_DEPTH:
        raise ValueError(
            f"The parameter 'partition_columns' of a statistic must hold, for each of at most {MAX_PARTITIONS} "
            f"partitions, positions in 'pair_columns', one for each of its levels, which are at most {MAX_DEPTH}."
        )
    n_partitions, depth = columns.shape
    if cuts.shape != (n_partitions, 2**depth - 1):
        raise ValueError(
            "The parameter 'partition_cuts' of a statistic must hold, for each partition, a bin for each of the "
            f"{2**depth - 1} regions that its {depth} levels cut."
        )
    if groups.shape != (_components(params),):
        raise ValueError("The parameter 'groups' of a statistic must hold one group per component.")
    n_groups, n_regions = int(groups.max()) + 1, n_partitions << depth
    if n_groups * n_regions > MAX_REGIONS:
        raise ValueError(
            f"The partitions of this statistic have {n_groups * n_regions} regions in all groups; at most "
            f"{MAX_REGIONS} are counted. Ask for fewer partitions or coarser ones."
        )
    return n_groups, n_regions


#: For each kind: what its shape has to be.
_SHAPES: dict[str, Callable[[Params], tuple[int, ...]]] = {
    "counts": lambda p: (_components(p) + _flag(p, "unlisted"),),
    "norms": lambda p: (_components(p), len(p["norm_edges"]) + 1),
    "labels": lambda p: (len(p["labels"]),),
    "levels": lambda p: (sum(map(len, p["levels"])),),
    "histograms": lambda p: (_components(p), _bins(p)),
    "bounds": lambda p: (_whole(p, "n_columns", MAX_COMPONENTS), len(p["grid"]) + 1),
    "location": lambda p: (int(np.sum(p["edge_sizes"])),),
    "slices": lambda p: (_components(p), p["directions"].shape[-1], p["slice_edges"].shape[-1] + 1),
    "pairs": lambda p: (_components(p), _pair_entries(p)),
    "partitions": partition_shape,
    "column_moments": lambda p: (2, len(p["columns"])),
    "mean": lambda p: (_components(p), _width(p)),
    "second_moment": lambda p: (1 if p["pooled"] else _components(p), _width(p) * (_width(p) + 1) // 2),
    "select_pairs": lambda p: (_whole(p, "k", MAX_COMPONENTS), 2),
    "records": lambda p: (int(np.sum(p["sizes"])), _directions(p).shape[1]),
}


def _components(params: Params) -> int:
    return _whole(params, "n_components", MAX_COMPONENTS)


#: Kinds whose sums over several tables, of declared columns, are the sum over all rows.
SUMMED = "column_moments counts histograms location mean norms pairs partitions second_moment slices".split()


@dataclass(frozen=True, eq=False)
class Implied:
    """What the kind and parameters of a statistic imply.

    Parameters
    ----------
    shape : tuple of int
        Of its values.
    sensitivity : float
        L2 sensitivity, of the coordinates with the most noise.
    touched : int
        Coordinates to which one row contributes.
    relative_scale : ndarray of float64
        Noise of each coordinate in units of the largest.
    """

    shape: tuple[int, ...]
    sensitivity: float
    touched: int
    relative_scale: NDArray[np.float64]


def implied(kind: str, params: Params, neighbours: str) -> Implied:
    """Return what a statistic is, as far as that is public."""
    if kind not in _SHAPES:
        raise ValueError(f"there is no kind {kind!r}")
    shape = _SHAPES[kind](params)
    sensitivity = _SENSITIVITIES[kind](params, shape, neighbours)
    dense = {"column_moments": math.prod(shape), "mean": shape[-1], "second_moment": shape[-1]}
    # a row adds ones to as many counts as the square of what it may change
    touched = dense[kind] if kind in dense else round(_SENSITIVITIES[kind](params, shape, "add-remove") ** 2)
    return Implied(shape, sensitivity, touched, relative_scale(kind, shape[-1]))


def relative_scale(kind: str, width: int) -> NDArray[np.float64]:
    """Return the noise of each coordinate in units of the largest."""
    if kind != "second_moment":
        return np.ones(1)
    # the norm of an upper triangle counts entries off the diagonal twice, so their noise may be smaller
    i, j = np.triu_indices((math.isqrt(8 * width + 1) - 1) // 2)
    return np.where(i == j, 1.0, math.sqrt(0.5))


def implied_sensitivity(m: Measurement, neighbours: str) -> float:
    """Return the sensitivity that the kind and parameters of a measurement imply."""
    if m.kind not in _SHAPES:
        raise ValueError(f"there is no kind {m.kind!r}")
    shape = _SHAPES[m.kind](m.params)
    if m.values.shape != shape:
        raise ValueError(f"its values have the shape {m.values.shape}, which its parameters do not have")
    return _SENSITIVITIES[m.kind](m.params, m.values.shape, neighbours)
