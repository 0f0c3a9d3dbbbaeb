"""Counts in the regions of public partitions, each a k-d tree over binned columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator import _params as check
from skdpflow.curator.statistics.block import Block, prepared
from skdpflow.curator.statistics.pairs import Binning
from skdpflow.latent.kdtree import KDTree
from skdpflow.release.implied import partition_shape
from skdpflow.release.sensitivity import of_ones


class Partitions:
    r"""Counts in the regions of :math:`k` partitions, per group of components.

    A partition is a public tree: each of its levels cuts all regions so far by one column, each region at a bin of its
    own. A record has one bin in each column, so it is on one side of every cut and ends in exactly one region of each
    partition, in the group of its own component: it changes :math:`k` counts by one, and the sensitivity is
    :math:`\sqrt k` when it is added or removed. When it is replaced, one count of each partition may fall and another
    rise: :math:`\sqrt{2k}`. Rows with a label outside the declared ones are in no region.

    Parameters
    ----------
    params : mapping
        The parameters of `Binning`; ``partition_columns`` (k, depth): positions in ``pair_columns``, one for each
        level; ``partition_cuts`` (k, 2**depth - 1): the last bin of the lower part of each region, level by level, see
        `KDTree`; ``groups`` (n_components,): the group of each component.

    Raises
    ------
    ValueError
        If the arrays do not fit each other, or ask for too many counts.
    """

    relative_scale = np.ones(1)

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = prepared(params)
        self._binning = Binning(params)
        check.component_count(params)
        self.shape: tuple[int, ...] = partition_shape(params)
        self._groups = np.array(params["groups"], dtype=np.int64)
        self._columns = np.array(params["partition_columns"], dtype=np.int64)
        self._cuts = np.array(params["partition_cuts"], dtype=np.int32)  # as narrow as the bins
        self.touched = len(self._columns)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        component = block.components(self._params)
        inside = component >= 0
        bins = self._binning.bins(block).T
        if not inside.all():
            bins, component = bins[:, inside], component[inside]
        n_groups, width = self.shape[0], self.shape[1] // self.touched
        group = self._groups[component] * width
        out = np.empty((n_groups, self.touched, width), dtype=np.int64)
        for i, (columns, cuts) in enumerate(zip(self._columns, self._cuts, strict=True)):
            at = KDTree(columns, cuts).find(bins)
            at += group
            out[:, i] = np.bincount(at, minlength=n_groups * width).reshape(n_groups, width)
        return out.reshape(self.shape)

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(self.touched, neighbours)
