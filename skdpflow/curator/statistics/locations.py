"""Counts of raw numbers between edges, which locate the mass of a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator import _params as check
from skdpflow.curator.statistics.block import Block
from skdpflow.latent.lookup import counts_between
from skdpflow.release.sensitivity import of_ones


class Bounds:
    r"""Counts of each raw column on a public grid of magnitudes, for finding bounds.

    A record adds one to one bin of each of the :math:`d` columns: :math:`\sqrt d` when it is added or removed,
    :math:`\sqrt{2d}` when it is replaced. The grid is public, so no threshold event is needed.
    """

    relative_scale = np.ones(1)

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._grid = check.increasing(np.asarray(params["grid"]), "grid")
        self.touched = check.whole(params, "n_columns", 2**20)
        self.shape: tuple[int, ...] = (self.touched, len(self._grid) + 1)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        assert block.raw is not None
        if block.codes.shape[1] != self.shape[0]:
            raise ValueError("The parameter 'n_columns' of this statistic must be the number of columns of X.")
        raw = block.raw(range(self.shape[0]))
        return np.array([counts_between(x, self._grid) for x in raw.T])  # NaN is sorted behind all numbers

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(self.shape[0], neighbours)


class Location:
    r"""Counts of numeric columns in bins between public or released edges, of all rows together.

    Numbers are compared as they are, so the bin of a number depends on that number alone. A cell that is missing,
    unreadable or outside of its column adds one to a last count. So a record adds one to exactly one count of
    each of the :math:`d` columns: :math:`\sqrt d` when it is added or removed, :math:`\sqrt{2d}` when it is
    replaced, by the argument of `Histograms`, whatever the edges are.
    """

    relative_scale = np.ones(1)

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._columns = check.columns(params)
        self._edges = check.split(np.asarray(params["edges"], dtype=np.float64), params["edge_sizes"])
        if len(self._edges) != len(self._columns) or sorted(set(self._columns)) != self._columns:
            raise ValueError(
                "The parameters of a statistic of locations must have increasing columns, and edges for each."
            )
        for edges in self._edges:
            if len(check.increasing(edges, "edges")) < 2:
                raise ValueError("The parameter 'edges' of a statistic of locations must hold two edges per column.")
        self.touched = len(self._columns)
        self.shape: tuple[int, ...] = (sum(len(edges) for edges in self._edges),)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        assert block.raw is not None
        out: list[NDArray[np.int64]] = []
        for j, edges, x in zip(self._columns, self._edges, block.raw(self._columns).T, strict=True):
            missing = block.no_value(j) | np.isnan(x)
            n_missing = int(np.count_nonzero(missing))
            # what is beyond the first or the last edge, as bounds of single precision may be, counts as next to it
            out += [counts_between(x[~missing] if n_missing else x, edges[1:-1]), np.array([n_missing])]
        return np.concatenate(out)

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(len(self._columns), neighbours)
