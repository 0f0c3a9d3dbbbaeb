"""Counts in the regions of public partitions, each of a few binned columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator import _params as check
from skdpflow.curator.statistics.block import Block
from skdpflow.curator.statistics.pairs import MAX_ENTRIES, Binning
from skdpflow.release.sensitivity import of_ones


class Partitions:
    r"""Counts in the regions of :math:`k` partitions, per group of components.

    A partition cuts the table of the bins of a few columns into regions: each bin combination has the number of its
    region in a public array. A record falls into at most one region of each partition, in the group of its own
    component: it changes :math:`k` counts by one, so the sensitivity is :math:`\sqrt k` when it is added or removed.
    When it is replaced, one count of each partition may fall and another rise: :math:`\sqrt{2k}`. Rows with a label
    outside the declared ones are in no region.

    Parameters
    ----------
    params : mapping
        The parameters of `Binning`; ``partition_columns`` (k, w): positions in ``pair_columns``;
        ``partition_regions``: for each partition the regions of its bin combinations in C order, one after the other;
        ``groups`` (n_components,): the group of each component.

    Raises
    ------
    ValueError
        If the arrays do not fit each other, or ask for too many counts.
    """

    relative_scale = np.ones(1)

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self._binning = Binning(params)
        sizes = self._binning.sizes
        self._columns = check.integers(params["partition_columns"], "partition_columns", 2**31)
        if (
            self._columns.ndim != 2
            or not self._columns.size
            or not ((self._columns >= 0) & (self._columns < len(sizes))).all()
        ):
            raise ValueError(
                "The parameter 'partition_columns' of a statistic must hold, for each partition, positions in "
                "'pair_columns'."
            )
        self._shapes = [tuple(int(n) for n in sizes[own]) for own in self._columns]
        regions = check.integers(params["partition_regions"], "partition_regions", MAX_ENTRIES)
        if regions.ndim != 1 or (regions < 0).any():
            raise ValueError("The parameter 'partition_regions' of a statistic must be flat and not negative.")
        self._regions = check.split(regions, [int(np.prod(shape, dtype=object)) for shape in self._shapes])
        groups = check.integers(params["groups"], "groups", 2**20)
        if groups.shape != (check.component_count(params),) or (groups < 0).any():
            raise ValueError("The parameter 'groups' of a statistic must hold one group per component, from 0.")
        self._groups, self._regions = groups, [own.astype(np.int32) for own in self._regions]
        self._starts = np.cumsum([0, *(int(own.max()) + 1 for own in self._regions)])
        self.shape: tuple[int, ...] = (int(groups.max()) + 1, int(self._starts[-1]))
        if self.shape[0] * self.shape[1] > MAX_ENTRIES:
            raise ValueError(
                f"The partitions of this statistic have {self.shape[0] * self.shape[1]} regions in all groups; at most "
                f"{MAX_ENTRIES} are counted. Ask for fewer partitions or coarser ones."
            )
        self.touched = len(self._columns)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        component = block.components(self._params)
        inside = component >= 0
        columns = self._binning.bins(block).T  # combinations of bins and regions are fewer than 2**31
        if not inside.all():
            columns, component = columns[:, inside], component[inside]
        group = self._groups[component]
        out = np.empty(self.shape, dtype=np.int64)
        ends = zip(self._starts[:-1], self._starts[1:], strict=True)
        for own, shape, regions, (start, stop) in zip(self._columns, self._shapes, self._regions, ends, strict=True):
            at = columns[own[0]].copy()
            for j, n_bins in zip(own[1:], shape[1:], strict=True):
                at *= n_bins
                at += columns[j]
            at = regions.take(at) + group * (stop - start)
            out[:, start:stop] = np.bincount(at, minlength=len(out) * (stop - start)).reshape(len(out), -1)
        return out

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(self.touched, neighbours)
