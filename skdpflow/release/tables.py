"""What was counted of each column, pair and partition: parts of the flat arrays of a measurement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.release.measurement import Measurement

Array = NDArray[np.float64]


def split(params: Mapping[str, Any], name: str) -> list[NDArray[Any]]:
    """Undo the concatenation of arrays in parameters."""
    return np.split(params[name], np.cumsum(params[name.removesuffix("s") + "_sizes"])[:-1])


def histograms_of(m: Measurement) -> Iterator[tuple[int, NDArray[np.int64], Array]]:
    """Yield column, bin edges in codes, and counts (n_components, n_bins) of each histogram."""
    edges = split(m.params, "edges")
    cuts = np.cumsum([len(e) - 1 for e in edges])[:-1]
    counts = np.split(np.asarray(m.values, dtype=np.float64), cuts, axis=1)
    yield from zip(np.asarray(m.params["columns"]).tolist(), edges, counts, strict=True)


def locations_of(m: Measurement) -> Iterator[tuple[int, Array, Array]]:
    """Yield column, edges of bins, and their counts, of which the last one is that of cells without a value."""
    edges = split(m.params, "edges")
    counts = np.split(np.asarray(m.values, dtype=np.float64), np.cumsum([len(e) for e in edges])[:-1])
    yield from zip(np.asarray(m.params["columns"]).tolist(), edges, counts, strict=True)


def pairs_of(m: Measurement) -> Iterator[tuple[tuple[int, int], tuple[int, int], Array]]:
    """Yield places among the binned columns, shape, and entries (n_components, n_rows * n_columns) of each table."""
    sizes = np.asarray(m.params["pair_edge_sizes"]) + 1
    pairs = [(int(a), int(b)) for a, b in m.params["pairs"]]
    shapes = [(int(sizes[a]), int(sizes[b])) for a, b in pairs]
    cuts = np.cumsum([rows * columns for rows, columns in shapes])[:-1]
    yield from zip(pairs, shapes, np.split(np.asarray(m.values, dtype=np.float64), cuts, axis=1), strict=True)


def partitions_of(m: Measurement) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Array]]:
    """Yield columns (places among the binned ones) and cuts of each tree, and its counts (n_groups, n_regions)."""
    columns, cuts = m.params["partition_columns"], m.params["partition_cuts"]
    counts = np.split(np.asarray(m.values, dtype=np.float64), len(columns), axis=1)
    yield from zip(columns, cuts, counts, strict=True)
