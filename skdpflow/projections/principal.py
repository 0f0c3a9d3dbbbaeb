"""Principal axes of released moments first, then random orthonormal blocks."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

from .base import FloatArray, Moments, Seed, _check_moments, _check_request, _check_seed
from .orthogonal import haar_blocks


class PrincipalProjections(BaseEstimator):
    """Principal axes of the released covariance, then random orthonormal blocks.

    The first `n_features` directions are the eigenvectors of the released covariance, largest eigenvalue
    first. Further directions are those of `OrthogonalProjections`. With few slices, the ones that carry most
    of the spread are measured.

    Parameters
    ----------
    n_projections : int or None, default=None
        Number of directions. None means as many as the caller asks for; a number wins over the caller's.

    Attributes
    ----------
    needs : tuple of str
        ``("moments",)``: the dimension and released moments.

    See Also
    --------
    OrthogonalProjections : The same without moments.
    Moments : What this sampler must be given.

    Notes
    -----
    Effect on the sensitivities, for k directions and records in a ball of radius R:

    * Sliced histograms: sqrt(k) (add-remove) or sqrt(2 k) (replace-one), as for any directions.
    * Records: 2 R sigma_max(directions) (replace-one), where sigma_max is sqrt(ceil(k / d)) up to rounding
      (take `spectral_norm` of the matrix used), as for any stacked orthonormal blocks; for whole multiples of
      d it is sqrt(k / d).

    The directions are post-processing of released values: choosing them costs nothing beyond the release of
    the moments, and given that release they are public. Signs are fixed by making an entry of largest
    magnitude positive. Where eigenvalues coincide the axes are arbitrary within their common eigenspace, as
    they are for whitened moments: pass the moments of the space in which principal axes mean something.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.projections import Moments, PrincipalProjections
    >>> moments = Moments(mean=[0.0, 0.0], covariance=[[1.0, 0.0], [0.0, 4.0]])
    >>> directions = PrincipalProjections().sample(2, n_projections=4, seed=0, moments=moments)
    >>> directions[:, :2]
    array([[0., 1.],
           [1., 0.]])
    """

    needs: tuple[str, ...] = ("moments",)

    def __init__(self, n_projections: int | None = None) -> None:
        self.n_projections = n_projections

    def sample(
        self, n_features: int, *, n_projections: int | None = None, seed: Seed, moments: Moments | None = None
    ) -> FloatArray:
        """Compute the principal axes and draw the directions that follow them.

        Parameters
        ----------
        n_features : int
            Dimension of the space.
        n_projections : int or None, default=None
            Number of directions wanted if the constructor was given none. None means `n_features`.
        seed : int or numpy.random.Generator
            Public randomness of the directions that follow the axes. A Generator is advanced by the call.
        moments : Moments
            Released moments in the space of the directions. Required.

        Returns
        -------
        ndarray of shape (n_features, n_projections), dtype float64
            Directions as unit columns; columns j d to (j + 1) d are orthonormal.

        Raises
        ------
        ValueError
            If a number is below one, the seed is not valid, or the moments are missing or of another
            dimension.
        """
        n_features, n_projections = _check_request(self, n_features, n_projections)
        rng = np.random.default_rng(_check_seed(seed))
        covariance = _check_moments(self, moments, n_features).covariance
        axes = np.linalg.eigh(covariance)[1][:, ::-1]
        magnitudes = np.abs(axes)
        # Entries within rounding of the largest count as ties, or the sign would hang on the last bit.
        leading = np.argmax(magnitudes >= (1.0 - 1e-6) * magnitudes.max(axis=0), axis=0)
        axes = axes * np.copysign(1.0, axes[leading, np.arange(n_features)])
        further = haar_blocks(n_features, max(0, n_projections - n_features), rng)
        return np.hstack([axes[:, :n_projections], further])
