"""Names, needs, moments, and the bound on the spectral norm."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import BaseEstimator

from skdpflow.projections import (
    Moments,
    OrthogonalProjections,
    PrincipalProjections,
    QuasiMonteCarloProjections,
    UniformProjections,
    as_sampler,
    draw_directions,
    spectral_norm,
)


class Duck(BaseEstimator):
    """A valid sampler whose parts the tests replace."""

    needs = ()
    n_projections = None

    def sample(self, n_features, *, n_projections, seed, moments=None):
        self.seen = moments
        return np.eye(n_features)[:, np.arange(n_projections) % n_features]


@pytest.mark.parametrize(
    ("name", "available", "cls"),
    [
        ("auto", ("moments",), PrincipalProjections),
        ("auto", (), OrthogonalProjections),
        ("principal", ("moments",), PrincipalProjections),
        ("orthogonal", (), OrthogonalProjections),
        ("sobol", (), QuasiMonteCarloProjections),
        ("uniform", (), UniformProjections),
    ],
)
def test_each_name_gives_its_sampler(name, available, cls):
    assert type(as_sampler(name, available=available)) is cls


def test_object_is_returned_as_it_is():
    sampler = OrthogonalProjections(n_projections=3)
    assert as_sampler(sampler) is sampler


def test_unknown_name():
    with pytest.raises(ValueError, match=r"among \{'auto', .*'uniform'\} or a projection sampler. Got 'hal"):
        as_sampler("halton")


def test_unmet_need_names_class_and_need():
    for spec in ("principal", PrincipalProjections()):
        with pytest.raises(ValueError, match=r"PrincipalProjections needs 'moments' \(released .* is missing"):
            as_sampler(spec, available=())


def test_object_without_the_interface():
    with pytest.raises(ValueError, match=r"int is not a projection.*Missing: 'needs', 'n_projections', 'sample'"):
        as_sampler(3)
    with pytest.raises(ValueError, match=r"write OrthogonalProjections\(\)"):
        as_sampler(OrthogonalProjections)


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("needs", "moments", r"The 'needs' of Duck must be a tuple of str.*Got 'moments' instead"),
        ("needs", ("rows",), "Duck needs 'rows', which is not known"),
        ("n_projections", 0, "'n_projections' parameter of Duck must be None or an int >= 1. Got 0 instead"),
        ("n_projections", 2.0, "must be None or an int >= 1. Got 2.0 instead"),
        ("n_projections", True, "must be None or an int >= 1. Got True instead"),
        ("sample", lambda n_features: None, "The 'sample' of Duck must be callable as"),
        ("sample", None, "The 'sample' of Duck must be callable as"),
    ],
)
def test_a_faulty_sampler_is_named(attribute, value, message):
    sampler = Duck()
    setattr(sampler, attribute, value)
    with pytest.raises(ValueError, match=message):
        as_sampler(sampler)


def test_own_number_wins_over_the_callers():
    assert draw_directions(OrthogonalProjections(), 3, n_projections=4, seed=0).shape == (3, 4)
    assert draw_directions(OrthogonalProjections(n_projections=7), 3, n_projections=4, seed=0).shape == (3, 7)
    assert OrthogonalProjections(n_projections=7).sample(3, n_projections=4, seed=0).shape == (3, 7)
    assert OrthogonalProjections().sample(3, seed=0).shape == (3, 3)


def test_moments_go_only_to_samplers_that_declare_the_need():
    moments = Moments(np.zeros(2), np.eye(2))
    sampler = Duck()
    draw_directions(sampler, 2, n_projections=1, seed=0, moments=moments)
    assert sampler.seen is None
    sampler.needs = ("moments",)
    draw_directions(sampler, 2, n_projections=1, seed=0, moments=moments)
    assert sampler.seen is moments
    with pytest.raises(ValueError, match=r"Duck needs 'moments' .*none were given"):
        draw_directions(sampler, 2, n_projections=1, seed=0)


@pytest.mark.parametrize("sampler", [OrthogonalProjections(), UniformProjections(), QuasiMonteCarloProjections()])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_features": 0}, "'n_features' must be an int >= 1. Got 0 instead"),
        ({"n_features": 2.5}, "'n_features' must be an int >= 1. Got 2.5 instead"),
        ({"n_projections": 0}, "'n_projections' must be an int >= 1. Got 0 instead"),
        ({"seed": None}, "'seed' must be an int >= 0 or a numpy.random.Generator. Got None instead"),
        ({"seed": -1}, "'seed' must be an int >= 0"),
        ({"seed": "0"}, "'seed' must be an int >= 0"),
    ],
)
def test_bad_requests(sampler, arguments, message):
    arguments = {"n_features": 3, "n_projections": 2, "seed": 0} | arguments
    with pytest.raises(ValueError, match=message):
        sampler.sample(**arguments)
    with pytest.raises(ValueError, match=message):
        draw_directions(sampler, **arguments)


def test_bad_constructor_value_is_found_on_use():
    sampler = UniformProjections(n_projections=-1)
    with pytest.raises(ValueError, match="parameter of UniformProjections must be None or an int >= 1"):
        sampler.sample(3, seed=0)


def test_numpy_integers_are_integers():
    directions = OrthogonalProjections(n_projections=np.int64(2)).sample(np.int32(3), seed=np.uint8(1))
    assert np.array_equal(directions, OrthogonalProjections().sample(3, n_projections=2, seed=1))


@pytest.mark.parametrize(
    ("mean", "covariance", "message"),
    [
        (0.0, [[1.0]], r"mean of Moments must have shape \(n_features,\). Got \(\) instead"),
        ([], np.empty((0, 0)), r"Got \(0,\) instead"),
        ([0.0, 0.0], [1.0, 1.0], r"must have shape \(2, 2\).*Got \(2,\) instead"),
        ([0.0, 0.0], np.eye(3), r"must have shape \(2, 2\).*Got \(3, 3\) instead"),
        ([0.0, np.nan], np.eye(2), "must be finite"),
        ([0.0, 0.0], [[1.0, 0.0], [0.0, np.inf]], "must be finite"),
        ([0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]], "must be symmetric"),
    ],
)
def test_bad_moments(mean, covariance, message):
    with pytest.raises(ValueError, match=message):
        Moments(mean, covariance)


def test_moments_are_read_only_copies():
    covariance = np.eye(2)
    moments = Moments([0, 1], covariance)
    covariance[0, 0] = 9.0
    assert moments.covariance[0, 0] == 1.0
    assert moments.mean.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        moments.covariance[0, 0] = 9.0


# spectral_norm

_matrices = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.floats(-1e3, 1e3, allow_subnormal=False),
)


@given(_matrices)
@settings(max_examples=200, deadline=None)
def test_spectral_norm_is_never_below_numpy_and_hardly_above(matrix):
    exact = np.linalg.norm(matrix, 2)
    bound = spectral_norm(matrix)
    assert bound >= exact
    assert bound <= exact * (1 + 1e-11)
    assert spectral_norm(matrix.T) >= exact


def _is_positive_semidefinite(matrix):
    """Decide it in rational arithmetic, by symmetric elimination."""
    matrix = [list(row) for row in matrix]
    for j in range(len(matrix)):
        if matrix[j][j] < 0:
            return False
        if matrix[j][j] == 0:
            if any(matrix[i][j] for i in range(j + 1, len(matrix))):
                return False
            continue
        for i in range(j + 1, len(matrix)):
            factor = matrix[i][j] / matrix[j][j]
            for k in range(j, len(matrix)):
                matrix[i][k] -= factor * matrix[j][k]
    return True


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 4), st.integers(1, 4)),
        elements=st.floats(allow_nan=False, allow_infinity=False, min_value=-1e150, max_value=1e150),
    )
)
@settings(max_examples=200, deadline=None)
def test_spectral_norm_bounds_in_exact_arithmetic(matrix):
    bound = Fraction(spectral_norm(matrix))
    columns = [[Fraction(value) for value in column] for column in matrix.T.tolist()]
    gap = [
        [(bound**2 if i == j else 0) - sum(a * b for a, b in zip(u, v, strict=True)) for j, v in enumerate(columns)]
        for i, u in enumerate(columns)
    ]
    assert _is_positive_semidefinite(gap)


def test_spectral_norm_bounds_the_rounding_of_long_sums():
    rng = np.random.default_rng(0)
    for _ in range(50):
        vector = rng.integers(-(2**53), 2**53, size=3_000)
        squared = sum(value * value for value in vector.tolist())
        for matrix in (vector[:, None], vector[None, :], np.outer(vector, [1, 0, 0])):
            bound = Fraction(spectral_norm(matrix)) ** 2
            assert squared <= bound <= squared * (1 + Fraction(1, 10**11))


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-10, 1.0, 1e10, 1e300])
def test_spectral_norm_neither_overflows_nor_vanishes(scale):
    matrix = scale * np.ones((3, 4))
    assert matrix[0, 0] * np.sqrt(12) <= spectral_norm(matrix) <= matrix[0, 0] * np.sqrt(12) * (1 + 1e-2)


def test_spectral_norm_of_integers_and_zeros():
    assert spectral_norm(np.zeros((2, 3))) == 0.0
    assert 5.0 <= spectral_norm(np.array([[3], [4]])) <= 5.0 + 1e-13


@pytest.mark.parametrize("matrix", [np.ones(3), np.ones((0, 2)), np.ones((2, 0)), [[np.nan]], [[1.0, np.inf]]])
def test_spectral_norm_of_bad_input(matrix):
    with pytest.raises(ValueError, match="'directions' must be"):
        spectral_norm(matrix)


def test_spectral_norm_at_a_real_size():
    directions = UniformProjections().sample(200, n_projections=500, seed=0)
    exact = np.linalg.norm(directions, 2)
    assert exact <= spectral_norm(directions) <= exact * (1 + 1e-9)
