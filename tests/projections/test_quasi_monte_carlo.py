"""Evenly spread directions estimate averages over the sphere better than random ones."""

import numpy as np
import ot
import pytest
from scipy import stats
from scipy.stats import qmc

from skdpflow.projections import QuasiMonteCarloProjections, UniformProjections, spectral_norm

FIRST = np.diag([4.0, 1.0, 0.1])
SECOND = np.array([[1.0, 0.5, 0.2], [0.5, 2.0, -0.3], [0.2, -0.3, 0.5]])


def _slices(directions, first, second):
    """Squared W2 between two centred Gaussians along each direction."""
    sd = [np.sqrt(np.einsum("ik,ij,jk->k", directions, covariance, directions)) for covariance in (first, second)]
    return (sd[0] - sd[1]) ** 2


def _exact_sliced_distance():
    """Average over the sphere by a product rule, exact to rounding for so smooth an integrand."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    height, azimuth = np.meshgrid(nodes, np.linspace(0, 2 * np.pi, 400, endpoint=False), indexing="ij")
    radius = np.sqrt(1 - height**2)
    sphere = np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), height]).reshape(3, -1)
    return _slices(sphere, FIRST, SECOND).reshape(200, 400).mean(axis=1) @ weights / 2


def _rms_error(sampler, n_projections, exact):
    errors = [
        _slices(sampler.sample(3, n_projections=n_projections, seed=seed), FIRST, SECOND).mean() - exact
        for seed in range(100)
    ]
    return np.sqrt(np.mean(np.square(errors)))


def test_sliced_distance_in_three_dimensions():
    # The gains are 3.9, 10.9 and 24 with these seeds; heights off the middle of their bands lose a quarter.
    exact = _exact_sliced_distance()
    for n_projections, gain in [(10, 3.5), (50, 9.5), (200, 21)]:
        ours = _rms_error(QuasiMonteCarloProjections(), n_projections, exact)
        assert gain * ours < _rms_error(UniformProjections(), n_projections, exact)


def _discrepancy(directions):
    """Spherical cap discrepancy of the directions and their opposites (Stolarsky, up to a factor)."""
    cosines = np.clip(directions.T @ directions, -1.0, 1.0)
    return np.sqrt(4 / 3 - (np.sqrt(2 - 2 * cosines) + np.sqrt(2 + 2 * cosines)).mean() / 2)


@pytest.mark.parametrize("n_projections", [10, 50, 200])
def test_discrepancy_in_three_dimensions(n_projections):
    ours = _discrepancy(QuasiMonteCarloProjections().sample(3, n_projections=n_projections, seed=0))
    random = [
        _discrepancy(UniformProjections().sample(3, n_projections=n_projections, seed=seed)) for seed in range(100)
    ]
    assert ours < min(random)


@pytest.mark.statistical
@pytest.mark.parametrize("n_features", [1, 2, 3, 4, 6])
def test_average_over_directions_is_unbiased(n_features):
    # The mean of <u, e>^2 over directions and seeds is 1 / d; normal approximation.
    # False alarm: 1 seed in 10^5 a case.
    rng = np.random.default_rng(1)
    axis = np.arange(1.0, n_features + 1) / np.linalg.norm(np.arange(1.0, n_features + 1))
    values = np.array(
        [
            np.mean((axis @ QuasiMonteCarloProjections().sample(n_features, n_projections=5, seed=rng)) ** 2)
            for _ in range(500)
        ]
    )
    tolerance = 1e-12 + stats.norm.isf(1e-5 / 2) * values.std() / np.sqrt(len(values))
    assert abs(values.mean() - 1 / n_features) < tolerance


def test_sobol_beats_random_directions_in_four_dimensions():
    covariance = np.diag([4.0, 1.0, 0.5, 0.1])
    errors = []
    for sampler in (QuasiMonteCarloProjections(), UniformProjections()):
        draws = (sampler.sample(4, n_projections=64, seed=seed) for seed in range(100))
        # The average of u u^T is I / d, so that of the projected variance is known.
        values = [np.einsum("ik,ij,jk->k", u, covariance, u).mean() - np.trace(covariance) / 4 for u in draws]
        errors.append(np.sqrt(np.mean(np.square(values))))
    assert 1.5 * errors[0] < errors[1]


@pytest.mark.parametrize("n_projections", [2, 3, 7, 40])
def test_plane_is_a_tight_frame_of_distinct_slices(n_projections):
    directions = QuasiMonteCarloProjections().sample(2, n_projections=n_projections, seed=0)
    assert spectral_norm(directions) == pytest.approx(np.sqrt(n_projections / 2), rel=1e-12)
    slices = np.sort(np.arctan2(directions[1], directions[0]) % np.pi)
    np.testing.assert_allclose(np.diff(slices), np.pi / n_projections, rtol=1e-10)


def test_space_is_nearly_a_tight_frame():
    norms = [spectral_norm(QuasiMonteCarloProjections().sample(3, n_projections=k, seed=0)) for k in (9, 60, 400)]
    excess = np.array(norms) / np.sqrt(np.array([9, 60, 400]) / 3) - 1
    assert (excess < [0.08, 0.02, 0.005]).all()


def test_no_two_slices_in_space_coincide():
    directions = QuasiMonteCarloProjections().sample(3, n_projections=100, seed=0)
    cosines = np.abs(directions.T @ directions) - np.eye(100)
    # Caps of 1/200 of the sphere each would have a radius of 0.14 rad.
    assert np.arccos(cosines.max()) > 0.1


def test_one_dimension_has_one_slice():
    assert np.array_equal(QuasiMonteCarloProjections().sample(1, n_projections=3, seed=0), np.ones((1, 3)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_projections", [1, 2, 3, 100, 129])
def test_any_number_of_sobol_points_without_warnings(n_projections):
    assert QuasiMonteCarloProjections().sample(10, n_projections=n_projections, seed=0).shape == (
        10,
        n_projections,
    )


def test_corners_and_centre_of_the_cube_have_directions(monkeypatch):
    # Points a scrambled sequence reaches about once in 10^9 coordinates.
    points = np.array([0.0, 0.5, 1 - 2.0**-30])[:, None] * np.ones(4)
    monkeypatch.setattr(qmc.Sobol, "random_base2", lambda self, m: np.vstack([points, points[:1]]))
    directions = QuasiMonteCarloProjections().sample(4, n_projections=3, seed=0)
    np.testing.assert_allclose(np.abs(directions), 0.5, rtol=1e-12)


def test_too_many_dimensions_for_sobol():
    with pytest.raises(ValueError, match=r"at most 21201 features\. Got 21202: use OrthogonalProjections"):
        QuasiMonteCarloProjections().sample(21_202, n_projections=1, seed=0)


@pytest.mark.parametrize("n_features", [2, 3, 4])
def test_agrees_with_pot(n_features):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(200, n_features)), rng.gamma(2.0, size=(200, n_features))
    directions = QuasiMonteCarloProjections().sample(n_features, n_projections=20, seed=0)
    sorted_gap = np.sort(first @ directions, axis=0) - np.sort(second @ directions, axis=0)
    expected = ot.sliced_wasserstein_distance(first, second, projections=directions, p=2)
    assert np.sqrt(np.mean(sorted_gap**2)) == pytest.approx(expected, rel=1e-10)
