"""What the samplers of the package share: their one parameter, and the checks of a request."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

from .base import FloatArray, Moments, Seed, _check_moments, _check_request, _check_seed


class Directions(BaseEstimator):
    """Base class of the samplers; each says how it draws (`_draw`)."""

    needs: tuple[str, ...] = ()

    def __init__(self, n_projections: int | None = None) -> None:
        self.n_projections = n_projections

    def sample(
        self, n_features: int, *, n_projections: int | None = None, seed: Seed, moments: Moments | None = None
    ) -> FloatArray:
        """Draw the directions.

        Parameters
        ----------
        n_features : int
            Dimension of the space.
        n_projections : int or None, default=None
            Number of directions wanted if the constructor was given none. None means `n_features`.
        seed : int or numpy.random.Generator
            Public randomness. A Generator is advanced by the call.
        moments : Moments or None, default=None
            Released moments in the space of the directions. Required by a sampler that needs them, ignored by others.

        Returns
        -------
        ndarray of shape (n_features, n_projections), dtype float64
            Directions as unit columns.

        Raises
        ------
        ValueError
            If a number is below one, the seed is not valid, the moments are missing or of another dimension, or the
            sampler cannot draw in so many dimensions.
        """
        n_features, n_projections = _check_request(self, n_features, n_projections)
        rng = np.random.default_rng(_check_seed(seed))
        covariance = _check_moments(self, moments, n_features).covariance if "moments" in self.needs else None
        return self._draw(n_features, n_projections, rng, covariance)

    def _draw(
        self, n_features: int, n_projections: int, rng: np.random.Generator, covariance: FloatArray | None
    ) -> FloatArray:
        """Draw directions for a request that is valid; `covariance` is there if the sampler needs moments."""
        raise NotImplementedError
