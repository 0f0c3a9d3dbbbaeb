"""Directions along which the data are sliced: chosen from public knowledge and released values only."""

from __future__ import annotations

from skdpflow._validation import check_choice

from .base import Moments, ProjectionSampler, _check_sampler, draw_directions, spectral_norm
from .orthogonal import OrthogonalProjections
from .principal import PrincipalProjections
from .quasi_monte_carlo import QuasiMonteCarloProjections
from .uniform import UniformProjections

__all__ = [
    "Moments",
    "OrthogonalProjections",
    "PrincipalProjections",
    "ProjectionSampler",
    "QuasiMonteCarloProjections",
    "UniformProjections",
    "as_sampler",
    "draw_directions",
    "spectral_norm",
]


def as_sampler(
    spec: str | ProjectionSampler,
    *,
    available: tuple[str, ...] = ("moments",),
    owner: str = "as_sampler",
) -> ProjectionSampler:
    """Resolve the name of a projection sampler, or check an object once.

    Parameters
    ----------
    spec : {"auto", "orthogonal", "principal", "sobol", "uniform"} or ProjectionSampler
        "auto" takes the principal axes first and then orthogonal blocks where moments are
        available, and orthogonal blocks alone elsewhere.
    available : tuple of str, default=("moments",)
        What the caller can offer besides the dimension; ``()`` where no moments are released.
    owner : str, default="as_sampler"
        Whose parameter it is, for messages.

    Returns
    -------
    ProjectionSampler
        A new sampler for a name, the object itself otherwise.

    Raises
    ------
    ValueError
        If the name is not known, or the object is no sampler or needs what is not available. The
        message names the class, the need and what is missing.

    See Also
    --------
    draw_directions : Call the sampler and check what it returns.

    Examples
    --------
    >>> from skdpflow.projections import as_sampler
    >>> as_sampler("auto")
    PrincipalProjections()
    >>> as_sampler("auto", available=())
    OrthogonalProjections()
    """
    if not isinstance(spec, str):
        return _check_sampler(spec, available=available)
    named: dict[str, type[ProjectionSampler]] = {
        "auto": PrincipalProjections if "moments" in available else OrthogonalProjections,
        "orthogonal": OrthogonalProjections,
        "principal": PrincipalProjections,
        "sobol": QuasiMonteCarloProjections,
        "uniform": UniformProjections,
    }
    name = check_choice(owner, "projections", spec, named, otherwise="a projection sampler")
    return _check_sampler(named[name](), available=available)
