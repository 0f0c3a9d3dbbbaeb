"""Stacked orthonormal blocks."""

import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from skdpflow.projections import OrthogonalProjections, UniformProjections, spectral_norm


@given(st.integers(1, 9), st.integers(1, 30), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_blocks_are_orthonormal_and_the_norm_is_known(n_features, n_projections, seed):
    directions = OrthogonalProjections().sample(n_features, n_projections=n_projections, seed=seed)
    for start in range(0, n_projections, n_features):
        block = directions[:, start : start + n_features]
        np.testing.assert_allclose(block.T @ block, np.eye(block.shape[1]), atol=1e-12)
    known = np.sqrt(-(-n_projections // n_features))
    assert known * (1 - 1e-12) <= spectral_norm(directions) <= known * (1 + 1e-12)


def test_whole_multiples_are_tight_frames():
    directions = OrthogonalProjections().sample(5, n_projections=15, seed=0)
    np.testing.assert_allclose(directions @ directions.T, 3 * np.eye(5), atol=1e-12)
    # No unit directions do better, and random ones do worse.
    assert spectral_norm(directions) < spectral_norm(UniformProjections().sample(5, n_projections=15, seed=0))


@pytest.mark.statistical
def test_blocks_are_haar_distributed():
    # Moments of a Haar orthogonal matrix that a QR without sign correction misses: the trace has mean 0 and
    # variance 1, and so has that of the square up to its mean 1 (variance 2). False alarm: 1 seed in 10^5.
    n_blocks, d = 4_000, 6
    blocks = OrthogonalProjections().sample(d, n_projections=d * n_blocks, seed=0).reshape(d, n_blocks, d)
    traces = np.einsum("ibi->b", blocks)
    squares = np.einsum("ibj,jbi->b", blocks, blocks)
    threshold = stats.norm.isf(1e-5 / 4)
    assert abs(traces.mean()) < threshold / np.sqrt(n_blocks)
    assert abs(squares.mean() - 1.0) < threshold * np.sqrt(2 / n_blocks)


def test_sliced_distance_of_a_translation_is_exact():
    rng = np.random.default_rng(0)
    rows, shift = rng.normal(size=(50, 4)), np.array([1.0, -2.0, 0.5, 3.0])
    directions = OrthogonalProjections().sample(4, n_projections=8, seed=0)
    distance = ot.sliced_wasserstein_distance(rows, rows + shift, projections=directions, p=2)
    assert distance == pytest.approx(np.linalg.norm(shift) / np.sqrt(4), rel=1e-12)
