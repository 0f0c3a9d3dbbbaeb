"""Two-way tables: how columns are binned, what the model predicts, and the tables as targets of the flow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Column
from skdpflow.latent.crosstabs import CrossTables
from skdpflow.latent.rank import RankTransform
from skdpflow.release import Measurement
from skdpflow.release.tables import pairs_of, split
from skdpflow.transport.pairs import PairTarget, coarse_edges, latent_edges, predicted_tables

Array = NDArray[np.float64]


def pair_bins(transform: RankTransform, edges: Sequence[Array], max_bins: int) -> dict[str, Any]:
    """Bins of each column for two-way tables."""
    inner = [coarse_edges(transform, j, e, max_bins) for j, e in enumerate(edges)]
    return {
        "pair_columns": np.arange(len(edges)),
        "pair_edges": np.concatenate(inner),
        "pair_edge_sizes": np.array([len(e) for e in inner]),
    }


def orient(pairs: NDArray[np.int64], bins: Mapping[str, Any]) -> NDArray[np.int64]:
    """Put the column with fewer bins first: it is the one that is conditioned on."""
    sizes = np.asarray(bins["pair_edge_sizes"])
    swap = sizes[pairs[:, 0]] > sizes[pairs[:, 1]]
    return np.where(swap[:, None], pairs[:, ::-1], pairs)


def predictions(
    particles: Iterable[Array], weights: Array, transform: RankTransform, bins: Mapping[str, Any], noise: float
) -> dict[str, Any]:
    """Two-way tables that the model predicts, as integers, and the distances to be expected if it were right.

    Each entry varies by the rows, which are a sample, by the noise, and by the particles, which are a sample, too.
    """
    edges = [latent_edges(transform, j, e) for j, e in enumerate(split(bins, "pair_edges"))]
    tables = CrossTables(np.array([len(e) + 1 for e in edges]))
    found, spread = [], np.zeros(tables.n_entries)
    for predicted, weight in zip(predicted_tables(particles, weights, edges, tables), weights, strict=True):
        spread += np.sqrt(2.0 / np.pi * ((1.0 + weight) * predicted + noise**2))
        small = bool(predicted.max() < 2.0**31 - 1.0)
        found.append(np.rint(predicted).astype(np.int32) if small else predicted)
    return {"predicted": np.array(found), "baseline": tables.per_pair(spread)}


def pair_targets(m: Measurement, transform: RankTransform, columns: Sequence[Column]) -> list[PairTarget]:
    """Two-way tables of each component as targets of its flow."""
    edges = [latent_edges(transform, j, e) for j, e in enumerate(split(m.params, "pair_edges"))]
    sd, tables = float(np.max(m.sd)), list(pairs_of(m))
    return [
        PairTarget(
            component,
            a,
            b,
            edges[a],
            edges[b],
            entries[component].reshape(shape),
            sd,
            columns[b].ordered,
        )
        for component in range(len(m.values))
        for (a, b), shape, entries in tables
    ]
