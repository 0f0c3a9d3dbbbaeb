"""Pairs of columns: conditional monotone layers from noisy two-way tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from skdpflow.latent.crosstabs import CrossTables
from skdpflow.latent.lookup import Bins, PiecewiseLinear, bin_of
from skdpflow.latent.rank import RankTransform
from skdpflow.latent.scores import LATENT_LIMIT
from skdpflow.transport.layers import corrected_quantiles, log_slopes, monotone_knots, ranked
from skdpflow.transport.marginals import denoise_ordered, shrink, to_simplex

Array = NDArray[np.float64]
_LEVELS = ndtr(np.linspace(-3.0, 3.0, 33))


def coarse_edges(transform: RankTransform, j: int, edges: Array, max_bins: int) -> Array:
    """Inner edges of at most `max_bins` bins of nearly equal mass, among those of the column's histogram."""
    cdf = np.interp(edges, transform.edges[j], transform.cdf[j])
    if len(edges) - 1 <= max_bins:
        return edges[1:-1]
    at = np.searchsorted(cdf, np.arange(1, max_bins) / max_bins)
    at = np.unique(at[(at > 0) & (at < len(edges) - 1)])
    return edges[at]


def latent_edges(transform: RankTransform, j: int, edges: Array) -> Array:
    """Latent scores of bin edges."""
    return np.clip(ndtri(np.interp(edges, transform.edges[j], transform.cdf[j])), -LATENT_LIMIT, LATENT_LIMIT)


@dataclass(frozen=True, eq=False)
class PairLayer:
    """Moves one latent column by a monotone map that depends on the bin of another.

    Parameters
    ----------
    given, moved : int
        Columns; different ones.
    edges : ndarray
        Inner edges of the bins of the given column.
    x, y : tuple of ndarray
        Knots of the map of each bin.

    Notes
    -----
    The given column stays where it is, so the bin of a point is known on both sides and the layer is invertible; its
    log-determinant is the log-slope of the map of that bin.
    """

    given: int
    moved: int
    edges: Array
    x: tuple[Array, ...]
    y: tuple[Array, ...]

    @cached_property
    def _maps(self) -> tuple[Bins, PiecewiseLinear]:
        return Bins(self.edges), PiecewiseLinear(self.x, self.y)

    def forward(self, z: Array) -> Array:
        """Move points."""
        return self._moved(z, self._maps[1])[0]

    def inverse(self, z: Array) -> tuple[Array, Array]:
        """Move points back, and return the log-determinant of the layer there."""
        origin, rows = self._moved(z, PiecewiseLinear(self.y, self.x))
        log_det = np.zeros(len(z))
        for b, (x, y) in enumerate(zip(self.x, self.y, strict=True)):
            inside = rows == b
            log_det[inside] = log_slopes(z[inside, self.moved], x, y)
        return origin, log_det

    def _moved(self, z: Array, maps: PiecewiseLinear) -> tuple[Array, NDArray[np.int64]]:
        rows = self._maps[0].of(z[:, self.given])
        out = z.copy(order="K")
        out[:, self.moved] = maps(z[:, self.moved], rows)
        return out, rows


@dataclass(frozen=True, eq=False)
class PairTarget:
    """A noisy two-way table of one component.

    Parameters
    ----------
    component : int
        The component.
    given, moved : int
        Columns of its rows and columns.
    given_edges, moved_edges : ndarray
        Inner bin edges in the latent space.
    counts : ndarray of shape (n_rows, n_columns)
        Noisy counts.
    sd : float
        Standard deviation of the noise of a count.
    ordered : bool
        Whether neighbouring bins of the moved column are alike.
    """

    component: int
    given: int
    moved: int
    given_edges: Array
    moved_edges: Array
    counts: Array
    sd: float
    ordered: bool


def predicted_tables(
    particles: Iterable[Array], weights: Array, edges: Sequence[Array], tables: CrossTables
) -> Iterator[Array]:
    """All two-way tables of binned latent columns under the current model, of one component after the other."""
    bins = [Bins(e) for e in edges]
    for z, w in zip(particles, weights, strict=True):
        binned = np.column_stack([own.of(z[:, j]) for j, own in enumerate(bins)])
        yield w * tables.count(binned, np.zeros(len(z), dtype=np.int64), 1)[0]


def pair_layer(particles: Array, size: float, target: PairTarget, weights: Array | None = None) -> PairLayer | None:
    """Fit a layer to a two-way table; `weights` are those of the particles."""
    n_rows, n_columns = target.counts.shape
    moved = particles[:, target.moved]
    rows = bin_of(particles[:, target.given], target.given_edges)
    columns = bin_of(moved, target.moved_edges)
    entries = np.bincount(rows * n_columns + columns, weights, n_rows * n_columns).reshape(n_rows, n_columns)
    expected: Array = entries * (size / entries.sum())
    mass = expected.sum(axis=1, keepdims=True)
    if target.ordered:
        found = denoise_ordered(target.counts, expected, target.sd)
    else:
        deviation = shrink((target.counts - expected).ravel(), target.sd).reshape(expected.shape)
        deviation *= mass**2 / (mass**2 + 3.0 * target.sd**2)
        found = expected + deviation
        found = np.array([to_simplex(f, m) if m > 0 else f for f, m in zip(found, mass[:, 0], strict=True)])
    if np.abs(found - expected).max() <= 1e-9 * size:
        return None
    identity = np.array([-1.0, 1.0])
    xs, ys = [], []
    for b in range(n_rows):
        inside = np.flatnonzero(rows == b)
        if inside.size < 8 or np.abs(found[b] - expected[b]).max() <= 1e-9 * mass[b, 0]:
            xs.append(identity)
            ys.append(identity)
            continue
        values, level = ranked(moved[inside], None if weights is None else weights[inside])
        now = np.concatenate([[0.0], np.cumsum(expected[b] / mass[b, 0])])
        then = np.concatenate([[0.0], np.cumsum(found[b] + 1e-6 * mass[b, 0])])
        then /= then[-1]
        at = np.unique(np.concatenate([_LEVELS, then[1:-1]]))
        x = np.interp(at, level, values)
        y = corrected_quantiles(values, level, target.moved_edges, now, then, at)
        x, y = monotone_knots(x, y)
        xs.append(x)
        ys.append(y)
    return PairLayer(target.given, target.moved, target.given_edges, tuple(xs), tuple(ys))
