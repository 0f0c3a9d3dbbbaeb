"""Partitions of a few columns each, grown on synthetic rows: where counts of the real ones teach the model most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skdpflow.latent.lookup import bin_of
from skdpflow.latent.rank import RankTransform
from skdpflow.release import Measurement
from skdpflow.release.tables import partitions_of, split
from skdpflow.transport.pairs import latent_edges
from skdpflow.transport.tilt import RegionFinder

Array = NDArray[np.float64]

#: Columns of a partition, synthetic rows that trees are grown on.
WIDTH, TREE_ROWS = 3, 4096


def grow_partitions(
    particles: Iterable[Array],
    n_particles: int,
    sizes: Array,
    transform: RankTransform,
    bins: Mapping[str, Any],
    n_partitions: int,
    n_regions: int,
    n_groups: int,
    seed: Sequence[int],
    *,
    ordered: bool,
) -> dict[str, Any]:
    """Grow trees on random columns of synthetic rows; their leaves are the regions.

    Notes
    -----
    Trees predict the component. Without a target they predict a random combination of their columns, which cuts the
    rows evenly.
    """
    rng = np.random.default_rng(seed)
    n_components = len(sizes)
    component = rng.choice(n_components, size=TREE_ROWS, p=sizes / sizes.sum())
    place = rng.integers(n_particles, size=TREE_ROWS)
    z = np.empty((TREE_ROWS, transform.n_columns))
    for c, own in enumerate(particles):
        z[component == c] = own[place[component == c]]
    edges = [latent_edges(transform, j, e) for j, e in enumerate(split(bins, "pair_edges"))]
    d = len(edges)
    binned = np.column_stack([bin_of(z[:, j], e) for j, e in enumerate(edges)])
    binned = binned.astype(np.float32)  # as trees want it, once for all of them
    columns, tables = [], []
    for i in range(n_partitions):
        own = np.sort(rng.choice(d, size=min(WIDTH, d), replace=False))
        wanted = component if n_components > 1 else z[:, own] @ rng.standard_normal(len(own))
        kind = DecisionTreeClassifier if n_components > 1 and not ordered else DecisionTreeRegressor
        tree = kind(max_leaf_nodes=n_regions, random_state=i).fit(binned[:, own], wanted)
        grid = np.indices([len(edges[j]) + 1 for j in own]).reshape(len(own), -1).T
        columns.append(own)
        tables.append(np.unique(tree.apply(grid), return_inverse=True)[1].ravel())
    return {
        "partition_columns": np.array(columns),
        "partition_regions": np.concatenate(tables),
        "groups": np.arange(n_components) * n_groups // n_components,
    }


def measured_regions(
    measured: Sequence[Measurement], transform: RankTransform
) -> tuple[RegionFinder, list[Array], list[float]]:
    """Return the partitions of measurements in the latent space, their counts, and the noise of these."""
    edges = tuple(latent_edges(transform, j, e) for j, e in enumerate(split(measured[0].params, "pair_edges")))
    columns, tables, counts, sds = [], [], [], []
    for m in measured:
        for own, regions, found in partitions_of(m):
            columns.append(own)
            tables.append(regions)
            counts.append(found)
            sds.append(float(np.max(m.sd)))
    return RegionFinder(edges, np.array(columns), tuple(tables)), counts, sds
