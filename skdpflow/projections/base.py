"""What a projection sampler is, what it may be given, and the checks around one."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from numbers import Integral
from typing import Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt

Seed: TypeAlias = int | np.random.Generator
FloatArray: TypeAlias = npt.NDArray[np.float64]

_KNOWN_NEEDS = {"moments": "released moments: a private mean and covariance"}
_UNIT_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Moments:
    """Released first and second moments, as a projection sampler may see them.

    The values come out of a `Release`: they are noisy, public, and anything computed from
    them is post-processing. Never build one from raw rows.

    Parameters
    ----------
    mean : array-like of shape (n_features,)
        Released mean. Stored as a read-only float64 copy.
    covariance : array-like of shape (n_features, n_features)
        Released covariance, symmetric. It need not be positive semi-definite, as noise may have
        made some eigenvalues negative. Stored as a read-only float64 copy.

    Raises
    ------
    ValueError
        If a shape is wrong, a value is not finite, or the covariance is not symmetric.

    See Also
    --------
    PrincipalProjections : The sampler that needs them.

    Examples
    --------
    >>> from skdpflow.projections import Moments
    >>> Moments(mean=[0.0, 1.0], covariance=[[2.0, 0.5], [0.5, 1.0]]).n_features
    2
    """

    mean: FloatArray
    covariance: FloatArray

    def __post_init__(self) -> None:
        mean = np.array(self.mean, dtype=np.float64)
        covariance = np.array(self.covariance, dtype=np.float64)
        if mean.ndim != 1 or mean.size == 0:
            raise ValueError(f"The mean of Moments must have shape (n_features,). Got {mean.shape} instead.")
        if covariance.shape != (mean.size, mean.size):
            raise ValueError(
                f"The covariance of Moments must have shape {(mean.size, mean.size)}, as its mean has "
                f"{mean.size} feature(s). Got {covariance.shape} instead."
            )
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise ValueError("Moments must be finite. Got NaN or infinity.")
        if not np.allclose(covariance, covariance.T, rtol=0.0, atol=1e-9 * np.abs(covariance).max()):
            raise ValueError("The covariance of Moments must be symmetric.")
        mean.flags.writeable = False
        covariance.flags.writeable = False
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)

    @property
    def n_features(self) -> int:
        """Number of features.

        Returns
        -------
        int
            Length of the mean.
        """
        return int(self.mean.size)


class ProjectionSampler(Protocol):
    """What an object must offer to choose the directions along which the data are sliced.

    Directions are the columns of a matrix of shape (n_features, n_projections), so that rows
    are projected by ``X @ directions``. A sampler sees the dimension and, where it says so, released
    moments. It never sees a row, so its directions are public. It keeps no state.

    Attributes
    ----------
    needs : tuple of str
        What else than the dimension the sampler must be given: ``()`` or ``("moments",)``.
    n_projections : int or None
        The number of directions the sampler insists on, or None for as many as the caller asks for.

    See Also
    --------
    as_sampler : Resolve a name, or check an object.
    draw_directions : Call a sampler and check what it returns.

    Notes
    -----
    For records in a ball of radius R, the directions enter the L2 sensitivity of what is
    released along them as follows.

    * Sliced histograms: a record changes one bin per direction, so the sensitivity is sqrt(k) under
      add-remove and sqrt(2 k) under replace-one for k directions, whatever these are.
    * Records (one noisy line ``directions.T @ x`` per row, replace-one): 2 R sigma_max(directions), with
      `spectral_norm` of the matrix really used.

    Examples
    --------
    A sampler of one's own that slices along the coordinate axes, over and over:

    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator
    >>> from skdpflow.projections import as_sampler, draw_directions
    >>> class AxisProjections(BaseEstimator):
    ...     needs = ()
    ...     def __init__(self, n_projections=None):
    ...         self.n_projections = n_projections
    ...     def sample(self, n_features, *, n_projections, seed, moments=None):
    ...         return np.eye(n_features)[:, np.arange(n_projections) % n_features]
    >>> draw_directions(as_sampler(AxisProjections()), 2, n_projections=3, seed=0)
    array([[1., 0., 1.],
           [0., 1., 0.]])
    """

    @property
    def needs(self) -> tuple[str, ...]:
        """What else than the dimension the sampler must be given."""
        ...

    @property
    def n_projections(self) -> int | None:
        """The number of directions the sampler insists on, if any."""
        ...

    def sample(self, n_features: int, *, n_projections: int, seed: Seed, moments: Moments | None = None) -> FloatArray:
        """Draw unit directions, one per column, the same ones for the same seed.

        Parameters
        ----------
        n_features : int
            Dimension of the space.
        n_projections : int
            Number of directions wanted. It equals the sampler's own `n_projections` where that is not None.
        seed : int or numpy.random.Generator
            Public randomness. A Generator is advanced by the call.
        moments : Moments or None, default=None
            Released moments, given to samplers that need them.

        Returns
        -------
        ndarray of shape (n_features, n_projections), dtype float64
            Directions with columns of unit Euclidean norm.
        """
        ...


def _check_sampler(sampler: object, *, available: tuple[str, ...] = ("moments",)) -> ProjectionSampler:
    """Return the object if it is a sampler whose needs can be met, or say what is missing."""
    if isinstance(sampler, type):
        raise ValueError(
            f"A sampler must be an instance. Got the class {sampler.__name__}: write {sampler.__name__}()."
        )
    name = type(sampler).__name__
    missing = [attribute for attribute in ("needs", "n_projections", "sample") if not hasattr(sampler, attribute)]
    if missing:
        raise ValueError(
            f"{name} is not a projection sampler. It must have 'needs', 'n_projections' and "
            "'sample(n_features, *, n_projections, seed, moments)'. "
            f"Missing: {', '.join(map(repr, missing))}."
        )
    found = cast(ProjectionSampler, sampler)
    if not isinstance(found.needs, tuple) or not all(isinstance(need, str) for need in found.needs):
        raise ValueError(
            f"The 'needs' of {name} must be a tuple of str, such as () or ('moments',). Got {found.needs!r} instead."
        )
    for need in found.needs:
        if need not in _KNOWN_NEEDS:
            raise ValueError(f"{name} needs {need!r}, which is not known. A sampler may need: {sorted(_KNOWN_NEEDS)}.")
        if need not in available:
            raise ValueError(
                f"{name} needs {need!r} ({_KNOWN_NEEDS[need]}), which is missing: it is not released here. "
                "Use a sampler that needs the dimension only, such as OrthogonalProjections."
            )
    if found.n_projections is not None:
        _check_positive_int(found.n_projections, f"The 'n_projections' parameter of {name} must be None or")
    try:
        inspect.signature(found.sample).bind(2, n_projections=1, seed=0, moments=None)
    except TypeError as error:
        raise ValueError(
            f"The 'sample' of {name} must be callable as "
            f"sample(n_features, n_projections=..., seed=..., moments=...): {error}."
        ) from None
    return found


def draw_directions(
    sampler: ProjectionSampler,
    n_features: int,
    *,
    n_projections: int,
    seed: Seed,
    moments: Moments | None = None,
) -> FloatArray:
    """Draw directions from a sampler and check that they keep its contract.

    Parameters
    ----------
    sampler : ProjectionSampler
        Where the directions come from.
    n_features : int
        Dimension of the space.
    n_projections : int
        Number of directions the caller asks for. A sampler with an `n_projections` of its own draws
        that many instead.
    seed : int or numpy.random.Generator
        Public randomness. A Generator is advanced by the call.
    moments : Moments or None, default=None
        Released moments. Handed on only to a sampler that declares the need.

    Returns
    -------
    ndarray of shape (n_features, k), dtype float64
        Directions as unit columns, k being the sampler's `n_projections` or else the caller's.

    Raises
    ------
    ValueError
        If the request is not valid, needed moments are missing or of another dimension, or the sampler
        returns anything else than k finite float64 unit columns.

    Notes
    -----
    The same seed gives the same directions with the same numerical libraries. Another linear algebra library may round
    otherwise, so the matrix that was used must be stored with a release.

    Examples
    --------
    >>> from skdpflow.projections import OrthogonalProjections, draw_directions
    >>> draw_directions(OrthogonalProjections(), 5, n_projections=8, seed=0).shape
    (5, 8)
    >>> draw_directions(OrthogonalProjections(n_projections=10), 5, n_projections=8, seed=0).shape
    (5, 10)
    """
    n_features, n_projections = _check_request(sampler, n_features, n_projections)
    name = type(sampler).__name__
    if "moments" in sampler.needs:
        moments = _check_moments(sampler, moments, n_features)
    else:
        moments = None
    directions = sampler.sample(n_features, n_projections=n_projections, seed=_check_seed(seed), moments=moments)
    expected = (n_features, n_projections)
    got = type(directions).__name__
    if isinstance(directions, np.ndarray):
        got = f"shape {directions.shape}, dtype {directions.dtype}"
    if got != f"shape {expected}, dtype float64":
        raise ValueError(f"{name}.sample must return a float64 array of shape {expected}. Got {got} instead.")
    # In this form, NaN fails too.
    if not np.all(np.abs(np.linalg.norm(directions, axis=0) - 1.0) <= _UNIT_TOLERANCE):
        raise ValueError(f"{name}.sample must return finite columns of Euclidean norm 1 (to {_UNIT_TOLERANCE}).")
    return directions


def _check_positive_int(value: object, must_be: str) -> int:
    """Return an integer of at least one, or say what must be one."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{must_be} an int >= 1. Got {value!r} instead.")
    return int(value)


