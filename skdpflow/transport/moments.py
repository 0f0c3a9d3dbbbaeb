"""Noisy sums to means and covariances, shrunk by their known noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from skdpflow.release import Measurement

Array = NDArray[np.float64]

#: Smallest eigenvalue of a covariance in the latent space, where every column has variance about one.
MIN_EIGENVALUE = 0.01
#: Least variance between the means of components in a column, in units of their noise: few components show it badly.
LEAST_SPREAD = 0.05


def component_means(m: Measurement, counts: Array) -> tuple[Array, Array]:
    r"""Estimate the mean of each component, and what is not known of it as a variance.

    Notes
    -----
    Means :math:`x`, with noise of variance :math:`v`, are shrunk towards that of all rows, column by column. With
    :math:`s` the variance between components that stands out of the noise, :math:`s / (s + v)` would be the factor of
    least error, but means that are shrunk by it lie closer to each other than true ones do, and classes look more alike
    than they are. The factor :math:`\sqrt{s / (s + v)}` keeps the variance between them [1]_.

    References
    ----------
    .. [1] Louis, T. A. (1984). Estimating a population of parameter values using Bayes and empirical Bayes methods.
       JASA 79(386).
    """
    step = float(m.params["radius"]) / float(m.params["steps"])
    raw = m.values * step / counts[:, None]
    variance = (m.sd * step / counts[:, None]) ** 2
    overall = (m.values.sum(axis=0) * step) / counts.sum()
    spread = ((raw - overall) ** 2 - variance).mean(axis=0)
    spread = np.maximum(spread, LEAST_SPREAD * variance.mean())
    factor = np.sqrt(spread / np.maximum(spread + variance, 1e-12))
    return overall + factor * (raw - overall), factor * variance


def variance_between(counts: Sequence[Array], edges: Sequence[Array], sd: float, sizes: Array) -> float:
    """Estimate from histograms how much of the latent variance lies between components."""
    weights = sizes / sizes.sum()
    total = 0.0
    for h, e in zip(counts, edges, strict=True):
        levels = np.concatenate([[0.0], ndtr(e), [1.0]])
        density = np.concatenate([[0.0], np.exp(-(e**2) / 2.0) / np.sqrt(2.0 * np.pi), [0.0]])
        centre = -np.diff(density) / np.maximum(np.diff(levels), 1e-12)  # mean of a standard normal in each bin
        means = h @ centre / sizes
        noise = sd**2 * (centre @ centre) / sizes**2
        total += float(weights @ ((means - weights @ means) ** 2 - noise))
    return float(np.clip(total / len(counts), 0.0, 1.0))


def symmetric(upper: Array, d: int) -> Array:
    """Unfold upper triangles to symmetric matrices."""
    rows, columns = np.triu_indices(d)
    out = np.empty((*upper.shape[:-1], d, d))
    out[..., rows, columns] = upper
    out[..., columns, rows] = upper
    return out


def positive(matrix: Array, floor: float = MIN_EIGENVALUE) -> Array:
    """Raise the eigenvalues of a symmetric matrix to a floor."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, floor)) @ vectors.T)


def above_noise(matrix: Array, sd: float) -> Array:
    r"""Shrink the eigenvalues of a symmetric matrix that carries noise half of the way.

    Notes
    -----
    The eigenvalues of the noise alone fill :math:`[-e, e]` with :math:`e = 2 s \sqrt d`. For a signal of low rank
    it is best to drop those inside, and to let an eigenvalue :math:`\lambda` outside become
    :math:`\pm\sqrt{\lambda^2 - e^2}` [1]_. Signals of real tables are not of low rank, so the result is the middle
    between that and the matrix as measured.

    References
    ----------
    .. [1] Donoho, D. L., Gavish, M., Johnstone, I. M. (2018). Optimal shrinkage of eigenvalues in the spiked covariance
       model. The Annals of Statistics, 46(4).
    """
    values, vectors = np.linalg.eigh(matrix)
    edge = 2.0 * sd * np.sqrt(len(matrix))
    kept = np.sign(values) * np.sqrt(np.maximum(values**2 - edge**2, 0.0))
    return np.asarray((vectors * ((values + kept) / 2.0)) @ vectors.T)


def denoise_eigenvalues(values: Array, sd: float) -> Array:
    r"""Shrink the eigenvalues of a symmetric matrix that carries noise, by as much as the noise spreads them.

    Notes
    -----
    Of all matrices with the eigenvectors of what was measured, the one nearest to the signal has the eigenvalues
    :math:`\lambda - 2 s^2 \sum_j (\lambda - \lambda_j) / ((\lambda - \lambda_j)^2 + s^2)` for many columns, whatever
    the signal is [1]_. None is moved beyond 0, or away from it.

    References
    ----------
    .. [1] Bun, J., Allez, R., Bouchaud, J.-P., Potters, M. (2016). Rotational invariant estimator for general noisy
       matrices. IEEE Transactions on Information Theory, 62(12).
    """
    apart = values[:, None] - values
    moved = values - 2.0 * sd**2 * (apart / (apart**2 + sd**2)).sum(axis=1)
    return np.where(values < 0.0, np.clip(moved, values, 0.0), np.clip(moved, 0.0, values))


def denoise_spectrum(matrix: Array, sd: float) -> Array:
    """Shrink the eigenvalues of a symmetric matrix by `denoise_eigenvalues`."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * denoise_eigenvalues(values, sd)) @ vectors.T)


def component_covariances(m: Measurement, counts: Array, means: Array) -> Array:
    """Estimate the covariance of each component."""
    d = means.shape[1]
    step = float(m.params["radius"]) / float(m.params["steps"])
    # rounding to the lattice adds step**2 / 12 to every variance
    lattice = np.eye(d) * step**2 / 12.0
    between = np.einsum("c,ci,cj->ij", counts, means, means)
    pooled = (symmetric(m.values.sum(axis=0) * step**2, d) - between) / counts.sum() - lattice
    rows, columns = np.triu_indices(d)
    noise = np.broadcast_to((m.sd * step**2) ** 2, (len(rows),))
    apart = rows != columns
    if apart.any():
        sd = float(np.sqrt(len(m.values) * np.mean(noise[apart]))) / counts.sum()
        pooled = np.diag(np.diag(pooled)) + above_noise(pooled - np.diag(np.diag(pooled)), sd)
    if len(m.values) == 1:
        return np.broadcast_to(positive(pooled), (len(counts), d, d)).copy()
    out = []
    groups = [g for g in (rows == columns, rows != columns) if g.any()]  # variances differ more than correlations
    for values, count, mean in zip(m.values, counts, means, strict=True):
        own = symmetric(values * step**2, d) / count - np.outer(mean, mean) - lattice
        difference = (own - pooled)[rows, columns]
        for group in groups:
            noise_variance = float(np.mean(noise[group])) / count**2
            signal = max(float(np.mean(difference[group] ** 2)) - noise_variance, 0.0)
            difference[group] *= signal / (signal + noise_variance)
        out.append(positive(pooled + symmetric(difference, d)))
    return np.array(out)
