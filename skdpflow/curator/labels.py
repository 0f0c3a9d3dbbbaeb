r"""Class labels, and levels of columns, found privately: noisy counts of those present, published above a threshold.

Let :math:`f` columns be searched (one, if it is the target), with :math:`\delta'` for all of them. Every row adds one
to the count of at most one level of each column, since a missing cell has no level and no cell has two.

*Levels that both neighbours have.* Their counts differ by a vector of at most :math:`f` ones (add-remove) or
:math:`2 f` ones (replace-one: the old row leaves at most one level of each column and the new one enters at most one).
Its L2 norm is at most :math:`\sqrt f` or :math:`\sqrt{2 f}`, for which the noise is.

*Levels that only one of them has.* Such a level has the count 1 there, of the row in which the tables differ. It is
published if :math:`1 + \mathrm{rint}(N(0, s^2)) \ge T`. With :math:`T = 1 + \lceil s\,\Phi^{-1}(1 - \delta_1) +
1/2\rceil` that has probability at most :math:`\delta_1`. One row holds one level of each column, so there are at most
:math:`f` such levels under add-remove, and :math:`2 f` under replace-one, where each table may have its own. So
:math:`\delta_1` is :math:`\delta' / f` or :math:`\delta' / (2 f)`, and with probability at least
:math:`1 - \delta'` none of them is published. If so, what is published has the distribution of the Gaussian mechanism
on the levels that both have, cut off at :math:`T`, which is post-processing. Hence the event: the Gaussian one, and
:math:`\delta'`.

*What is published.* The levels that pass, and their noisy counts: nothing about the others, not even how many there
are. Noise is drawn for levels that are present only, which is what the threshold pays for.

*Floating-point arithmetic.* At most :math:`2 f` counts have another distribution in one of the tables, under either
relation, with those that only one of them has. So many are charged to the slack, see
`skdpflow.curator.curator.Curator`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skdpflow.accountants import ComposedEvent, ThresholdEvent
from skdpflow.curator.cells import RawCells, plain_label
from skdpflow.curator.dtypes import CellType
from skdpflow.curator.parts import Ranks
from skdpflow.curator.source import RowSource
from skdpflow.domain import Categories, Column
from skdpflow.release import Measurement
from skdpflow.release.discovery import threshold_of
from skdpflow.release.sensitivity import of_ones

if TYPE_CHECKING:
    from skdpflow.curator.curator import Curator

#: Most distinct labels that count as classes. Of more labels, only the most frequent could pass the threshold.
MAX_LABELS = 1000


def find_labels(
    source: RowSource, curator: Curator, neighbours: str, share: float, delta: float, most: int = MAX_LABELS
) -> tuple[list[Any], Measurement]:
    """Find the class labels that occur often enough."""
    (labels,), measured = _find(source, curator, neighbours, "labels", [None], share, delta, most)
    return labels, measured


def find_levels(
    source: RowSource,
    curator: Curator,
    neighbours: str,
    columns: Sequence[int],
    share: float,
    delta: float,
    most: int = MAX_LABELS,
) -> tuple[list[list[Any]], Measurement]:
    """Find the levels of columns that occur often enough."""
    return _find(source, curator, neighbours, "levels", columns, share, delta, most)


def with_levels(column: Categories, levels: Sequence[Any], found: CellType) -> Categories:
    """Return a column with the levels that were found; with one that stands for all, if there are none."""
    kind = "object" if found.of_list else found.kind  # no row may decide it
    made_up = {"text": "other", "object": "other", "bool": False}.get(kind, 0)
    return column.listing(levels or [made_up if column.other is None else column.other])


def _find(
    source: RowSource,
    curator: Curator,
    neighbours: str,
    name: str,
    columns: Sequence[int | None],
    share: float,
    delta: float,
    most: int,
) -> tuple[list[list[Any]], Measurement]:
    """Count, add noise, and keep what passes; columns are those of the table, or None for the target."""
    f = len(columns)
    sensitivity = of_ones(f, neighbours)
    gaussian = curator.event(share)
    event = ComposedEvent((gaussian, ThresholdEvent(delta)))
    curator.filter.debit(event, name)
    scale = sensitivity * gaussian.noise_multiplier
    threshold = threshold_of(scale, delta, f, neighbours)

    source.progress.begin([name])
    counts = source.answer(Levels(columns), 0)  # no ranks are asked for
    # an order that does not depend on the rows
    present = [sorted(own, key=lambda level: (isinstance(level, str), level)) for own in counts]
    exact = [own[level] for own, levels in zip(counts, present, strict=True) for level in levels]
    noisy = np.array(exact, dtype=np.int64)
    noisy = noisy + curator.draw(scale, noisy.shape, differing=2 * f)
    found, values = [], []
    for levels, own in zip(present, np.split(noisy, np.cumsum([len(levels) for levels in present])[:-1]), strict=True):
        passed = np.flatnonzero(own >= threshold)
        if passed.size > most:
            passed = np.sort(passed[np.argsort(-own[passed], kind="stable")[:most]])
        found.append([levels[i] for i in passed])
        values.append(own[passed])
    what = {"labels": found[0]} if columns[0] is None else {"columns": list(columns), "levels": found}
    params = {**what, "threshold": threshold}
    return found, Measurement(name, name, params, np.concatenate(values), np.array([scale]), sensitivity, event)


class Levels:
    """A query for the levels of columns, the target as None, and how often each occurs."""

    def __init__(self, columns: Sequence[int | None]) -> None:
        self._columns = tuple(columns)

    def answer(self, rows: RowSource, start: int, stop: int, ranks: Ranks) -> list[Counter[Any]]:
        """Count the levels of a block."""
        declared: Sequence[Column | None] = [] if rows.domain is None else rows.domain.columns
        return [
            levels_of(rows.target_cells(start, stop) if j is None else rows.cells(start, stop, j, declared[j]))
            for j in self._columns
        ]


def levels_of(raw: RawCells) -> Counter[Any]:
    """Count the levels of a block, each a function of its cells alone: a missing cell has none."""
    values = raw.values[~raw.gaps]
    if values.dtype.kind == "O":
        counts = Counter(map(plain_label, values.tolist()))
    else:
        cells, sizes = np.unique(values, return_counts=True)
        counts = Counter[Any]()
        for cell, size in zip(cells.tolist(), sizes.tolist(), strict=True):
            counts[cell if values.dtype.kind in "biu" else plain_label(cell)] += size
    del counts[None]
    return counts
