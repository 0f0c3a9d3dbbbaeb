"""Counts in the regions of public partitions, each a k-d tree over binned columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator import _params as check
from skdpflow.curator.statistics.block import Block
from skdpflow.curator.statistics.pairs import MAX_ENTRIES, Binning
from skdpflow.latent.kdtree import KDTree
from skdpflow.release.implied import MAX_DEPTH
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
        self._params = params
        self._binning = Binning(params)
        columns = check.integers(params["partition_columns"], "partition_columns", 2**31)
        if (
            columns.ndim != 2
            or not columns.size
            or columns.shape[1] > MAX_DEPTH
            or not ((columns >= 0) & (columns < len(self._binning.sizes))).all()
        ):
            raise ValueError(
                "The parameter 'partition_columns' of a statistic must hold, for each partition, positions in "
                f"'pair_columns', one for each of its levels, which are at most {MAX_DEPTH}."
            )
        k, depth = columns.shape
        cuts = check.integers(params["partition_cuts"], "partition_cuts", MAX_ENTRIES)
        if cuts.shape != (k, 2**depth - 1) or (cuts < 0).any():
            raise ValueError(
                "The parameter 'partition_cuts' of a statistic must hold, for each partition, a bin from 0 for each of "
                f"the {2**depth - 1} regions that its {depth} levels cut."
            )
        groups = check.integers(params["groups"], "groups", 2**20)
        if groups.shape != (check.component_count(params),) or (groups < 0).any():
            raise ValueError("The parameter 'groups' of a statistic must hold one group per component, from 0.")
        self._groups = groups
        self._trees = [KDTree(own, at.astype(np.int32)) for own, at in zip(columns, cuts, strict=True)]
        self.shape: tuple[int, ...] = (int(groups.max()) + 1, k << depth)
        if self.shape[0] * self.shape[1] > MAX_ENTRIES:
            raise ValueError(
                f"The partitions of this statistic have {self.shape[0] * self.shape[1]} regions in all groups; at most "
                f"{MAX_ENTRIES} are counted. Ask for fewer partitions or coarser ones."
            )
        self.touched = k

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        component = block.components(self._params)
        inside = component >= 0
        bins = self._binning.bins(block).T
        if not inside.all():
            bins, component = bins[:, inside], component[inside]
        n_groups, width = self.shape[0], self.shape[1] // len(self._trees)
        group = self._groups[component] * width
        out = np.empty((n_groups, len(self._trees), width), dtype=np.int64)
        for i, tree in enumerate(self._trees):
            at = tree.find(bins)
            at += group
            out[:, i] = np.bincount(at, minlength=n_groups * width).reshape(n_groups, width)
        return out.reshape(self.shape)

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(self.touched, neighbours)
