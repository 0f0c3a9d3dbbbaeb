"""Evenly spread directions: randomised quasi-Monte Carlo on the sphere."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from ._directions import Directions
from .base import FloatArray
from .orthogonal import haar_blocks

_SOBOL_BITS = 30
_GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))


class QuasiMonteCarloProjections(Directions):
    """Directions spread over the sphere more evenly than random ones.

    Equispaced angles in two dimensions, a spiral in three, a scrambled Sobol sequence mapped to the sphere
    beyond. All are randomised, so that each direction alone is uniform on the sphere (for Sobol, up to the
    30-bit grid of the sequence) and an average over them is unbiased.

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
    OrthogonalProjections : To be preferred beyond about five dimensions.

    Notes
    -----
    Effect on the sensitivities, for k directions and records in a ball of radius R:

    * Sliced histograms: sqrt(k) (add-remove) or sqrt(2 k) (replace-one), as for any directions.
    * Records: 2 R sigma_max(directions) (replace-one) of the matrix drawn, see `spectral_norm`. For d = 2 and
      k >= 2 it is sqrt(k / 2) up to rounding, a tight frame; for d = 3 it approaches sqrt(k / 3) as k grows.
      Bounds on average over random directions are void here because the seed is public.

    A direction and its opposite make the same slice. Hence the angles cover a half circle, turned by a
    random angle, and the spiral covers a half sphere, turned by a random orthogonal matrix: heights (i +
    1/2) / k, which give each point the same area, and azimuths i times the golden angle. The error of a
    sliced Wasserstein distance then falls about as 1 / k. In one dimension there is only one slice. Sobol
    points are moved to the middle of the intervals of their grid, where the inverse normal distribution function is
    finite, mapped through it and normalised [1]_; the number drawn is the next power of two, cut to k. The
    gain over random directions fades as the dimension grows [2]_.

    References
    ----------
    .. [1] K. Nguyen, N. Bariletto and N. Ho, "Quasi-Monte Carlo for 3D sliced Wasserstein", ICLR 2024,
       arXiv:2309.11713.
    .. [2] V. Petrovic, R. Bardenet and A. Desolneux, arXiv:2509.10166, 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.projections import QuasiMonteCarloProjections
    >>> directions = QuasiMonteCarloProjections().sample(2, n_projections=5, seed=0)
    >>> bool(np.allclose(directions @ directions.T, 5 / 2 * np.eye(2)))
    True
    """

    def _draw(
        self, n_features: int, n_projections: int, rng: np.random.Generator, covariance: FloatArray | None
    ) -> FloatArray:
        if n_features == 1:
            return np.ones((1, n_projections))
        if n_features == 2:
            return _half_circle(n_projections, rng)
        if n_features == 3:
            return haar_blocks(3, 3, rng) @ _half_sphere_spiral(n_projections)
        return _sobol_sphere(n_features, n_projections, rng)


def _half_circle(n_projections: int, rng: np.random.Generator) -> FloatArray:
    # The turn may exceed a half circle: it is what makes each direction uniform on the whole one.
    angles = np.pi * np.arange(n_projections) / n_projections + rng.uniform(0.0, 2.0 * np.pi)
    return np.stack([np.cos(angles), np.sin(angles)])


def _half_sphere_spiral(n_projections: int) -> FloatArray:
    index = np.arange(n_projections)
    height = (index + 0.5) / n_projections
    radius = np.sqrt((1.0 - height) * (1.0 + height))
    azimuth = _GOLDEN_ANGLE * index
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height])


def _sobol_sphere(n_features: int, n_projections: int, rng: np.random.Generator) -> FloatArray:
    if n_features > qmc.Sobol.MAXDIM:
        raise ValueError(
            f"QuasiMonteCarloProjections supports at most {qmc.Sobol.MAXDIM} features. Got {n_features}: "
            "use OrthogonalProjections."
        )
    engine = qmc.Sobol(n_features, scramble=True, bits=_SOBOL_BITS, seed=rng)
    points = engine.random_base2((n_projections - 1).bit_length())[:n_projections]
    # The middle of an interval is never 0, 1 or 1/2. So no value is infinite, and no point lies at the centre, which
    # has no direction.
    normals = ndtri(points + 2.0 ** -(_SOBOL_BITS + 1)).T
    return np.ascontiguousarray(normals / np.linalg.norm(normals, axis=0))
