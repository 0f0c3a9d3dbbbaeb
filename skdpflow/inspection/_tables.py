"""The measurements of a Release, each beside the same statistic of a synthetic sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Interval
from skdpflow.domain.codes import outside_of
from skdpflow.domain.differences import since_of
from skdpflow.inspection._names import codes_name, column_names, number_name, places_name
from skdpflow.inspection._sample import Sample
from skdpflow.latent.kdtree import KDTree
from skdpflow.latent.rank import RankTransform
from skdpflow.latent.scores import LATENT_STEPS
from skdpflow.release import Measurement
from skdpflow.release.tables import histograms_of, locations_of, pairs_of, partitions_of, split

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Counted:
    """Noisy counts of real rows and counts of synthetic rows, in the same bins.

    Parameters
    ----------
    of : {"target", "column", "location", "pair", "region", "slice"}
        What is counted.
    names : tuple of str
        Columns that it is about.
    measurement : str
        Name of the measurement.
    measured, sampled : ndarray of shape (n_components, n_bins)
        Counts.
    sd : ndarray of shape (n_bins,)
        Standard deviation of the noise of a measured count.
    missed : float
        Measured rows that are in none of the bins, because their cell is no value.
    ordered : bool
        Whether neighbouring bins are close.
    name : callable
        What a bin is called, by its number.
    """

    of: str
    names: tuple[str, ...]
    measurement: str
    measured: Array
    sampled: Array
    sd: Array
    missed: float
    ordered: bool
    name: Callable[[int], str]


def counted(sample: Sample, measurements: tuple[Measurement, ...]) -> Iterator[Counted]:
    """Yield every count that can be compared, measurement by measurement."""
    for m in measurements:
        if m.kind in _READERS and "cut_directions" not in m.params:
            yield from _READERS[m.kind](sample, m)


def _noise(m: Measurement, n_bins: int) -> Array:
    return np.full(n_bins, float(np.max(m.sd)))


def _crossed(component: NDArray[np.int64], bins: NDArray[np.int64], n_components: int, n_bins: int) -> Array:
    """Count rows by component and bin; rows with the component or bin -1 are left out."""
    kept = (component >= 0) & (bins >= 0)
    flat = component[kept] * n_bins + bins[kept]
    return np.bincount(flat, minlength=n_components * n_bins).reshape(n_components, n_bins).astype(np.float64)


def _classes(sample: Sample, m: Measurement) -> Iterator[Counted]:
    classes = sample.release.classes
    if classes is None:
        return
    n = len(classes)
    sampled = np.bincount(sample.classes, minlength=n)[None, :n].astype(np.float64)
    measured = np.asarray(m.values[:n], dtype=np.float64)[None]
    name = partial(_class_name, classes)
    yield Counted("target", (sample.release.target_name,), m.name, measured, sampled, _noise(m, n), 0.0, False, name)


def _class_name(classes: tuple[Any, ...], k: int) -> str:
    return str(classes[k])


def _histograms(sample: Sample, m: Measurement) -> Iterator[Counted]:
    names, columns = column_names(sample.release), sample.release.declared
    component, n_components = sample.components(m.params), int(m.params["n_components"])
    since = since_of(sample.release.measured)
    differences = {j for j, name in enumerate(sample.release.measured) if name in since}
    for j, edges, counts in histograms_of(m):
        column = columns[j]
        within = edges[:-1] < column.n_levels
        n_bins = int(within.sum())
        measured, sd, missed = counts[:, within].copy(), _noise(m, n_bins), 0.0
        last = n_bins - 1 - column.nullable
        for k, how in enumerate(outside_of(column)):
            own = counts[:, np.flatnonzero(edges[:-1] == column.n_levels + k)].sum(axis=1)
            if how in ("below", "above") and j not in differences:  # such rows come out as the nearest value
                at = 0 if how == "below" else last
                measured[:, at] += own
                sd[at] = np.hypot(sd[at], np.max(m.sd))
            else:
                missed += float(own.sum())
        bins = np.searchsorted(edges[: n_bins + 1], sample.codes[:, j], side="right") - 1
        sampled = _crossed(component, np.minimum(bins, n_bins - 1), n_components, n_bins)
        of = "target" if j >= len(sample.release.measured) else "column"
        name = partial(_bin_name, edges, column)
        yield Counted(of, (names[j],), m.name, measured, sampled, sd, missed, column.ordered, name)


def _bin_name(edges: NDArray[np.int64], column: Any, k: int) -> str:
    return codes_name(int(edges[k]), int(edges[k + 1]), column)


def _location(sample: Sample, m: Measurement) -> Iterator[Counted]:
    names = column_names(sample.release)
    for j, e, counts in locations_of(m):
        column, numbers = sample.release.declared[j], sample.measured_numbers(j)
        assert isinstance(column, Interval)
        bins = np.clip(np.searchsorted(e, numbers, side="right") - 1, 0, len(e) - 2)
        bins = np.where(np.isnan(numbers), len(e) - 1, bins)  # the last count is of cells that are no value
        sampled = _crossed(np.zeros_like(bins), bins, 1, len(e))
        name = partial(_location_name, e, column)
        yield Counted("location", (names[j],), m.name, counts[None], sampled, _noise(m, len(e)), 0.0, False, name)


def _location_name(edges: Array, column: Interval, k: int) -> str:
    if k == len(edges) - 1:
        return "missing or outside"
    ends = edges[k : k + 2] if column.lattice is None else column.lattice.numbers(edges[k : k + 2])
    low, high = (number_name(float(end), column) for end in ends)
    return low if low == high else f"{low} to {high}"


def _binned(sample: Sample, params: Mapping[str, Any]) -> tuple[NDArray[np.int64], list[Callable[[int], str]]]:
    """Return bins of the columns of tables, and what these are called."""
    transform = RankTransform.from_params(params)
    inner = split(params, "pair_edges")
    places = sample.places(transform)
    columns = np.asarray(params["pair_columns"]).tolist()
    bins = np.empty((len(places), len(columns)), dtype=np.int64)
    for i, (j, e) in enumerate(zip(columns, inner, strict=True)):
        bins[:, i] = np.searchsorted(e, places[:, j], side="right")
    called: list[Callable[[int], str]] = [
        partial(_place_name, j, e, transform, sample.release.declared[j]) for j, e in zip(columns, inner, strict=True)
    ]
    return bins, called


def _place_name(j: int, inner: Array, transform: RankTransform, column: Any, k: int) -> str:
    return places_name(j, inner, k, transform, column)


Table = tuple[Counted, tuple[int, int], tuple[list[str], list[str]]]


def two_way_tables(sample: Sample, measurements: tuple[Measurement, ...]) -> Iterator[Table]:
    """Yield each two-way table with its shape, and what the bins of its columns are called."""
    for m in measurements:
        if m.kind == "pairs" and "cut_directions" not in m.params:
            yield from _two_way(sample, m)


def _two_way(sample: Sample, m: Measurement) -> Iterator[Table]:
    names, columns = column_names(sample.release), sample.release.declared
    bins, called = _binned(sample, m.params)
    component, n_components = sample.components(m.params), int(m.params["n_components"])
    positions = np.asarray(m.params["pair_columns"])
    for (a, b), (rows, width), measured in pairs_of(m):
        sampled = _crossed(component, bins[:, a] * width + bins[:, b], n_components, rows * width)
        pair = names[positions[a]], names[positions[b]]
        name = partial(_entry_name, pair, called[a], called[b], width)
        ordered = columns[positions[a]].ordered and columns[positions[b]].ordered
        own = Counted("pair", pair, m.name, measured, sampled, _noise(m, rows * width), 0.0, ordered, name)
        yield own, (rows, width), ([called[a](k) for k in range(rows)], [called[b](k) for k in range(width)])


def _pairs(sample: Sample, m: Measurement) -> Iterator[Counted]:
    for own, _, _ in _two_way(sample, m):
        yield own


def _entry_name(pair: tuple[str, str], a: Callable[[int], str], b: Callable[[int], str], width: int, k: int) -> str:
    return f"{pair[0]} {a(k // width)}, {pair[1]} {b(k % width)}"


def _partitions(sample: Sample, m: Measurement) -> Iterator[Counted]:
    names, positions = column_names(sample.release), np.asarray(m.params["pair_columns"])
    bins, _ = _binned(sample, m.params)
    component, groups = sample.components(m.params), np.asarray(m.params["groups"])
    group = np.where(component >= 0, groups[component], -1)
    for own, cuts, measured in partitions_of(m):
        sampled = _crossed(group, KDTree(own, cuts).find(bins.T), *measured.shape)
        of = tuple(names[j] for j in positions[np.unique(own)])
        sd = _noise(m, measured.shape[1])
        yield Counted("region", of, m.name, measured, sampled, sd, 0.0, False, _region_name)


def _region_name(k: int) -> str:
    return f"region {k}"


def _slices(sample: Sample, m: Measurement) -> Iterator[Counted]:
    transform = RankTransform.from_params(m.params)
    z = np.rint(sample.latent(transform) * LATENT_STEPS)
    component = sample.components(m.params)
    directions, edges = np.asarray(m.params["directions"], dtype=np.float64), np.asarray(m.params["slice_edges"])
    n_components, k, n_bins = m.values.shape
    for i in range(k):
        sampled = np.zeros((n_components, n_bins))
        for c in range(n_components):
            p = z[component == c] @ directions[min(c, len(directions) - 1), :, i]
            sampled[c] = np.bincount(np.searchsorted(edges[c, i], p, side="right"), minlength=n_bins)
        measured = np.asarray(m.values[:, i], dtype=np.float64)
        name = partial(_slice_name, i)
        yield Counted("slice", (f"direction {i + 1}",), m.name, measured, sampled, _noise(m, n_bins), 0.0, True, name)


def _slice_name(i: int, k: int) -> str:
    return f"bin {k + 1}"


_READERS: dict[str, Callable[[Sample, Measurement], Iterator[Counted]]] = {
    "counts": _classes,
    "histograms": _histograms,
    "location": _location,
    "pairs": _pairs,
    "partitions": _partitions,
    "slices": _slices,
}
