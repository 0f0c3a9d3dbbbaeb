"""The start of the flow of a component: a Gaussian, or one that is cut into pieces with means of their own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Array = NDArray[np.float64]

#: Share of the rows of a cut Gaussian that come from the whole.
REST = 0.02


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
class CutGaussian:
    r"""A normal distribution that is cut at its mean along principal directions, with a mean of its own for each piece.

    Parameters
    ----------
    whole : Gaussian
        What is cut.
    sides : ndarray of shape (n_pieces, k)
        On which side, -1 or 1, of each of the k leading principal directions the pieces lie.
    weights : ndarray of shape (n_pieces,)
        Their rows, in any unit.
    means : ndarray of shape (n_pieces, d)
        Their means.
    covariances : ndarray of shape (n_pieces, d, d)
        Their covariances.

    Notes
    -----
    Each piece is a quarter, say, of the normal distribution, taken to its mean and covariance by the affine map that
    moves it least: that of optimal transport between normal distributions [1]_. If means and covariances are those of
    the quarters, the distribution is the normal one. So that no gap between pieces has density zero, one row in
    `1 / REST` comes from the whole.

    References
    ----------
    .. [1] Peyre, G., Cuturi, M. (2019). Computational Optimal Transport. Foundations and Trends in Machine Learning.
    """

    whole: Gaussian
    sides: Array
    weights: Array
    means: Array
    covariances: Array

    @cached_property
    def _root(self) -> Array:
        values, vectors = np.linalg.eigh(self.whole.covariance)
        # contiguous, as it is after unpickling: products with a reversed view differ in their last digits
        return np.ascontiguousarray((vectors * np.sqrt(values))[:, ::-1])

    @cached_property
    def _maps(self) -> list[tuple[Array, Array, Array]]:
        """For each piece: its mean, and its shift from the mean that it has in the whole."""
        lead = self._root[:, : self.sides.shape[1]] * np.sqrt(2.0 / np.pi)  # the mean of a half-normal
        before = self.whole.covariance - lead @ lead.T
        root, back = power(before, 0.5), power(before, -0.5)
        return [
            (self.whole.mean + lead @ side, back @ power(root @ after @ root, 0.5) @ back, mean)
            for side, mean, after in zip(self.sides, self.means, self.covariances, strict=True)
        ]

    @cached_property
    def _affine(self) -> list[tuple[Array, Array]]:
        """For each piece, shift and matrix of the map from standard normal points."""
        return [
            (mean + stretch @ (self.whole.mean - centre), stretch @ self._root) for centre, stretch, mean in self._maps
        ]

    @cached_property
    def _shares(self) -> Array:
        """Probabilities of the pieces and, last, of the whole."""
        return np.append((1.0 - REST) * self.weights / self.weights.sum(), REST)

    def _assign(self, normal: Array, places: Array) -> Array:
        piece = np.searchsorted(np.cumsum(self._shares)[:-1], places, side="right")
        z, k = np.empty(normal.shape), self.sides.shape[1]
        rest = piece == len(self.sides)
        z[rest] = self.whole.mean + normal[rest] @ self._root.T
        for q, (side, (place, root)) in enumerate(zip(self.sides, self._affine, strict=True)):
            own = normal[piece == q]
            own[:, :k] = np.abs(own[:, :k]) * side
            z[piece == q] = place + own @ root.T
        return z

    def push(self, normal: Array) -> Array:
        """Map standard normal points, (n, d), to points of the distribution: each piece gets a run of them."""
        return self._assign(normal, (np.arange(len(normal)) + 0.5) / max(len(normal), 1))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw points, (n, d)."""
        return self._assign(rng.standard_normal((n, len(self.whole.mean))), rng.random(n))

    def log_density(self, z: Array) -> Array:
        """Log-density of points, (n,)."""
        k = self.sides.shape[1]
        logs = [np.log(REST) + self.whole.log_density(z)]
        for share, side, (centre, stretch, mean) in zip(self._shares, self.sides, self._maps, strict=False):
            before = centre + np.linalg.solve(stretch, (z - mean).T).T
            scores = np.linalg.solve(self._root, (before - self.whole.mean).T)[:k].T
            inside = (scores * side > 0.0).all(axis=1)
            own = self.whole.log_density(before) + k * np.log(2.0) - np.linalg.slogdet(stretch)[1] + np.log(share)
            logs.append(np.where(inside, own, -np.inf))
        return np.asarray(logsumexp(logs, axis=0))


def power(matrix: Array, exponent: float) -> Array:
    """Return a power of a symmetric positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    values = np.maximum(values, np.finfo(np.float64).eps * values[-1])  # rounding may leave the least a little below 0
    return np.asarray((vectors * values**exponent) @ vectors.T)
