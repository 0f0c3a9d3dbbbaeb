"""Principal axes of released moments first, then random orthonormal blocks."""

from __future__ import annotations

import numpy as np

from ._directions import Directions
from .base import FloatArray
from .orthogonal import haar_blocks


class PrincipalProjections(Directions):
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

    def _draw(
        self, n_features: int, n_projections: int, rng: np.random.Generator, covariance: FloatArray | None
    ) -> FloatArray:
        assert covariance is not None  # as `needs` says
        axes = np.linalg.eigh(covariance)[1][:, ::-1]
        magnitudes = np.abs(axes)
        # Entries within rounding of the largest count as ties, or the sign would hang on the last bit.
        leading = np.argmax(magnitudes >= (1.0 - 1e-6) * magnitudes.max(axis=0), axis=0)
        axes = axes * np.copysign(1.0, axes[leading, np.arange(n_features)])
        further = haar_blocks(n_features, max(0, n_projections - n_features), rng)
        return np.hstack([axes[:, :n_projections], further])
