"""The statistics: maps of one record to an integer vector of bounded L2 norm.

Every contribution is a function of that record alone (its codes, its class, its random rank) and of public
parameters. Sums over rows are exact integers. The sensitivity holds for whatever parameters a mechanism sends:
those on which it rests are checked when the statistic is made, before anything is spent.

Two sensitivities are stated for each: under ``"add-remove"`` (one row more or less) and ``"replace-one"`` (one row
exchanged for another, which may move it between classes, bins and components). Where the noise of some coordinates is
scaled by a public `relative_scale`, the sensitivity is that of the vector divided by it.
"""

from skdpflow.curator.statistics.block import Block, Statistic
from skdpflow.curator.statistics.counts import Counts, Histograms
from skdpflow.curator.statistics.locations import Bounds, Location
from skdpflow.curator.statistics.moments import ColumnMoments, Mean, SecondMoment
from skdpflow.curator.statistics.pairs import Pairs
from skdpflow.curator.statistics.partitions import Partitions
from skdpflow.curator.statistics.slices import Norms, SlicedHistograms

__all__ = ["STATISTICS", "Block", "Statistic"]

#: Kind of a `Request` to the class that answers it.
STATISTICS: dict[str, type[Statistic]] = {
    "counts": Counts,
    "histograms": Histograms,
    "column_moments": ColumnMoments,
    "mean": Mean,
    "second_moment": SecondMoment,
    "norms": Norms,
    "slices": SlicedHistograms,
    "bounds": Bounds,
    "location": Location,
    "pairs": Pairs,
    "partitions": Partitions,
}
