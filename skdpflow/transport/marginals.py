"""Noisy counts to distribution functions: non-negative, denoised at their known noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def to_simplex(v: Array, total: float) -> Array:
    """Project a vector onto the non-negative vectors of a given sum, in L2.

    Parameters
    ----------
    v : ndarray of shape (n,)
        Any vector.
    total : float
        Positive sum of the result.

    Returns
    -------
    w : ndarray of shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.transport.marginals import to_simplex
    >>> to_simplex(np.array([3.0, 1.0, -2.0]), 2.0)
    array([2., 0., 0.])
    """
    u = np.sort(v)[::-1]
    excess = (np.cumsum(u) - total) / np.arange(1, len(v) + 1)
    return np.maximum(v - excess[np.flatnonzero(u > excess)[-1]], 0.0)


def haar(x: Array) -> tuple[Array, list[Array]]:
    """Orthonormal Haar transform along the last axis, whose length is a power of two.

    Parameters
    ----------
    x : ndarray of shape (..., 2**levels)
        Signal.

    Returns
    -------
    scaling : ndarray of shape (..., 1)
        Scaling coefficient.
    details : list of ndarray
        Wavelet coefficients, coarse to fine.
    """
    details = []
    while x.shape[-1] > 1:
        even, odd = x[..., 0::2], x[..., 1::2]
        details.append((even - odd) * np.sqrt(0.5))
        x = (even + odd) * np.sqrt(0.5)
    return x, details[::-1]


def inverse_haar(scaling: Array, details: Sequence[Array]) -> Array:
    """Inverse of `haar`.

    Parameters
    ----------
    scaling : ndarray of shape (..., 1)
        Scaling coefficient.
    details : sequence of ndarray
        Wavelet coefficients, coarse to fine.

    Returns
    -------
    x : ndarray of shape (..., 2**levels)
    """
    x = scaling
    for d in details:
        out = np.empty((*x.shape[:-1], 2 * x.shape[-1]))
        out[..., 0::2] = (x + d) * np.sqrt(0.5)
        out[..., 1::2] = (x - d) * np.sqrt(0.5)
        x = out
    return x


def shrink(coefficients: Array, sd: Array | float) -> Array:
    r"""Shrink noisy coefficients by the non-negative garrote, at the threshold that minimises the estimated risk.

    Parameters
    ----------
    coefficients : ndarray
        Signal plus independent, nearly Gaussian noise; one group that shares a threshold.
    sd : float or ndarray broadcastable to `coefficients`
        Known standard deviation of the noise.

    Returns
    -------
    shrunk : ndarray of the shape of `coefficients`

    Notes
    -----
    With :math:`x` in units of the noise, the garrote :math:`(x - \lambda^2 / x) 1_{|x| > \lambda}` has Stein's
    unbiased risk estimate :math:`\sum_{|x| \le \lambda} (x^2 - 1) + \sum_{|x| > \lambda} (1 + 2\lambda^2/x^2 +
    \lambda^4/x^2)` up to a constant, from Gao (1998). It is minimised over a grid up to the universal
    threshold :math:`\sqrt{2 \log n}`. Where the energy of the group does not stand out of the noise, the estimate is not
    to be trusted and the universal threshold is taken, as in the hybrid rule of Donoho and Johnstone [1]_.

    References
    ----------
    .. [1] Donoho, D. L., Johnstone, I. M. (1995). Adapting to unknown smoothness via wavelet shrinkage. JASA 90.
    """
    x = np.abs(coefficients / sd).ravel()
    n = x.size
    if n == 0:
        return coefficients
    universal = np.sqrt(2.0 * np.log(max(n, 2)))
    grid = np.linspace(0.0, universal, 33)[1:]
    if (x**2).mean() - 1.0 <= np.log2(max(n, 2)) ** 1.5 / np.sqrt(n):
        threshold = universal
    else:
        inverse_square = 1.0 / np.maximum(x, 1e-12) ** 2
        order = np.argsort(x)
        x2 = np.concatenate([[0.0], np.cumsum(x[order] ** 2 - 1.0)])
        tail = np.concatenate([np.cumsum(inverse_square[order][::-1])[::-1], [0.0]])
        cut = np.searchsorted(x[order], grid, side="right")
        risk = x2[cut] + (n - cut) + (2 * grid**2 + grid**4) * tail[cut]
        threshold = grid[np.argmin(risk)]
    cut_off = threshold * np.broadcast_to(sd, coefficients.shape)
    kept = np.abs(coefficients) > cut_off
    out = np.zeros_like(coefficients)
    out[kept] = coefficients[kept] - cut_off[kept] ** 2 / coefficients[kept]
    return out


def denoise_ordered(deviation: Array, sd: float) -> Array:
    """Denoise deviations of ordered histograms from a prediction, level by level of their Haar transform.

    Parameters
    ----------
    deviation : ndarray of shape (..., n_bins)
        Noisy counts minus predicted counts.
    sd : float
        Standard deviation of the noise of a count.

    Returns
    -------
    denoised : ndarray of the shape of `deviation`
        Zero where nothing stands out of the noise; the sum of a histogram is left as predicted.
    """
    n = deviation.shape[-1]
    size = 1 << max(n - 1, 0).bit_length()
    padded = np.zeros((*deviation.shape[:-1], size))
    padded[..., :n] = deviation - deviation.mean(axis=-1, keepdims=True)
    scaling, details = haar(padded)
    return inverse_haar(scaling, [shrink(d, sd) for d in details])[..., :n]
