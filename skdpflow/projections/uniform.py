"""Independent directions, uniform on the sphere."""

from __future__ import annotations

import numpy as np

from ._directions import Directions
from .base import FloatArray


class UniformProjections(Directions):
    """Independent directions, uniform on the unit sphere.

    The textbook Monte Carlo choice. `OrthogonalProjections` estimates the same mean over the sphere
    with less variance, and has the smaller sensitivity in the records mechanism.

    Parameters
    ----------
    n_projections : int or None, default=None
        Number of directions. None means as many as the caller asks for; a number wins over the caller's.

    Attributes
    ----------
    needs : tuple of str
        ``()``: only the dimension.

    See Also
    --------
    OrthogonalProjections : Uniform directions that repel each other.
    QuasiMonteCarloProjections : Evenly spread directions for few dimensions.

    Notes
    -----
    Effect on the sensitivities, for k directions and records in a ball of radius R:

    * Sliced histograms: sqrt(k) (add-remove) or sqrt(2 k) (replace-one), as for any directions.
    * Records: 2 R sigma_max(directions) (replace-one) of the matrix drawn, see `spectral_norm`; it is
      typically near 1 + sqrt(k / d) and always at least sqrt(k / d). Bounds on average over random directions
      are void here because the seed is public.

    The error of a sliced Wasserstein distance estimated with k independent directions is of order 1 / sqrt(k)
    [1]_.

    References
    ----------
    .. [1] K. Nadjahi, A. Durmus, L. Chizat, S. Kolouri, S. Shahrampour and U. Simsekli, "Statistical and
       topological properties of sliced probability divergences", NeurIPS 2020, arXiv:2003.05783.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.projections import UniformProjections
    >>> directions = UniformProjections(n_projections=10).sample(3, seed=0)
    >>> directions.shape
    (3, 10)
    >>> bool(np.allclose(np.linalg.norm(directions, axis=0), 1.0))
    True
    """

    def _draw(
        self, n_features: int, n_projections: int, rng: np.random.Generator, covariance: FloatArray | None
    ) -> FloatArray:
        normals = rng.standard_normal((n_features, n_projections))
        return normals / np.linalg.norm(normals, axis=0)
