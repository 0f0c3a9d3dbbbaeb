"""Histograms of latent vectors: of their projections, and of their lengths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator import _params as check
from skdpflow.curator.statistics.block import Block, parted, prepared
from skdpflow.latent.lookup import counts_between
from skdpflow.release.sensitivity import of_ones

#: Directions that are worked on together: with all of a request, memory for a row would have no bound.
_DIRECTIONS = 2**7


class SlicedHistograms:
    r"""Histograms of integer projections of the latent vectors along :math:`k` directions, per component.

    Scores and directions are integers, so the projections are exact in float64 arithmetic and the bins compare
    integers. A record adds one to exactly one bin of each direction in its own component: :math:`\sqrt k` when it is
    added or removed, :math:`\sqrt{2k}` when it is replaced, by the argument of `Histograms`, whatever the directions
    are.
    """

    relative_scale = np.ones(1)

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = prepared(params)
        n_columns = check.latent_columns(params)
        directions = check.exact_directions(params["directions"], "directions", n_columns)  # (n_components or 1, d, k)
        self._directions = directions.astype(np.float64)
        edges = check.integers(params["slice_edges"], "slice_edges", 2**53)  # (n_components, k, bins - 1)
        self._edges = check.increasing(edges, "slice_edges", ties=True)
        n_components, self.touched, inner = self._edges.shape
        if n_components != check.component_count(params):
            raise ValueError("The parameter 'slice_edges' of a statistic must have edges for each component.")
        self.shape: tuple[int, ...] = (n_components, self.touched, inner + 1)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        z = block.latent(self._params).astype(np.float64)
        component = block.components(self._params)
        out = np.zeros(self.shape, dtype=np.int64)
        for c, rows in enumerate(parted(z, component, len(out))):
            directions = self._directions[min(c, len(self._directions) - 1)]
            for start in range(0, self.touched, _DIRECTIONS):
                some = slice(start, start + _DIRECTIONS)
                projected = (rows @ directions[:, some]).T
                out[c, some] = [counts_between(p, own) for p, own in zip(projected, self._edges[c, some], strict=True)]
        return out

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(self.shape[1], neighbours)


class Norms:
    r"""Histogram of the squared lengths of the latent vectors in lattice units, per component.

    A squared length is an exact integer. A record adds one to at most one bin, in its own component: sensitivity 1 when
    it is added or removed, :math:`\sqrt 2` when it is replaced.
    """

    relative_scale = np.ones(1)
    touched = 1

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = prepared(params)
        check.latent_columns(params)
        self._edges = check.increasing(check.integers(params["norm_edges"], "norm_edges", 2**53), "norm_edges")
        self.shape: tuple[int, ...] = (check.component_count(params), len(self._edges) + 1)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        z = block.latent(self._params).astype(np.int64)
        component = block.components(self._params)
        flat = component * self.shape[1] + np.searchsorted(self._edges, np.einsum("ij,ij->i", z, z), side="right")
        return np.bincount(flat[component >= 0], minlength=self.shape[0] * self.shape[1]).reshape(self.shape)

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(1, neighbours)
