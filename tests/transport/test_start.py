"""Where a flow starts: densities integrate to one, and points have the moments that are asked for."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from skdpflow.transport.flow import Leaf
from skdpflow.transport.start import Gaussian, Mixture

PARTS = (
    Gaussian(np.array([-1.0, 0.5]), np.array([[1.0, 0.4], [0.4, 0.5]])),
    Gaussian(np.array([2.0, 0.0]), np.array([[0.2, -0.1], [-0.1, 0.3]])),
)
MIXTURE = Mixture(np.array([30.0, 10.0]), PARTS)  # weights need not sum to one


def moments(z):
    return z.mean(axis=0), np.cov(z.T)


def expected():
    w = np.array([0.75, 0.25])
    mean = sum(p * g.mean for p, g in zip(w, PARTS, strict=True))
    second = sum(p * (g.covariance + np.outer(g.mean, g.mean)) for p, g in zip(w, PARTS, strict=True))
    return mean, second - np.outer(mean, mean)


@pytest.mark.parametrize("draw", [lambda n, rng: MIXTURE.sample(n, rng), lambda n, rng: Leaf(MIXTURE).sample(n, rng)])
def test_samples_have_the_moments_of_the_mixture(draw):
    found = moments(draw(100_000, np.random.default_rng(0)))
    for one, other in zip(found, expected(), strict=True):
        assert np.allclose(one, other, atol=0.03)


def test_pushed_points_have_the_moments_of_the_mixture():
    found = moments(MIXTURE.push(np.random.default_rng(1).standard_normal((100_000, 2))))
    for one, other in zip(found, expected(), strict=True):
        assert np.allclose(one, other, atol=0.03)


def test_rows_are_not_sorted_by_their_part():
    z = MIXTURE.sample(4000, np.random.default_rng(2))
    assert abs(z[:2000, 0].mean() - z[2000:, 0].mean()) < 0.2


def test_densities_are_those_of_an_independent_library():
    z = np.random.default_rng(3).normal(size=(50, 2))
    each = [multivariate_normal(g.mean, g.covariance).pdf(z) for g in PARTS]
    assert np.allclose(PARTS[0].log_density(z), np.log(each[0]))
    assert np.allclose(np.exp(MIXTURE.log_density(z)), 0.75 * each[0] + 0.25 * each[1])


def test_none_are_drawn_if_none_are_wanted():
    assert MIXTURE.sample(0, np.random.default_rng(0)).shape == (0, 2)
