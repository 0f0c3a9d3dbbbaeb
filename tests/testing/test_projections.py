"""Every projection sampler, ours or a user's, keeps one contract; one that breaks it is told how."""

import itertools

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from skdpflow.projections import (
    OrthogonalProjections,
    PrincipalProjections,
    QuasiMonteCarloProjections,
    UniformProjections,
)
from skdpflow.testing import check_projection_sampler

OURS = [UniformProjections, OrthogonalProjections, QuasiMonteCarloProjections, PrincipalProjections]


class SignProjections(BaseEstimator):
    """A user's sampler: random signs."""

    needs = ()

    def __init__(self, n_projections=None):
        self.n_projections = n_projections

    def sample(self, n_features, *, n_projections, seed, moments=None):
        rng = np.random.default_rng(seed)
        return rng.choice([-1.0, 1.0], size=(n_features, n_projections)) / np.sqrt(n_features)


class PlainMeanSampler:
    """A user's sampler that is no scikit-learn estimator and reads the moments."""

    needs = ("moments",)
    n_projections = None

    def sample(self, n_features, *, n_projections, seed, moments=None):
        first = np.diagonal(moments.covariance) + 1.0
        return np.tile((first / np.linalg.norm(first))[:, None], n_projections)


@pytest.mark.parametrize("n_projections", [None, 4])
@pytest.mark.parametrize("cls", [*OURS, SignProjections])
def test_every_sampler_passes_the_contract(cls, n_projections):
    check_projection_sampler(cls(n_projections=n_projections))


def test_contract_without_scikit_learn():
    check_projection_sampler(PlainMeanSampler())


_calls = itertools.count()


class Forgetful(SignProjections):
    def sample(self, n_features, *, n_projections, seed, moments=None):
        return super().sample(n_features, n_projections=n_projections, seed=next(_calls))


class Rows(SignProjections):
    def sample(self, n_features, *, n_projections, seed, moments=None):
        return super().sample(n_features, n_projections=n_projections, seed=seed).T


class Long(SignProjections):
    def sample(self, n_features, *, n_projections, seed, moments=None):
        return 1.001 * super().sample(n_features, n_projections=n_projections, seed=seed)


class NotANumber(SignProjections):
    def sample(self, n_features, *, n_projections, seed, moments=None):
        return np.full((n_features, n_projections), np.nan)


class Single(SignProjections):
    def sample(self, n_features, *, n_projections, seed, moments=None):
        return super().sample(n_features, n_projections=n_projections, seed=seed).astype(np.float32)


class Listed(SignProjections):
    def sample(self, n_features, *, n_projections, seed, moments=None):
        return super().sample(n_features, n_projections=n_projections, seed=seed).tolist()


class Shared(SignProjections):
    cache = {}  # noqa: RUF012 - the fault under test

    def sample(self, n_features, *, n_projections, seed, moments=None):
        if not isinstance(seed, int):
            return super().sample(n_features, n_projections=n_projections, seed=seed)
        key = (n_features, n_projections, seed)
        if key not in self.cache:
            self.cache[key] = super().sample(n_features, n_projections=n_projections, seed=seed)
        return self.cache[key]


class SeedOnly(SignProjections):
    def sample(self, n_features, *, n_projections, seed, moments=None):
        seed = seed if isinstance(seed, int) else next(_calls)
        return super().sample(n_features, n_projections=n_projections, seed=seed)


class Counting(SignProjections):
    calls_ = 0

    def sample(self, n_features, *, n_projections, seed, moments=None):
        self.calls_ += 1
        return super().sample(n_features, n_projections=n_projections, seed=seed)


class Hungry(SignProjections):
    needs = ("rows",)


@pytest.mark.parametrize(
    ("cls", "error", "message"),
    [
        (Forgetful, AssertionError, "Forgetful.sample must depend on its arguments alone"),
        (SeedOnly, AssertionError, "SeedOnly.sample must repeat itself for Generators"),
        (Counting, AssertionError, "Counting.sample must not change the sampler"),
        (Shared, ValueError, "Shared.sample must return finite columns"),
        (Rows, ValueError, r"Rows.sample must return a float64 array of shape \(1, 3\)"),
        (Long, ValueError, "Long.sample must return finite columns of Euclidean norm 1"),
        (NotANumber, ValueError, "NotANumber.sample must return finite columns"),
        (Single, ValueError, "Got shape .* dtype float32"),
        (Listed, ValueError, "Got list instead"),
        (Hungry, ValueError, "Hungry needs 'rows', which is not known"),
    ],
)
def test_broken_contract_is_found(cls, error, message):
    with pytest.raises(error, match=message):
        check_projection_sampler(cls())
