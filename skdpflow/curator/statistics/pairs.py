"""Two-way tables of pairs of columns, and what their private selection is made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator import _params as check
from skdpflow.curator.statistics.block import Block, prepared
from skdpflow.latent.crosstabs import CrossTables
from skdpflow.latent.lookup import Bins
from skdpflow.latent.rank import RankTransform
from skdpflow.release.sensitivity import of_ones, of_score

#: Most entries of all two-way tables of all components that are made at once: 2**12 bins of one component's columns.
MAX_SCORED_ENTRIES = 2**24
#: Most integers that a request for two-way tables may ask for.
MAX_ENTRIES = 2**26
#: Largest predicted count: sums over `MAX_SCORED_ENTRIES` stay below 2**61.
_LARGEST = 2.0**36


class Binning:
    """Cuts some columns into bins: the bin of an entry depends on that entry and on public parameters alone.

    Parameters
    ----------
    params : mapping
        ``pair_columns`` (columns, any number), ``pair_edges`` and ``pair_edge_sizes`` (inner edges of each of them, in
        one flat array; a column without edges has one bin), and the orders of `RankTransform.to_params`.

    Attributes
    ----------
    sizes : ndarray of int64
        Number of bins of each column.

    Raises
    ------
    ValueError
        If the columns are no column numbers, or the edges of one do not increase.

    See Also
    --------
    Pairs : Tables of chosen pairs.
    PairScores : All tables, for choosing.

    Notes
    -----
    Entries are cut where the latent transform places them: numbers by their codes, unordered categories by their ranks
    in the released order, and what lies outside of its column where `RankTransform.placed` says. A search among
    increasing edges always ends in one of the bins, so every row has a bin of every column, and none can raise an
    error.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        check.latent_columns(params)
        transform = RankTransform.from_params(params)
        self._columns = check.integers(params["pair_columns"], "pair_columns", 2**31)
        if self._columns.ndim != 1 or not ((self._columns >= 0) & (self._columns < transform.n_columns)).all():
            raise ValueError("The parameter 'pair_columns' of a statistic must hold numbers of columns.")
        check.each_once(self._columns, "pair_columns")
        sizes = check.integers(params["pair_edge_sizes"], "pair_edge_sizes", MAX_ENTRIES)
        edges = np.asarray(params["pair_edges"])
        if sizes.shape != self._columns.shape or (sizes < 0).any() or edges.shape != (sizes.sum(),):
            raise ValueError(
                "The parameter 'pair_edge_sizes' of a statistic must hold the number of edges of each column."
            )
        self.sizes = sizes + 1
        self._bins = [Bins(check.increasing(e, "pair_edges")) for e in np.split(edges, np.cumsum(sizes)[:-1])]
        self._transform = transform

    def bins(self, block: Block) -> NDArray[np.int32]:
        """Bins of the rows of a block, column by column in memory."""
        places = block.places(self._transform)
        out = np.empty((len(places), len(self.sizes)), dtype=np.int32, order="F")
        for i, (j, bins) in enumerate(zip(self._columns, self._bins, strict=True)):
            out[:, i] = bins.of(places[:, j])
        return out


