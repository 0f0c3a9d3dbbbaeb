"""Counts of rows, and histograms of single columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator import _params as check
from skdpflow.curator.statistics.block import Block, prepared
from skdpflow.latent.lookup import Bins
from skdpflow.release.sensitivity import of_ones


class Counts:
    r"""Rows per component.

    A record adds one to its component. If its label is not among the declared ones, it adds one to a further count, the
    last, if ``unlisted`` asks for it, and nothing otherwise. Adding or removing a row
    changes one count by one: sensitivity 1. Replacing a row can lower one count and raise another: :math:`\sqrt 2`.
    """

    relative_scale = np.ones(1)
    touched = 1

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = prepared(params)
        self._n_components = check.component_count(params)
        self.shape: tuple[int, ...] = (self._n_components + (params.get("unlisted") is True),)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        component = block.components(self._params)
        counted = np.bincount(np.where(component >= 0, component, self._n_components), minlength=self._n_components + 1)
        return counted[: self.shape[0]].astype(np.int64)

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(1, neighbours)


class Histograms:
    r"""Axis histograms of some columns, per component.

    Bins are ranges of codes, also of those that mean that a cell lies outside of its column. A cell has one code, so a
    record adds one to at most one bin of each of the :math:`d` columns, in its own component: a vector of at most
    :math:`d` ones, so adding or removing it changes the statistic by at most :math:`\sqrt d` in L2. Replacing a row
    is one removal and one addition; the two vectors have at most :math:`2d` ones in different places and cancel in
    common ones: :math:`\sqrt{2d}`, also when the row changes its component.
    """

    relative_scale = np.ones(1)

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = prepared(params)
        self._columns = check.columns(params)
        self._edges = check.split(check.integers(params["edges"], "edges", 2**53), params["edge_sizes"])
        for edges in self._edges:
            check.increasing(edges, "edges")
        self._bins = [Bins(edges) for edges in self._edges]
        self._offsets = np.cumsum([0, *(len(edges) - 1 for edges in self._edges)])
        self.touched = len(self._columns)
        self.shape: tuple[int, ...] = (check.component_count(params), int(self._offsets[-1]))

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        component = block.components(self._params) + 1  # rows without one are counted, too, and left out
        out = np.empty(self.shape, dtype=np.int64)
        for j, edges, bins, offset in zip(self._columns, self._edges, self._bins, self._offsets[:-1], strict=True):
            code = block.codes[:, j]
            n_bins = len(edges) - 1
            unit = n_bins == edges[-1] - edges[0]  # one bin a code
            place = np.clip(code - (edges[0] - 1), 0, n_bins + 1) if unit else bins.of(code)
            place += component * (n_bins + 2)
            found = np.bincount(place, minlength=(len(out) + 1) * (n_bins + 2)).reshape(len(out) + 1, -1)
            out[:, offset : offset + n_bins] = found[1:, 1:-1]
        return out

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(len(self._columns), neighbours)
