"""Noisy counts to distribution functions: non-negative, denoised at their known noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Lowest threshold in units of the noise: below, the estimated risk of a small group is itself mostly noise.
MIN_THRESHOLD = 1.5


def to_simplex(v: Array, total: float) -> Array:
    """Project a vector onto the non-negative vectors of a given sum, in L2.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.transport.marginals import to_simplex
    >>> to_simplex(np.array([3.0, 1.0, -2.0]), 2.0)
    array([2., 0., 0.])
    """
    u = np.sort(v)[::-1]
    excess = (np.cumsum(u) - total) / np.arange(1, len(v) + 1)
    above = np.flatnonzero(
        u > excess
    )  # none is positive if rounding loses the sum; then the largest entry gets all of it
    return np.maximum(v - excess[above[-1] if above.size else 0], 0.0)


def shrink(coefficients: Array, sd: float) -> Array:
    r"""Shrink groups of noisy coefficients by the non-negative garrote, at thresholds that minimise the estimated risk.

    A group is what the last axis holds.

    Notes
    -----
    With :math:`x` in units of the noise, the garrote :math:`(x - \lambda^2 / x) 1_{|x| > \lambda}` has Stein's
    unbiased risk estimate :math:`\sum_{|x| \le \lambda} (x^2 - 1) + \sum_{|x| > \lambda} (1 + 2\lambda^2/x^2 +
    \lambda^4/x^2)` up to a constant, from Gao (1998). It is minimised over a grid up to the universal
    threshold :math:`\sqrt{2 \log n}`. Where the energy of the group does not stand out of the noise, the estimate is
    not to be trusted and the universal threshold is taken, as in the hybrid rule of Donoho and Johnstone [1]_.

    References
    ----------
    .. [1] Donoho, D. L., Johnstone, I. M. (1995). Adapting to unknown smoothness via wavelet shrinkage. JASA 90.
    """
    x = np.abs(coefficients / sd)
    n = x.shape[-1]
    if n == 0:
        return coefficients
    universal = np.sqrt(2.0 * np.log(max(n, 2)))
    threshold = np.full(x.shape[:-1], universal)
    stands_out = (x**2).mean(axis=-1) - 1.0 > np.log2(max(n, 2)) ** 1.5 / np.sqrt(n)
    if stands_out.any():
        grid = np.linspace(min(MIN_THRESHOLD, universal), universal, 33)
        own = np.sort(x[stands_out], axis=-1)  # (groups, n)
        none = np.zeros((len(own), 1))
        kept = np.concatenate([none, np.cumsum(own**2 - 1.0, axis=1)], axis=1)
        inverse_square = 1.0 / np.maximum(own, 1e-12) ** 2
        tail = np.concatenate([np.cumsum(inverse_square[:, ::-1], axis=1)[:, ::-1], none], axis=1)
        cut = np.array([np.searchsorted(group, grid, side="right") for group in own])
        risk = np.take_along_axis(kept, cut, axis=1) + (n - cut)
        risk += (2 * grid**2 + grid**4) * np.take_along_axis(tail, cut, axis=1)
        threshold[stands_out] = grid[np.argmin(risk, axis=1)]
    cut_off = np.broadcast_to(threshold[..., None] * sd, coefficients.shape)
    kept = np.abs(coefficients) > cut_off
    out = np.zeros_like(coefficients)
    out[kept] = coefficients[kept] - cut_off[kept] ** 2 / coefficients[kept]
    return out


def denoise_ordered(counts: Array, expected: Array, sd: float) -> Array:
    r"""Denoise ordered histograms: correct a prediction by what stands out of the noise.

    The last two axes are histograms, (n, n_bins), that share thresholds.

    Notes
    -----
    The bins are split in halves from the top. The difference of two halves is a Haar coefficient, whose noise is the
    same at every node. Its deviation from the predicted difference, for the mass that the node was found to have, is
    shrunk (one threshold a level, see `shrink`; further where the noise exceeds what the mass allows), and the
    difference is clipped to that mass. So counts stay non-negative, and noise cannot bring mass into a region that
    was found empty.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.transport.marginals import denoise_ordered
    >>> expected = np.full((1, 4), 25.0)
    >>> denoise_ordered(expected + [[1.0, -1.0, 1.0, -1.0]], expected, sd=2.0)
    array([[25., 25., 25., 25.]])
    """
    n_bins = counts.shape[-1]
    depth = max(n_bins - 1, 0).bit_length()
    pad = [(0, 0)] * (counts.ndim - 1) + [(0, 2**depth - n_bins)]
    observed, predicted = [np.pad(counts, pad)], [np.pad(expected, pad)]
    for tree in (observed, predicted):
        for _ in range(depth):
            tree.append(tree[-1][..., 0::2] + tree[-1][..., 1::2])
    mass = predicted[-1]
    for level in range(depth - 1, -1, -1):
        width = 2.0**level  # bins in a half
        left, right = predicted[level][..., 0::2], predicted[level][..., 1::2]
        both = left + right
        share = np.divide(left - right, both, out=np.zeros_like(both), where=both > 0)
        predicted_difference = mass * share
        difference = observed[level][..., 0::2] - observed[level][..., 1::2]
        n_real = int(np.ceil((n_bins - width) / (2 * width)))  # nodes of which both halves hold bins
        found = (difference - predicted_difference)[..., :n_real] / np.sqrt(2 * width)
        deviation = np.zeros_like(both)
        deviation[..., :n_real] = shrink(found.reshape(*found.shape[:-2], -1), sd).reshape(found.shape)
        # a difference lies between plus and minus the mass; best linear estimate if it is uniform there
        spread = mass**2 / 3.0
        deviation *= np.sqrt(2 * width) * spread / (spread + 2 * width * sd**2)
        difference = np.clip(predicted_difference + deviation, -mass, mass)
        mass = np.stack([(mass + difference) / 2, (mass - difference) / 2], axis=-1).reshape(*mass.shape[:-1], -1)
    return mass[..., :n_bins]