def _check_request(sampler: ProjectionSampler, n_features: int, n_projections: int | None) -> tuple[int, int]:
    """Check the dimension and solve the number: the sampler's own, the caller's, or the dimension."""
    n_features = _check_positive_int(n_features, "'n_features' must be")
    if sampler.n_projections is not None:
        name = type(sampler).__name__
        wanted = _check_positive_int(sampler.n_projections, f"The 'n_projections' parameter of {name} must be None or")
    elif n_projections is not None:
        wanted = _check_positive_int(n_projections, "'n_projections' must be")
    else:
        wanted = n_features
    return n_features, wanted


def _check_seed(seed: Seed) -> Seed:
    """Refuse what would not make the directions repeatable, None included: they are public."""
    if isinstance(seed, np.random.Generator):
        return seed
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"'seed' must be an int >= 0 or a numpy.random.Generator. Got {seed!r} instead.")
    return int(seed)


def _check_moments(sampler: ProjectionSampler, moments: Moments | None, n_features: int) -> Moments:
    """Return the moments a sampler needs, or say that they are missing or do not fit."""
    name = type(sampler).__name__
    if not isinstance(moments, Moments):
        got = "none were given" if moments is None else f"got {type(moments).__name__} instead of Moments"
        raise ValueError(f"{name} needs 'moments' ({_KNOWN_NEEDS['moments']}): {got}.")
    if moments.n_features != n_features:
        raise ValueError(f"{name} was given moments of {moments.n_features} feature(s), but n_features={n_features}.")
    return moments


