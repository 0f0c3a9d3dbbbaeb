"""The sliced Wasserstein distance between two samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdpflow.projections import as_sampler, draw_directions

#: Projected values held at once.
_BLOCK_ENTRIES = 2**23


def sliced_wasserstein_distance(
    X: ArrayLike, Y: ArrayLike, *, n_projections: int = 256, seed: int = 0, projections: Any = None
) -> float:
    r"""Sliced Wasserstein-2 distance between two samples.

    Parameters
    ----------
    X : array-like of shape (n, d)
        One sample.
    Y : array-like of shape (m, d)
        The other; sizes may differ.
    n_projections : int, default=256
        Number of directions.
    seed : int, default=0
        Seed of the directions.
    projections : str, ProjectionSampler, ndarray of shape (d, k) or None, default=None
        The directions, or what draws them from the dimension alone; None takes orthogonal blocks.

    Returns
    -------
    distance : float
        :math:`(\frac1k \sum_\theta W_2^2(\theta^\top X, \theta^\top Y))^{1/2}`, each one-dimensional distance exact.

    Raises
    ------
    ValueError
        If the samples are empty, not finite, or of different dimensions.

    See Also
    --------
    skdpflow.projections : Ways to choose directions.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.metrics import sliced_wasserstein_distance
    >>> X = np.zeros((4, 2))
    >>> round(sliced_wasserstein_distance(X, X + [3.0, 4.0]), 6)  # 5 / sqrt(2)
    3.535534
    """
    a, b = np.asarray(X, dtype=np.float64), np.asarray(Y, dtype=np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not a.size or not b.size:
        raise ValueError("X and Y must be non-empty and two-dimensional, with the same number of columns.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("X and Y must be finite.")
    if isinstance(projections, np.ndarray):
        directions = projections
    else:
        spec = "auto" if projections is None else projections
        sampler = as_sampler(spec, available=(), owner="sliced_wasserstein_distance")
        directions = draw_directions(sampler, a.shape[1], n_projections=n_projections, seed=seed)
    # both quantile functions are constant between the union of their jumps
    n, m = len(a), len(b)
    jumps = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)  # in units of 1 / (n m), exact
    widths = np.diff(jumps, prepend=0) / (n * m)
    left = jumps - np.diff(jumps, prepend=0)
    i, j = left // m, left // n
    total = 0.0
    width = max(1, _BLOCK_ENTRIES // len(jumps))
    for start in range(0, directions.shape[1], width):
        theta = directions[:, start : start + width]
        p, q = _sorted(a @ theta), _sorted(b @ theta)
        total += float((widths @ (p[:, i] - q[:, j]).T ** 2).sum())
    return float(np.sqrt(total / directions.shape[1]))


def _sorted(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sort(np.ascontiguousarray(p.T), axis=1)
