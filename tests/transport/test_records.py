"""The paper's flow: its step, its blocks and the layers that are learnt from it."""

import numpy as np
import pytest
from scipy.stats import kstest

from skdpflow.projections import OrthogonalProjections, UniformProjections
from skdpflow.transport.records import direction_blocks, knot_ranks, learn_layers, quantile_step, quantiles_at

N, D, K = 500, 4, 10


@pytest.fixture
def setting():
    rng = np.random.default_rng(0)
    directions = UniformProjections().sample(D, n_projections=K, seed=0)
    return rng.standard_normal((D, N)), directions, rng.exponential(size=(K, 300))


def paper_step(particles, directions, samples, step):
    """Mean over directions of theta (F_target^-1(F_particles(p)) - p), one direction at a time."""
    moved = particles.copy()
    for theta, sample in zip(directions.T, samples, strict=True):
        p = theta @ particles
        level = (p.argsort().argsort() + 0.5) / N
        target = np.quantile(sample, level, method="hazen")
        moved += step / K * np.outer(theta, target - p)
    return moved


def test_a_knot_at_every_particle_gives_the_step_of_the_paper(setting):
    particles, directions, samples = setting
    targets = quantiles_at(np.arange(N), N, samples)
    before = particles.copy()
    moved, _ = quantile_step(particles, directions, directions / K, targets, np.arange(N), 0.7, invertible=False)
    np.testing.assert_allclose(moved, paper_step(particles, directions, samples, 0.7), atol=1e-12)
    np.testing.assert_array_equal(particles, before)


def test_following_a_block_is_a_step_of_the_paper_with_a_longer_step(setting):
    particles, _, samples = setting
    basis = OrthogonalProjections().sample(D, n_projections=D, seed=0)
    targets = quantiles_at(np.arange(N), N, samples[:D])
    moved, _ = quantile_step(particles, basis, basis, targets, np.arange(N), 0.2, invertible=False)
    expected = particles.copy()
    for theta, target in zip(basis.T, targets, strict=True):
        p = theta @ particles
        expected += (D * 0.2) / D * np.outer(theta, target[p.argsort().argsort()] - p)
    np.testing.assert_allclose(moved, expected, atol=1e-12)


def test_few_knots_come_close(setting):
    particles, directions, samples = setting
    ranks = knot_ranks(N)
    assert len(ranks) < 70
    assert ranks[0] >= 0
    assert ranks[-1] < N
    moved, _ = quantile_step(particles, directions, directions / K, quantiles_at(ranks, N, samples), ranks, 1.0)
    assert np.abs(moved - paper_step(particles, directions, samples, 1.0)).max() < 0.1


@pytest.mark.parametrize("k", [3, 4, 9, 12])
def test_blocks_are_cut_where_a_basis_ends(k):
    directions = OrthogonalProjections().sample(4, n_projections=k, seed=1)
    rounded = np.rint(directions * 1000)
    rounded /= np.linalg.norm(rounded, axis=0)
    blocks = direction_blocks(rounded)
    assert [b.stop - b.start for b, _ in blocks] == [4] * (k // 4) + ([k % 4] if k % 4 else [])
    for block, duals in blocks:
        width = block.stop - block.start
        np.testing.assert_allclose(rounded[:, block].T @ duals, np.eye(width), atol=1e-12)


def test_a_direction_orthogonal_to_no_neighbour_stands_alone():
    directions = np.array([[1.0, 0.8, 1.0], [0.0, 0.6, 0.0]])
    assert [(b.start, b.stop) for b, _ in direction_blocks(directions)] == [(0, 1), (1, 2), (2, 3)]


def test_layers_reach_the_targets_and_are_invertible():
    rng = np.random.default_rng(0)
    start = rng.standard_normal((4000, 2))
    basis = OrthogonalProjections().sample(2, n_projections=2, seed=0)
    samples = np.vstack([rng.exponential(size=3000), rng.uniform(size=3000)])
    layers, scales = learn_layers(
        start,
        basis,
        quantiles_at(knot_ranks(4000), 4000, samples),
        n_passes=1,
        step_size=1.0,
        diffusion=0.0,
        rng=rng,
    )
    assert len(layers) == 1
    assert scales == (0.0,)
    fresh = rng.standard_normal((4000, 2))
    moved = layers[0].forward(fresh)
    for p, sample in zip((moved @ basis).T, samples, strict=True):
        assert kstest(p, sample).statistic < 0.05
    back, _ = layers[0].inverse(moved)
    np.testing.assert_allclose(back, fresh, atol=1e-8)


def test_the_wiener_term_has_the_scale_of_the_paper():
    rng = np.random.default_rng(0)
    directions = OrthogonalProjections().sample(3, n_projections=5, seed=0)
    targets = np.zeros((5, len(knot_ranks(100))))
    _, scales = learn_layers(
        rng.standard_normal((100, 3)), directions, targets, n_passes=2, step_size=0.5, diffusion=0.02, rng=rng
    )
    # the paper's step is the number of directions of a block times ours
    per_block = [np.sqrt(2 * (3 * 0.5) * 0.02), np.sqrt(2 * (2 * 0.5) * 0.02)]
    np.testing.assert_allclose(scales, per_block * 2)
