"""Partitions by k-d trees that are grown on synthetic rows, where counts of the real ones teach the model most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

from skdpflow.latent.kdtree import KDTree
from skdpflow.latent.lookup import bin_of
from skdpflow.latent.rank import RankTransform
from skdpflow.mechanisms.marginals.allocation import groups_of
from skdpflow.release import Measurement
from skdpflow.release.tables import partitions_of, split
from skdpflow.transport.pairs import latent_edges
from skdpflow.transport.tilt import RegionFinder

Array = NDArray[np.float64]
Integers = NDArray[np.integer]

#: Synthetic rows that trees cut evenly, and those among them that tell how much a column matters for the target.
CUT_ROWS, JUDGED_ROWS = 2**14, 2**11
#: Share of the levels that cut a numeric target, and of the others that are drawn by how much a column matters.
TARGET_LEVELS, BY_IMPORTANCE = 0.25, 0.75
#: A level cuts a column that cuts at least this share of the rows well: into parts of which the smaller one has at
#: least so much of a region.
WELL_CUT, LEAST_PART = 0.75, 0.2
#: Columns that are tried for a level.
MOST_TRIED = 8


def grow_partitions(
    particles: Iterable[Array],
    sizes: Array,
    transform: RankTransform,
    bins: Mapping[str, Any],
    n_partitions: int,
    depth: int,
    seed: Sequence[int],
    *,
    ordered: bool,
) -> dict[str, Any]:
    """Grow trees that cut synthetic rows evenly, most often by columns that matter for the target.

    Notes
    -----
    A numeric target is itself cut, as the last column: all its ranges are in one group. Classes are groups of their
    own. Without a target all columns are cut alike.
    """
    rng = np.random.default_rng(seed)
    n_components = len(sizes)
    component = rng.choice(n_components, size=CUT_ROWS, p=sizes / sizes.sum())
    z = np.empty((CUT_ROWS, transform.n_columns))
    for c, own in enumerate(particles):
        z[component == c] = own[rng.integers(len(own), size=np.count_nonzero(component == c))]
    edges = [latent_edges(transform, j, e) for j, e in enumerate(split(bins, "pair_edges"))]
    binned = [bin_of(z[:, j], e) for j, e in enumerate(edges)]
    weights = np.full(len(edges), 1.0)
    if ordered or n_components > 1:
        n_inputs = len(edges) - ordered
        judged = np.column_stack(binned[:n_inputs])[:JUDGED_ROWS].astype(np.float32)
        wanted = z[:JUDGED_ROWS, -1] if ordered else component[:JUDGED_ROWS]
        kind = ExtraTreesRegressor if ordered else ExtraTreesClassifier
        forest = kind(n_estimators=8, min_samples_leaf=5, max_features=1.0, random_state=int(rng.integers(2**31)))
        importance = forest.fit(judged, wanted).feature_importances_
        weights[:n_inputs] = BY_IMPORTANCE * importance + (1.0 - BY_IMPORTANCE) / n_inputs
        if ordered:
            weights[-1] = TARGET_LEVELS / (1.0 - TARGET_LEVELS)
    trees = [grow_tree(binned, np.array([len(e) + 1 for e in edges]), weights, depth, rng) for _ in range(n_partitions)]
    return {
        "partition_columns": np.array([tree.columns for tree in trees]),
        "partition_cuts": np.array([tree.cuts for tree in trees]),
        "groups": groups_of(n_components, ordered=ordered),
    }


def grow_tree(
    binned: Sequence[Integers], n_bins: NDArray[np.int64], weights: Array, depth: int, rng: np.random.Generator
) -> KDTree:
    """Cut regions at their medians, by columns that are drawn by their weights and cut most rows well."""
    weights = np.where(n_bins > 1, weights, 0.0)
    if not weights.any():
        return KDTree(np.zeros(depth, dtype=np.int64), np.zeros(2**depth - 1, dtype=np.int64))
    n_tried = min(MOST_TRIED, int(np.count_nonzero(weights)))
    at = np.zeros(len(binned[0]), dtype=np.int64)
    columns, cuts = list[int](), list[NDArray[np.int64]]()
    for level in range(depth):
        tried = rng.choice(len(weights), n_tried, replace=False, p=weights / weights.sum())
        best = -1.0
        for j in tried.tolist():
            own, well = _medians(binned[j], int(n_bins[j]), at, 1 << level)
            if well > best:
                best, column, chosen = well, j, own
            if best > WELL_CUT:
                break
        columns.append(column)
        cuts.append(chosen)
        at = 2 * at + (binned[column] > chosen.take(at))
    return KDTree(np.array(columns), np.concatenate(cuts))


def _medians(bins: Integers, n_bins: int, at: NDArray[np.int64], n_regions: int) -> tuple[NDArray[np.int64], float]:
    """Return for each region the cut that is nearest to its median, and the share of rows that are cut well."""
    below = np.bincount(at * n_bins + bins, minlength=n_regions * n_bins).reshape(n_regions, n_bins).cumsum(axis=1)
    rows = below[:, -1]
    part = below[:, :-1] / np.maximum(rows, 1)[:, None]
    cuts = np.abs(part - 0.5).argmin(axis=1)
    smaller = 0.5 - np.abs(part[np.arange(n_regions), cuts] - 0.5)
    return cuts, float(rows @ np.minimum(smaller / LEAST_PART, 1.0) / rows.sum())


def measured_regions(
    measured: Sequence[Measurement], transform: RankTransform
) -> tuple[RegionFinder, list[Array], list[float]]:
    """Return the partitions of measurements in the latent space, their counts, and the noise of these."""
    edges = tuple(latent_edges(transform, j, e) for j, e in enumerate(split(measured[0].params, "pair_edges")))
    trees, counts, sds = [], [], []
    for m in measured:
        for own, cuts, found in partitions_of(m):
            trees.append(KDTree(own, cuts))
            counts.append(found)
            sds.append(float(np.max(m.sd)))
    return RegionFinder(edges, tuple(trees)), counts, sds
