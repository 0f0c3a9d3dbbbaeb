"""The affine latent space: a smooth bijection of the line to the range of each column."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skdpflow.latent.affine import SOFT_EDGE, AffineTransform, centred

TRANSFORM = AffineTransform(np.array([2**20, 3]))
scores = arrays(np.float64, (4, 2), elements=st.floats(-100.0, 100.0))


@given(scores)
def test_positions_lie_in_the_range_and_lead_back(z):
    positions = TRANSFORM.from_latent(z)
    assert ((positions >= 0) & (positions < TRANSFORM.levels)).all()
    codes = np.floor(positions).astype(np.int64)
    back = TRANSFORM.to_latent(codes, positions - codes)
    # far outside, a double near the end of the range stands for many scores
    np.testing.assert_allclose(back, z, rtol=1e-6, atol=1e-9)


def test_inside_it_is_the_scale_of_the_records():
    positions = np.array([[2**19, 1.5], [2**18, 2.5]], dtype=np.float64)
    codes = np.floor(positions).astype(np.int64)
    z = TRANSFORM.to_latent(codes, positions - codes)
    np.testing.assert_allclose(z, centred(positions, TRANSFORM.levels))
    np.testing.assert_allclose(z, [[0.0, 0.0], [-0.5, 2 / 3]])
    assert np.abs(z).max() < SOFT_EDGE


@pytest.mark.slow
@given(scores)
def test_the_slope_is_the_derivative(z):
    positions = TRANSFORM.from_latent(z)
    codes = np.floor(positions).astype(np.int64)
    h = 1e-5
    step = (TRANSFORM.from_latent(z + h) - TRANSFORM.from_latent(z - h)) / (2 * h)
    near = np.abs(z).max(axis=1) < 3.0
    slope = TRANSFORM.log_slope(z, codes, positions - codes)
    np.testing.assert_allclose(slope[near], -np.log(step[near]).sum(axis=1), atol=1e-3)


def test_unknown_categories_sit_at_the_centre():
    assert TRANSFORM.to_latent(np.array([[5, -1]]), 0.5)[0, 1] == 0.0
