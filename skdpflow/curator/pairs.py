"""Two-way tables of pairs of columns, and their private selection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator.statistics import Block
from skdpflow.transport.latent import RankTransform

_ONE = np.ones(1)


def bin_rows(block: Block, params: Mapping[str, Any]) -> NDArray[np.int64]:
    """Bin of each row in each binned column, (n, len(columns)); -1 for an unknown category."""
    transform = RankTransform.from_params(params)
    edges = np.split(np.asarray(params["pair_edges"]), np.cumsum(params["pair_edge_sizes"])[:-1])
    out = np.empty((len(block.codes), len(edges)), dtype=np.int64)
    for i, (j, e) in enumerate(zip(params["pair_columns"], edges, strict=True)):
        code = block.codes[:, j]
        order = transform.orders[j]
        place = code if order is None else np.argsort(order)[np.maximum(code, 0)]
        out[:, i] = np.where(code >= 0, np.searchsorted(e, place, side="right"), -1)
    return out


class Pairs:
    r"""Two-way tables of :math:`k` pairs of binned columns, per leaf.

    A record adds one to at most one cell of each table: :math:`\sqrt k` when it is added or removed,
    :math:`\sqrt{2k}` when it is replaced, by the argument of `Histograms`.
    """

    relative_scale = _ONE

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self._pairs = np.asarray(params["pairs"], dtype=np.int64)  # positions in pair_columns
        bins = np.asarray(params["pair_edge_sizes"]) + 1
        self._shapes = [(int(bins[a]), int(bins[b])) for a, b in self._pairs]
        self.touched = len(self._pairs)
        self.shape: tuple[int, ...] = (int(params["n_leaves"]), sum(r * c for r, c in self._shapes))

    def contributions(self, block: Block) -> NDArray[np.int64]:
        bins = bin_rows(block, self._params)
        leaf = block.leaves(self._params)
        n_leaves = self.shape[0]
        out = []
        for (a, b), (rows, columns) in zip(self._pairs, self._shapes, strict=True):
            inside = (leaf >= 0) & (bins[:, a] >= 0) & (bins[:, b] >= 0)
            cell = (leaf * rows + bins[:, a]) * columns + bins[:, b]
            out.append(np.bincount(cell[inside], minlength=n_leaves * rows * columns).reshape(n_leaves, -1))
        return np.concatenate(out, axis=1).astype(np.int64)

    def sensitivity(self, neighbours: str) -> float:
        return float(np.sqrt((1.0 if neighbours == "add-remove" else 2.0) * len(self._pairs)))


class PairScores:
    r"""All two-way tables at once, for scoring; they never leave the curator.

    The score of a pair is the L1 distance between its table and a public prediction. A record adds one to at most one
    cell of a table, so a score changes by at most 1 when it is added or removed, by at most 2 when it is replaced.
    """

    relative_scale = _ONE
    touched = 0

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self._sizes = np.asarray(params["pair_edge_sizes"]) + 1
        self._offsets = np.concatenate([[0], np.cumsum(self._sizes)])
        width = int(self._offsets[-1])
        self.shape: tuple[int, ...] = (width, width)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        bins = bin_rows(block, self._params)
        leaf = block.leaves(self._params)
        hot = np.zeros((len(bins), self.shape[0]), dtype=np.float32)  # sums stay below 2**24: exact
        rows, columns = np.nonzero((bins >= 0) & (leaf >= 0)[:, None])
        hot[rows, self._offsets[columns] + bins[rows, columns]] = 1.0
        return (hot.T @ hot).astype(np.int64)

    def scores(self, table: NDArray[np.int64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
        """L1 distances of all pairs, (n_columns, n_columns)."""
        distance = np.add.reduceat(np.abs(table - predicted), self._offsets[:-1], axis=0)
        return np.add.reduceat(distance, self._offsets[:-1], axis=1)

    def sensitivity(self, neighbours: str) -> float:
        return 1.0 if neighbours == "add-remove" else 2.0
