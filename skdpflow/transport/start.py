"""Where the flow of a leaf starts: a Gaussian, or a mixture of them, one for each cell of the leaf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A multivariate normal distribution.

    Parameters
    ----------
    mean : ndarray of shape (d,)
        Mean.
    covariance : ndarray of shape (d, d)
        Positive definite covariance.
    """

    mean: Array
    covariance: Array

    def push(self, normal: Array) -> Array:
        """Map standard normal points, (n, d), to points of the distribution."""
        return np.asarray(self.mean + normal @ np.linalg.cholesky(self.covariance).T)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw points, (n, d)."""
        return self.push(rng.standard_normal((n, len(self.mean))))

    def log_density(self, z: Array) -> Array:
        """Log-density of points, (n,)."""
        root = np.linalg.cholesky(self.covariance)
        white = np.linalg.solve(root, (z - self.mean).T)
        scale = np.log(np.diag(root)).sum() + 0.5 * len(root) * np.log(2 * np.pi)
        return np.asarray(-0.5 * (white**2).sum(axis=0) - scale)


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of normal distributions.

    Parameters
    ----------
    weights : ndarray of shape (k,)
        Probabilities of the parts.
    parts : tuple of Gaussian
        Their distributions.
    """

    weights: Array
    parts: tuple[Gaussian, ...]

    def _assign(self, normal: Array, places: Array) -> Array:
        part = np.searchsorted(np.cumsum(self.weights)[:-1] / self.weights.sum(), places, side="right")
        z = np.empty_like(normal)
        for k, gaussian in enumerate(self.parts):
            z[part == k] = gaussian.push(normal[part == k])
        return z

    def push(self, normal: Array) -> Array:
        """Map standard normal points, (n, d), to points of the distribution: each part gets a run of them."""
        return self._assign(normal, (np.arange(len(normal)) + 0.5) / max(len(normal), 1))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw points, (n, d)."""
        return self._assign(rng.standard_normal((n, len(self.parts[0].mean))), rng.random(n))

    def log_density(self, z: Array) -> Array:
        """Log-density of points, (n,)."""
        logs = [
            np.log(w / self.weights.sum()) + g.log_density(z) for w, g in zip(self.weights, self.parts, strict=True)
        ]
        return np.asarray(logsumexp(logs, axis=0))
