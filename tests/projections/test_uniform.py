"""Independent directions are uniform on the sphere."""

import numpy as np
import pytest
from scipy import stats

from skdpflow.projections import OrthogonalProjections, QuasiMonteCarloProjections, UniformProjections


@pytest.mark.statistical
@pytest.mark.parametrize("n_features", [2, 3, 8])
def test_second_moment_is_identity_over_d(n_features):
    # Normal approximation with a Bonferroni bound over the entries: a right sampler fails for 1 seed in 10^6.
    n_projections, d = 20_000, n_features
    directions = UniformProjections().sample(d, n_projections=n_projections, seed=0)
    sd_diagonal = np.sqrt(2 * (d - 1) / (d**2 * (d + 2)) / n_projections)
    sd_other = np.sqrt(1 / (d * (d + 2)) / n_projections)
    error = directions @ directions.T / n_projections - np.eye(d) / d
    scores = np.abs(error) / np.where(np.eye(d, dtype=bool), sd_diagonal, sd_other)
    assert scores.max() < stats.norm.isf(1e-6 / (d * (d + 1)))


@pytest.mark.statistical
@pytest.mark.parametrize("n_features", [2, 3, 5])
@pytest.mark.parametrize("cls", [UniformProjections, OrthogonalProjections, QuasiMonteCarloProjections])
@pytest.mark.parametrize("column", [0, 3])
def test_each_direction_alone_is_uniform(cls, n_features, column):
    # Over seeds, <u, e> has the density of 2 Beta((d - 1) / 2, (d - 1) / 2) - 1.
    # False alarm: 1 seed in 10^5 a case.
    rng = np.random.default_rng(column)
    axis = np.linspace(1.0, 2.0, n_features) / np.linalg.norm(np.linspace(1.0, 2.0, n_features))
    heights = [axis @ cls().sample(n_features, n_projections=4, seed=rng)[:, column] for _ in range(2_000)]
    half = (n_features - 1) / 2
    assert stats.kstest(heights, stats.beta(half, half, loc=-1, scale=2).cdf).pvalue > 1e-5


def test_directions_in_one_dimension_are_signs():
    assert set(UniformProjections().sample(1, n_projections=50, seed=0).ravel()) == {-1.0, 1.0}


def test_other_seeds_give_other_directions():
    sampler = UniformProjections()
    assert not np.allclose(sampler.sample(4, seed=0), sampler.sample(4, seed=1))
    rng = np.random.default_rng(0)
    assert not np.allclose(sampler.sample(4, seed=rng), sampler.sample(4, seed=rng))