class Pairs:
    r"""Two-way tables of :math:`k` pairs of binned columns, per component.

    A record adds one to at most one entry of each table, in its own component: :math:`\sqrt k` when it is added or
    removed, :math:`\sqrt{2k}` when it is replaced, by the argument of `Histograms`. A pair that is asked for twice
    counts twice. Rows with a label outside the declared ones are in no entry.
    """

    relative_scale = np.ones(1)

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = prepared(params)
        self._binning = Binning(params)
        sizes = self._binning.sizes
        pairs = check.integers(params["pairs"], "pairs", 2**31)  # positions in pair_columns
        if (
            pairs.ndim != 2
            or pairs.shape[1:] != (2,)
            or not len(pairs)
            or not ((pairs >= 0) & (pairs < len(sizes))).all()
            or (pairs[:, 0] == pairs[:, 1]).any()
        ):
            raise ValueError(
                "The parameter 'pairs' of a statistic must hold one or more pairs of different positions in "
                "'pair_columns'."
            )
        self._pairs = pairs
        self._shapes = [(int(sizes[a]), int(sizes[b])) for a, b in pairs]
        n_components, width = check.component_count(params), sum(rows * columns for rows, columns in self._shapes)
        if n_components * width > MAX_ENTRIES:
            raise ValueError(
                f"Two-way tables of this statistic would have {n_components * width} entries; at most {MAX_ENTRIES} "
                "are counted. Ask for fewer pairs or coarser bins."
            )
        self.touched = len(pairs)
        self.shape: tuple[int, ...] = (n_components, width)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        bins = self._binning.bins(block)
        component = block.components(self._params)
        n_components, inside = self.shape[0], component >= 0
        out = []
        for (a, b), (rows, columns) in zip(self._pairs, self._shapes, strict=True):
            entry = (component * rows + bins[:, a]) * columns + bins[:, b]
            found = np.bincount(entry[inside], minlength=n_components * rows * columns)
            out.append(found.reshape(n_components, -1))
        return np.concatenate(out, axis=1).astype(np.int64)

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(len(self._pairs), neighbours)


class PairScores:
    r"""All two-way tables of each component, for scoring; they never leave the curator.

    The score of a pair is :math:`\|h - e\|_1 - b` with its tables :math:`h` of all components, a public prediction
    :math:`e` and a public number :math:`b`.
    Since :math:`|\|h - e\|_1 - \|h' - e\|_1| \le \|h - h'\|_1`, and a record adds
    one to at most one entry of one component's table, a score changes by at most 1 when a row is added or removed, by
    at most 2 when it is replaced.
    Predictions are rounded to integers here, so that scores are exact integers and these bounds hold to the bit.

    `pairs` are the candidates, in the order of `scores`, and `k` is how many of them are wanted.
    """

    relative_scale = np.ones(1)
    touched = 0

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = prepared(params)
        self._binning = Binning(params)
        components = check.component_count(params)
        sizes = self._binning.sizes
        n, width = len(sizes), int(sizes.sum())
        if n < 2 or components * width**2 > MAX_SCORED_ENTRIES:
            raise ValueError(
                f"This statistic scores the pairs of 2 or more columns in at most {MAX_SCORED_ENTRIES} entries. Got "
                f"{n} columns with {width} bins in {components} components. Use coarser bins, fewer columns or fewer "
                "components."
            )
        self._tables = CrossTables(sizes)
        self.pairs = self._tables.pairs
        self.shape: tuple[int, ...] = (components, self._tables.n_entries)
        self._predicted = _rounded(params, "predicted", self.shape)
        self._baseline = _rounded(params, "baseline", (len(self.pairs),))
        self.k = check.whole(params, "k", len(self.pairs))

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        return self._tables.count(self._binning.bins(block), block.components(self._params), self.shape[0])

    def scores(self, table: NDArray[np.int64]) -> NDArray[np.int64]:
        """Scores of the candidates."""
        return self._tables.distances(table, self._predicted) - self._baseline

    def sensitivity(self, neighbours: str) -> float:
        """Return the largest change of a score under a neighbouring relation."""
        return of_score(neighbours)


def _rounded(params: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return numbers of moderate size as integers; small ones that are given as such stay small."""
    values = np.asarray(params[name])
    if values.shape == shape and values.dtype == np.int32:
        return values
    values = values.astype(np.float64)
    if values.shape != shape or not (np.abs(values) <= _LARGEST).all():
        raise ValueError(
            f"The parameter {name!r} of a statistic must have shape {shape} and hold numbers within {_LARGEST:g}."
        )
    return np.rint(values).astype(np.int64)
