"""The contract of projection samplers."""

from __future__ import annotations

import copy
import pickle

import numpy as np
from sklearn.base import clone

from skdpflow.projections import Moments, ProjectionSampler, as_sampler, draw_directions

_SHAPES = ((1, 1), (1, 3), (2, 1), (2, 5), (3, 2), (3, 7), (5, 5), (7, 15))


def check_projection_sampler(sampler: ProjectionSampler) -> None:
    """Check that a projection sampler keeps the contract the package relies on.

    In several dimensions, fewer and more directions than features, it must: declare needs that are
    known; return finite float64 unit columns of shape (n_features, n_projections); give the same directions
    for the same seed and moments, whatever was drawn in between, and from a Generator in the same state; and
    survive cloning and pickling.

    Parameters
    ----------
    sampler : ProjectionSampler
        An instance to check. It is left as it was.

    Raises
    ------
    ValueError
        If the object is no sampler, or returns something else than unit columns.
    AssertionError
        If its directions are not repeatable.

    See Also
    --------
    skdpflow.projections.ProjectionSampler : The interface.

    Examples
    --------
    >>> from skdpflow.projections import OrthogonalProjections
    >>> from skdpflow.testing import check_projection_sampler
    >>> check_projection_sampler(OrthogonalProjections())
    """
    sampler = as_sampler(sampler)
    name = type(sampler).__name__
    before = pickle.dumps(sampler)
    first = [_draw(sampler, shape, seed=0) for shape in _SHAPES]
    expected = [directions.copy() for directions in first]
    for directions in first:
        if directions.flags.writeable:
            directions[:] = 0.0  # a sampler that hands out its own memory is found out below
    copies = {
        "the same seed": sampler,
        "a clone": clone(sampler, safe=False),
        "a deep copy": copy.deepcopy(sampler),
        "an unpickled copy": pickle.loads(before),
    }
    for what, other in copies.items():
        for shape, directions in zip(_SHAPES, expected, strict=True):
            assert np.array_equal(_draw(other, shape, seed=0), directions), (
                f"{name}.sample must depend on its arguments alone: {what} gave other directions for "
                f"n_features={shape[0]}, n_projections={shape[1]}."
            )
    for shape in _SHAPES:
        one, two = (_draw(sampler, shape, seed=np.random.default_rng(1)) for _ in range(2))
        assert np.array_equal(one, two), f"{name}.sample must repeat itself for Generators in the same state."
    assert pickle.dumps(sampler) == before, f"{name}.sample must not change the sampler."


def _draw(sampler: ProjectionSampler, shape: tuple[int, int], *, seed: int | np.random.Generator) -> np.ndarray:
    n_features, n_projections = shape
    basis = np.random.default_rng(n_features).standard_normal((n_features, n_features))
    moments = Moments(mean=np.zeros(n_features), covariance=basis @ basis.T)
    return draw_directions(sampler, n_features, n_projections=n_projections, seed=seed, moments=moments)
