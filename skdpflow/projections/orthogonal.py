"""Stacked random orthonormal blocks."""

from __future__ import annotations

import numpy as np

from ._directions import Directions
from .base import FloatArray


class OrthogonalProjections(Directions):
    """Stacked blocks of orthonormal directions, each uniform among the orthonormal bases.

    Every direction alone is uniform on the sphere; within a block of `n_features` they are orthogonal, so no
    slice repeats what another one measures. The last block may be partial.

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
    PrincipalProjections : Begins with the principal axes of released moments.
    UniformProjections : Independent directions.

    Notes
    -----
    Effect on the sensitivities, for k directions and records in a ball of radius R:

    * Sliced histograms: sqrt(k) (add-remove) or sqrt(2 k) (replace-one), as for any directions.
    * Records: 2 R sigma_max(directions) (replace-one), where sigma_max is sqrt(ceil(k / d)) up to rounding
      (take `spectral_norm` of the matrix used). For whole multiples of d that is sqrt(k / d), a tight frame
      and the least that k unit directions can have, whatever the seed.

    A block is the Q factor of a Gaussian matrix, its columns multiplied by the signs of the diagonal of R,
    which makes it Haar distributed [1]_. Orthogonal blocks are the sampling to be recommended beyond a few
    dimensions [2]_.

    References
    ----------
    .. [1] F. Mezzadri, "How to generate random matrices from the classical compact groups", Notices of the
       AMS 54, 2007, arXiv:math-ph/0609050.
    .. [2] V. Petrovic, R. Bardenet and A. Desolneux, arXiv:2509.10166, 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.projections import OrthogonalProjections
    >>> directions = OrthogonalProjections().sample(3, n_projections=6, seed=0)
    >>> bool(np.allclose(directions @ directions.T, 6 / 3 * np.eye(3)))
    True
    """

    def _draw(
        self, n_features: int, n_projections: int, rng: np.random.Generator, covariance: FloatArray | None
    ) -> FloatArray:
        return haar_blocks(n_features, n_projections, rng)


def haar_blocks(n_features: int, n_projections: int, rng: np.random.Generator) -> FloatArray:
    """Draw independent orthonormal blocks side by side, the last one cut to fit."""
    directions = np.empty((n_features, n_projections))
    for start in range(0, n_projections, n_features):
        width = min(n_features, n_projections - start)
        q, r = np.linalg.qr(rng.standard_normal((n_features, width)))
        # Without the signs, Q follows the conventions of the QR routine and is not uniform.
        directions[:, start : start + width] = q * np.copysign(1.0, np.diagonal(r))
    return directions
