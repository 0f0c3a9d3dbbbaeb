"""What lies outside of the columns: whether it stands out of its noise, and how the model takes it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from skdpflow.domain.codes import outside_of
from skdpflow.domain.columns import Column, Interval
from skdpflow.latent.rank import DRAWN, Layout
from skdpflow.release import Measurement
from skdpflow.release.tables import histograms_of

Array = NDArray[np.float64]

#: Fits in which noise alone is taken for something outside of some column.
FALSE_ALARMS = 0.01


@dataclass(frozen=True, eq=False)
class AxisHistograms:
    """Histograms of the columns along the axes on which the model places their cells.

    Parameters
    ----------
    counts : list of ndarray of shape (n_components, n_bins)
        Of each column.
    edges : list of ndarray of shape (n_bins + 1,)
        Places, in the order of codes.
    sd : float
        Standard deviation of the noise of a count.
    layouts : sequence of Layout
        Where codes go that lie outside.
    drawn : list of float
        Rows of each column whose cell has no place.
    """

    counts: list[Array]
    edges: list[Array]
    sd: float
    layouts: Sequence[Layout]
    drawn: list[float]

    @classmethod
    def of(cls, m: Measurement, columns: Sequence[Column], layouts: Sequence[Layout] = ()) -> AxisHistograms:
        """Read off a measurement."""
        histograms = [(h, e.astype(np.float64)) for _, e, h in histograms_of(m)]
        measured = [(h, e, column) for (h, e), column in zip(histograms, columns, strict=True)]
        n_bins = sum(len(outside_of(c)) for c in columns)
        counts, edges, drawn = list[Array](), list[Array](), list[float]()
        chosen, sd = list(layouts), float(np.max(m.sd))
        for j, (h, e, column) in enumerate(measured):
            inside = e[:-1] < column.n_levels
            found = standing_out(h[:, ~inside], sd, n_bins)
            if len(chosen) == j:
                stands = dict(zip(outside_of(column), found.sum(axis=0) > 0.0, strict=True))
                below, above = stands.get("below", False), stands.get("above", False)
                gap = _gap_of(h[:, inside].sum(axis=0), e, column)
                chosen.append(Layout.of(column, below=below, above=above, gap=gap))
            own, places = _placed(h[:, inside], found, chosen[j], e[: int(inside.sum()) + 1])
            counts.append(own)
            edges.append(places)
            drawn.append(float(found[:, np.array(chosen[j].homes) == DRAWN].sum()))
        return cls(counts, edges, sd, chosen, drawn)

    @classmethod
    def clipped(cls, m: Measurement, columns: Sequence[Column]) -> AxisHistograms:
        """Read off a measurement, with what lies below or above counted among the first or last values."""
        return cls.of(m, columns, [Layout.of(column) for column in columns])


def standing_out(counts: Array, sd: float, n_bins: int) -> Array:
    """Return noisy counts of what lies outside, with zeros where all that there is may be noise."""
    n_components = len(counts)
    # half a count more than for normal noise, since it is rounded
    limit = -float(ndtri(FALSE_ALARMS / ((n_components + 1) * n_bins))) * sd + 0.5
    kept = (counts > limit).any(axis=0) | (counts.sum(axis=0) > limit * np.sqrt(n_components))
    return np.asarray(np.where(kept, np.maximum(counts, 0.0), 0.0))


def _gap_of(counts: Array, edges: Array, column: Column) -> int | None:
    """Return where among the bins of an interval its gaps go: near the middle of its values."""
    if not (isinstance(column, Interval) and column.nullable):
        return None
    held = np.cumsum(np.maximum(counts[:-1], 0.0))
    if len(held) < 2:
        return None
    return int(edges[np.clip(np.searchsorted(held, held[-1] / 2.0) + 1, 1, len(held) - 1)])


def with_gap_bin(counts: Array, edges: Array, layout: Layout) -> tuple[Array, Array]:
    """Move the bin of gaps, the last one, to its place among the values."""
    if layout.gap is None:
        return counts.copy(), edges
    at = int(np.searchsorted(edges, layout.gap))
    counts = np.hstack([counts[:, :at], counts[:, -1:], counts[:, at:-1]])
    return counts, np.concatenate([edges[: at + 1], edges[at:-1] + 1.0])


def _placed(inside: Array, outside: Array, layout: Layout, edges: Array) -> tuple[Array, Array]:
    """Return counts and edges along an axis, with what lies outside where its layout says."""
    counts, edges = with_gap_bin(inside, edges, layout)
    before, after = [], []
    for own, home in zip(outside.T, layout.homes, strict=True):
        if home == DRAWN:
            value = ~layout.is_gap(edges[:-1])
            share = np.where(value, np.maximum(inside.sum(axis=0), 0.0) + 1e-9, 0.0)
            counts += own[:, None] * share / share.sum()
        elif home < 0:
            before.append(own[:, None])
        elif home >= layout.n_levels:
            after.append(own[:, None])
        else:
            counts[:, np.searchsorted(edges, home, side="right") - 1] += own
    first, last = layout.ends
    return np.hstack([*before, counts, *after]), np.unique([first, *edges, last])
