"""Principal axes of released moments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard

from skdpflow.projections import Moments, OrthogonalProjections, PrincipalProjections, spectral_norm


def _moments(axes, eigenvalues):
    return Moments(np.zeros(len(axes)), (axes * eigenvalues) @ axes.T)


@given(st.integers(1, 6), st.integers(1, 20), st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
def test_axes_come_first_then_orthonormal_blocks(n_features, n_projections, seed):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(n_features, n_features)))[0]
    eigenvalues = np.arange(n_features, 0, -1) - 1.5  # noise can make a released eigenvalue negative
    directions = PrincipalProjections().sample(
        n_features, n_projections=n_projections, seed=seed, moments=_moments(axes, eigenvalues)
    )
    first = min(n_features, n_projections)
    np.testing.assert_allclose(np.abs(np.sum(axes[:, :first] * directions[:, :first], axis=0)), 1.0, rtol=1e-10)
    for start in range(0, n_projections, n_features):
        block = directions[:, start : start + n_features]
        np.testing.assert_allclose(block.T @ block, np.eye(block.shape[1]), atol=1e-12)
    assert spectral_norm(directions) <= np.sqrt(-(-n_projections // n_features)) * (1 + 1e-12)


def test_axes_do_not_depend_on_the_seed_nor_on_the_last_bit():
    # All entries of these axes tie for the largest, the worst case for a sign rule.
    axes = hadamard(4) / 2.0
    moments = _moments(axes, np.array([4.0, 3.0, 2.0, 1.0]))
    rng = np.random.default_rng(0)
    for seed in range(20):
        nudge = rng.normal(scale=1e-15, size=(4, 4))
        nudged = Moments(moments.mean, moments.covariance + nudge + nudge.T)
        directions = PrincipalProjections().sample(4, n_projections=8, seed=seed, moments=nudged)
        np.testing.assert_allclose(directions[:, :4], axes, atol=1e-12)
        np.testing.assert_allclose(directions[:, 4:], OrthogonalProjections().sample(4, seed=seed), atol=1e-12)


@pytest.mark.parametrize(
    ("moments", "message"),
    [
        (None, r"PrincipalProjections needs 'moments' \(released moments: .*none were given"),
        (np.eye(3), "got ndarray instead of Moments"),
        (Moments(np.zeros(2), np.eye(2)), r"moments of 2 feature\(s\), but n_features=3"),
    ],
)
def test_bad_moments(moments, message):
    with pytest.raises(ValueError, match=message):
        PrincipalProjections().sample(3, seed=0, moments=moments)
