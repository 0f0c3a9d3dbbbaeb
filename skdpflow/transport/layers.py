"""Invertible monotone layers of a learned flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from skdpflow.latent.lookup import PiecewiseLinear
from skdpflow.latent.scores import LATENT_LIMIT

Array = NDArray[np.float64]

#: Bounds on the slope of a monotone map.
MIN_SLOPE, MAX_SLOPE = 1e-3, 1e3
#: Knots that are closer than this, relative to 1 + |x|, are merged, so that the rise between others exceeds rounding.
NEAR_TIE = 1e-5


def monotone_knots(x: Array, y: Array) -> tuple[Array, Array]:
    """Make the knots of an invertible map out of those of a monotone one.

    Of the maps with slopes between the bounds, that is one of the nearest in the largest difference. So a jump is made
    steep where it is, and what lies beyond it stays where it belongs.
    """
    keep = np.concatenate([[True], np.diff(x) > NEAR_TIE * (1.0 + np.abs(x[1:]))])
    x, y = x[keep], y[keep]
    above = y - MAX_SLOPE * x  # is to fall
    y = MAX_SLOPE * x + 0.5 * (np.minimum.accumulate(above) + np.maximum.accumulate(above[::-1])[::-1])
    above = y - MIN_SLOPE * x  # is to rise
    return x, MIN_SLOPE * x + 0.5 * (np.maximum.accumulate(above) + np.minimum.accumulate(above[::-1])[::-1])


def log_slopes(q: Array, x: Array, y: Array) -> Array:
    """Log-slopes of the map of `PiecewiseLinear` at the places that it takes to `q`."""
    slopes = np.concatenate([[1.0], np.diff(y) / np.diff(x), [1.0]])
    return np.asarray(np.log(slopes[np.searchsorted(y, q, side="right")]))


def ranked(values: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Sort rows of values, and return them with their levels: the share of all weight below each, and half its own."""
    if weights is None:
        n = values.shape[-1]
        return np.sort(values, axis=-1), np.broadcast_to((np.arange(n) + 0.5) / max(n, 1), values.shape)
    order = np.argsort(values, axis=-1)
    own = weights[order]
    levels = (np.cumsum(own, axis=-1) - 0.5 * own) / own.sum(axis=-1, keepdims=True)
    return np.take_along_axis(values, order, axis=-1), levels


def corrected_quantiles(values: Array, levels: Array, edges: Array, now: Array, then: Array, at: Array) -> Array:
    """Quantiles of a distribution, given at levels, whose bins get other masses and keep their shapes."""
    n = len(values)
    piece = np.clip(np.searchsorted(then, at, side="right") - 1, 0, len(edges))
    mass = np.diff(then)[piece]
    inner = np.divide(at - then[piece], mass, out=np.zeros_like(at), where=mass > 0)
    level = now[piece] + inner * np.diff(now)[piece]
    bounds = np.concatenate([[min(values[0], edges[0] - 1.0)], edges, [max(values[-1], edges[-1] + 1.0)]])
    low, high = bounds[piece], bounds[piece + 1]
    kept = np.clip(np.interp(level, levels, values), low, high)
    empty = np.diff(now)[piece] * n < 1.0
    return np.maximum.accumulate(np.where(empty, low + inner * (high - low), kept))


def normal_quantiles(edges: Array, then: Array, at: Array) -> Array:
    """Quantiles of a distribution whose bins have some masses, and inside of which it is like the standard normal."""
    levels = ndtr(np.concatenate([[-LATENT_LIMIT], edges, [LATENT_LIMIT]]))
    return np.asarray(ndtri(np.interp(at, then, levels)))


@dataclass(frozen=True, eq=False)
class Layer:
    r"""Moves points along a few directions by monotone maps.

    :math:`z \mapsto z + W (S(V^\top z) - V^\top z)` with :math:`V^\top W = I` and :math:`S` acting on each
    coordinate by an increasing piecewise linear map, so the layer is invertible with
    log-determinant :math:`\sum_i \log S_i'`.

    Parameters
    ----------
    analysis : ndarray of shape (d, k)
        V: projects points on the directions.
    synthesis : ndarray of shape (d, k)
        W: the dual directions along which points move.
    x, y : tuple of ndarray
        Knots of each map.
    """

    analysis: Array
    synthesis: Array
    x: tuple[Array, ...]
    y: tuple[Array, ...]

    def forward(self, z: Array) -> Array:
        """Move points."""
        return self._moved(z, self._maps)[0]

    def inverse(self, z: Array) -> tuple[Array, Array]:
        """Move points back, and return the log-determinant of the layer there."""
        origin, p = self._moved(z, [PiecewiseLinear([y], [x]) for x, y in zip(self.x, self.y, strict=True)])
        log_det = np.zeros(len(z))
        for i, (x, y) in enumerate(zip(self.x, self.y, strict=True)):
            log_det += log_slopes(p[:, i], x, y)
        return origin, log_det

    @cached_property
    def _maps(self) -> list[PiecewiseLinear]:
        return [PiecewiseLinear([x], [y]) for x, y in zip(self.x, self.y, strict=True)]

    def _moved(self, z: Array, maps: Sequence[PiecewiseLinear]) -> tuple[Array, Array]:
        p = z @ self.analysis
        shift = np.column_stack([own(p[:, i]) for i, own in enumerate(maps)]) - p
        return z + shift @ self.synthesis.T, p
