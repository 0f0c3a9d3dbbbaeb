"""A factorial table: counts of rows by coarse bins of many columns at once, which shows what no few columns do.

It is one partition, whose regions are its cells. A row is in at most one cell, in the group of its own component. So
its sensitivity is 1 when a row is added or removed, and sqrt(2) when one is replaced, however many cells there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.latent.kdtree import KDTree, bits_of, grid
from skdpflow.latent.rank import RankTransform
from skdpflow.mechanisms.marginals.allocation import groups_of
from skdpflow.mechanisms.marginals.state import of_kind
from skdpflow.release import Measurement, Release
from skdpflow.release.tables import partitions_of, split
from skdpflow.transport.pairs import latent_edges
from skdpflow.transport.parities import ParityFinder, standing_out

Array = NDArray[np.float64]

#: Name of the measurement.
FACTORIAL = "factorial"
#: Most bits for the bins of one column.
COLUMN_BITS = 3


def partitions_measured(release: Release) -> tuple[list[Measurement], list[Measurement]]:
    """Return the partitions of a Release that were grown, and its factorial tables."""
    every = of_kind(release, "partitions")
    return [m for m in every if m.name != FACTORIAL], [m for m in every if m.name == FACTORIAL]


def quantile_edges(transform: RankTransform, j: int, n_bins: int) -> Array:
    """Cut a column into bins of nearly equal mass, between values: a parity of many columns needs exact medians."""
    edges, cdf = transform.edges[j], transform.cdf[j]
    at = np.interp(np.arange(1, n_bins) / n_bins, cdf, edges)
    below, above = np.floor(at), np.ceil(at)
    for low, high in transform.spreads[j]:  # inside, only the rank says where a row is
        inside = (low < at) & (at < high)
        below[inside], above[inside] = low, high
    level = [np.interp(side, edges, cdf) for side in (below, above)]
    wanted = np.arange(1, n_bins) / n_bins
    lower = (wanted - level[0] < level[1] - wanted) & (below > edges[0]) | (above >= edges[-1])
    found = np.unique(np.where(lower, below, above))
    return np.asarray(found[(found > edges[0]) & (found < edges[-1])])


def factorial_params(
    means: Array, sizes: Array, transform: RankTransform, n_bits: int, *, ordered: bool
) -> dict[str, Any]:
    """Say how rows are counted: by at most `n_bits` bits, one for each column, and then a second and a third one.

    Notes
    -----
    Where columns are more than bits, those are taken whose means differ most between the components. Classes are
    counted apart; a numeric target is one of the columns.
    """
    weights = sizes / sizes.sum()
    between = weights @ (means - weights @ means) ** 2
    columns = np.sort(np.argsort(-between, kind="stable")[:n_bits])
    taken = [quantile_edges(transform, j, 2) for j in columns]
    for b in range(2, COLUMN_BITS + 1):
        for i, j in enumerate(columns):
            e = quantile_edges(transform, j, 2**b)
            if sum(bits_of(len(t) + 1) for k, t in enumerate(taken) if k != i) + bits_of(len(e) + 1) <= n_bits:
                taken[i] = e
    tree = grid(range(len(columns)), [len(e) + 1 for e in taken])
    return {
        "pair_columns": columns,
        "pair_edges": np.concatenate(taken),
        "pair_edge_sizes": np.array([len(e) for e in taken]),
        "partition_columns": tree.columns[None],
        "partition_cuts": tree.cuts[None],
        "groups": groups_of(len(sizes), ordered=ordered),
    }


def found_parities(
    m: Measurement, transform: RankTransform, particles: Sequence[Array], sizes: Array, groups: NDArray[np.int64]
) -> tuple[ParityFinder, list[Array]]:
    """Return the parities of a factorial table that stand out of its noise beside the model, and their rows."""
    columns = np.asarray(m.params["pair_columns"])
    edges = tuple(
        latent_edges(transform, int(j), e) for j, e in zip(columns, split(m.params, "pair_edges"), strict=True)
    )
    ((own, cuts, counts),) = partitions_of(m)
    finder = ParityFinder(columns, edges, KDTree(own, cuts), np.zeros(0, dtype=np.int64))
    expected = np.zeros_like(counts)
    sampling = np.zeros(len(counts))
    for z, size, group in zip(particles, sizes, groups, strict=True):
        expected[group] += np.bincount(finder.cells(z), minlength=counts.shape[1]) * (size / len(z))
        sampling[group] += size**2 / len(z)
    chosen, rows = standing_out(counts, expected, float(np.max(m.sd)), sampling)
    return replace(finder, chosen=chosen), rows
