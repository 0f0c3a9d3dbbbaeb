"""Structural zeros of measured two-way tables, and the model without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Column
from skdpflow.latent.kdtree import cells, grid
from skdpflow.latent.rank import RankTransform
from skdpflow.release import Measurement
from skdpflow.release.tables import pairs_of, split
from skdpflow.transport.pairs import PairTarget, latent_edges
from skdpflow.transport.tilt import RegionFinder
from skdpflow.transport.zeros import Mask, deviations_for, empty_entries, n_blocks

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TablesWithZeros:
    """Two-way tables of which some entries are empty, as partitions whose regions are the entries.

    Parameters
    ----------
    pairs : list of tuple of int
        Columns of each table.
    regions : RegionFinder
        Finds the entries of points.
    counts : list of ndarray of shape (n_groups, n_entries)
        Noisy counts of each table.
    sd : float
        Standard deviation of the noise of a count.
    empty : list of ndarray of bool, of shape (n_groups, n_entries)
        Which entries are empty.
    """

    pairs: list[tuple[int, int]]
    regions: RegionFinder
    counts: list[Array]
    sd: float
    empty: list[Mask]

    def among(self, targets: Sequence[PairTarget], groups: NDArray[np.int64]) -> list[PairTarget]:
        """Return the tables of components that have empty entries."""
        found = {
            (*pair, group)
            for pair, empty in zip(self.pairs, self.empty, strict=True)
            for group in np.flatnonzero(empty.any(axis=1)).tolist()
        }
        return [t for t in targets if (t.given, t.moved, int(groups[t.component])) in found]


def tables_with_zeros(
    measured: Sequence[Measurement],
    transform: RankTransform,
    columns: Sequence[Column],
    particles: Sequence[Array],
    sizes: Array,
    groups: NDArray[np.int64],
) -> Iterator[TablesWithZeros]:
    """Yield of each measurement the tables that have empty entries beside the model that the particles show."""
    ordered = [column.ordered for column in columns]
    n_groups, in_group = int(groups.max()) + 1, np.bincount(groups)
    judged = [(shape, (ordered[a], ordered[b])) for m in measured for (a, b), shape, _ in pairs_of(m)]
    # each group is judged, and all of them together
    deviations = deviations_for((n_groups + 1) * sum(n_blocks(*own) for own in judged)) if judged else 0.0
    for m in measured:
        edges = tuple(latent_edges(transform, j, e) for j, e in enumerate(split(m.params, "pair_edges")))
        tables, sd = list(pairs_of(m)), float(np.max(m.sd))
        regions = RegionFinder(edges, tuple(grid(pair, shape) for pair, shape, _ in tables))
        expected = [np.zeros((n_groups, tree.n_regions)) for tree in regions.trees]
        for z, size, group in zip(particles, sizes, groups, strict=True):
            for e, own in zip(expected, regions.find(z), strict=True):
                e[group] += np.bincount(own, minlength=e.shape[1]) * (size / len(z))
        chosen, counts, empty = [], [], []
        for t, ((a, b), shape, entries) in enumerate(tables):
            h = np.array([entries[groups == g].sum(axis=0) for g in range(n_groups)])
            kind, places = (ordered[a], ordered[b]), cells(shape)
            e = expected[t][:, places]
            found = [
                empty_entries(own.reshape(shape), model.reshape(shape), sd * np.sqrt(n), kind, deviations).ravel()
                for own, model, n in zip(
                    [*h, h.sum(axis=0)], [*e, e.sum(axis=0)], [*in_group, len(groups)], strict=True
                )
            ]
            zeros = np.array(found[:-1]) | found[-1]
            if zeros.any():
                chosen.append(t)
                counts.append(np.zeros_like(expected[t]))
                empty.append(np.zeros(expected[t].shape, dtype=np.bool_))
                counts[-1][:, places], empty[-1][:, places] = h, zeros
        if chosen:
            some = RegionFinder(edges, tuple(regions.trees[t] for t in chosen))
            pairs = [tables[t][0] for t in chosen]
            yield TablesWithZeros(pairs, some, counts, sd * float(np.sqrt(in_group.max())), empty)