def spectral_norm(directions: npt.ArrayLike) -> float:
    """Upper bound on the largest singular value of a matrix, rounded up.

    This is the factor by which projecting can stretch a difference of two records, hence what the
    sensitivity of the records mechanism is computed from. The bound holds for the matrix given, bit for bit,
    rounding errors included.

    Parameters
    ----------
    directions : array-like of shape (n_features, n_projections)
        Finite real matrix, usually the rounded directions that are really used. Its columns need not be unit.

    Returns
    -------
    float
        A number not below sigma_max(directions), and above it by a relative 1e-9 at most at usual sizes.

    Raises
    ------
    ValueError
        If the input is not a non-empty, finite, two-dimensional array.

    Notes
    -----
    Let G be the smaller of the two Gram matrices, of order m and inner dimension n. Let c be slightly above the
    computed largest eigenvalue. A Cholesky factorisation of c I - G that runs to completion proves
    that lambda_max(G) <= c + slack. The slack bounds the rounding of the factorisation, (m + 1) u m c to
    first order [1]_, of c - G_ii, and of the Gram matrix itself, n u ||directions||_F^2; all are doubled. An
    eigenvalue solver alone would give no constant to rely on.

    References
    ----------
    .. [1] S. M. Rump, "Verification of positive definiteness", BIT Numerical Mathematics 46, 433-452, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.projections import OrthogonalProjections, spectral_norm
    >>> directions = OrthogonalProjections().sample(4, n_projections=8, seed=0)
    >>> bool(np.sqrt(8 / 4) <= spectral_norm(directions) <= np.sqrt(8 / 4) * (1 + 1e-12))
    True
    """
    matrix = np.asarray(directions, dtype=np.float64)
    if matrix.ndim != 2 or matrix.size == 0:
        raise ValueError(f"'directions' must be a non-empty array of two dimensions. Got shape {matrix.shape} instead.")
    if not np.isfinite(matrix).all():
        raise ValueError("'directions' must be finite. Got NaN or infinity.")
    largest = float(np.abs(matrix).max())
    if largest == 0.0:
        return 0.0
    # A power of two, so that scaling is exact and no square overflows or vanishes.
    exponent = int(np.frexp(largest)[1])
    matrix = np.ldexp(matrix, -exponent)
    gram = matrix.T @ matrix if matrix.shape[1] <= matrix.shape[0] else matrix @ matrix.T
    order, inner = min(matrix.shape), max(matrix.shape)
    eps = float(np.finfo(np.float64).eps)  # twice the unit roundoff u: this is the doubling of the Notes
    gram_slack = eps * (inner + 4) * float(np.sum(matrix**2))
    bound = float(np.linalg.eigvalsh(gram)[-1])
    step = gram_slack
    while True:
        bound += step
        slack = gram_slack + eps * (order + 4) * order * bound
        try:
            np.linalg.cholesky(bound * np.eye(order) - gram)
        except np.linalg.LinAlgError:
            step *= 2.0
        else:
            root = np.nextafter(np.sqrt(np.nextafter(bound + slack, np.inf)), np.inf)
            # Scaling back may round, but only among subnormal numbers.
            return float(np.nextafter(np.ldexp(root, exponent), np.inf))
