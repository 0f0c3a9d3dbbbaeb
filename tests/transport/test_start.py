"""Where a flow starts: densities integrate to one, and points have the moments that are asked for."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, multivariate_t

from skdpflow.mechanisms.cells import predicted_cells, sides_of
from skdpflow.transport.flow import Leaf
from skdpflow.transport.start import REST, CutGaussian, Gaussian

WHOLE = Gaussian(np.array([1.0, -0.5]), np.array([[2.0, 0.6], [0.6, 0.5]]))
_, CENTRES, SHAPES = predicted_cells(WHOLE.mean[None], WHOLE.covariance[None], 2)
UNMOVED = CutGaussian(WHOLE, sides_of(2), np.ones(4), CENTRES[0], np.array([SHAPES[0]] * 4))
STRETCH = np.array([[1.2, 0.1], [-0.2, 0.6]])
MOVED = CutGaussian(
    WHOLE,
    sides_of(1),
    np.array([30.0, 10.0]),  # weights need not sum to one
    np.array([[0.0, 0.5], [3.0, -1.0]]),
    np.array([np.eye(2) * 0.7, STRETCH @ STRETCH.T]),
)


def moments_of(start):
    """Of a mixture with the moments of its pieces, and of the whole."""
    w = np.append((1.0 - REST) * start.weights / start.weights.sum(), REST)
    means, shapes = [*start.means, WHOLE.mean], [*start.covariances, WHOLE.covariance]
    mean = w @ means
    second = sum(p * (s + np.outer(m, m)) for p, m, s in zip(w, means, shapes, strict=True))
    return mean, second - np.outer(mean, mean)


@pytest.mark.parametrize("start", [UNMOVED, MOVED])
@pytest.mark.parametrize("how", ["sample", "leaf", "push"])
def test_points_have_the_moments_that_are_asked_for(start, how):
    rng = np.random.default_rng(0)
    if how == "push":
        z = start.push(rng.standard_normal((100_000, 2)))
    else:
        z = (start if how == "sample" else Leaf(start)).sample(100_000, rng)
    mean, covariance = moments_of(start)
    assert np.allclose(z.mean(axis=0), mean, atol=0.03)
    assert np.allclose(np.cov(z.T), covariance, atol=0.04)


def test_pieces_that_did_not_move_make_the_whole():
    z = np.random.default_rng(1).normal(size=(200, 2)) * 2.0
    oracle = multivariate_normal(WHOLE.mean, WHOLE.covariance).logpdf(z)
    assert np.allclose(WHOLE.log_density(z), oracle)
    assert np.allclose(UNMOVED.log_density(z), oracle)


def test_the_density_integrates_to_one_and_is_that_of_the_samples():
    proposal = multivariate_t(MOVED.whole.mean, 4.0 * WHOLE.covariance, df=5)
    z = proposal.rvs(200_000, random_state=2)
    weight = np.exp(MOVED.log_density(z) - proposal.logpdf(z))
    assert abs(weight.mean() - 1.0) < 0.02
    drawn = MOVED.sample(100_000, np.random.default_rng(3))
    for event in (lambda x: x[:, 0] > 1.5, lambda x: x[:, 1] > 0.0, lambda x: (x**2).sum(axis=1) < 1.0):
        assert abs((weight * event(z)).mean() - event(drawn).mean()) < 0.01


def test_rows_are_not_sorted_by_their_piece():
    z = MOVED.sample(4000, np.random.default_rng(2))
    assert abs(z[:2000, 0].mean() - z[2000:, 0].mean()) < 0.2


def test_none_are_drawn_if_none_are_wanted():
    assert MOVED.sample(0, np.random.default_rng(0)).shape == (0, 2)
