"""A user's mechanisms, accountants and projection samplers inside a flow."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator

import skdpflow
from skdpflow import DPSlicedWassersteinFlow, Release
from skdpflow.accountants import GaussianDPAccountant, GaussianEvent, flatten_event
from skdpflow.mechanisms import MarginalsMechanism
from skdpflow.projections import OrthogonalProjections, UniformProjections

pytestmark = pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")


class SignProjections(BaseEstimator):
    """A user's projection sampler."""

    needs = ()

    def __init__(self, n_projections=None):
        self.n_projections = n_projections

    def sample(self, n_features, *, n_projections, seed, moments=None):
        rng = np.random.default_rng(seed)
        return rng.choice([-1.0, 1.0], size=(n_features, n_projections)) / np.sqrt(n_features)


class TwiceTheNoise:
    """A user's accountant, valid and wasteful, that is no scikit-learn estimator."""

    def _shrunk(self, event):
        events = [GaussianEvent(e.noise_multiplier / 2) for e in flatten_event(event)]
        return skdpflow.accountants.ComposedEvent(tuple(events))

    def epsilon(self, event, delta):
        return GaussianDPAccountant().epsilon(self._shrunk(event), delta)

    def delta(self, event, epsilon):
        return GaussianDPAccountant().delta(self._shrunk(event), epsilon)


class HistogramsOnly(BaseEstimator):
    """A user's mechanism: the default one without its slices, under a name of its own."""

    refit_params = ("flavour",)

    def __init__(self, flavour="plain"):
        self.flavour = flavour

    def describe(self):
        return {"name": "histograms-only", "flavour": self.flavour}

    def plan(self, public):
        yield from MarginalsMechanism(n_slices=0).plan(public)

    def learn(self, release):
        return MarginalsMechanism().learn(release)


class TestPlugIns:
    def test_all_kinds_at_once_and_their_release(self, X, tmp_path):
        flow = DPSlicedWassersteinFlow(
            domain=(-4.0, 4.0),
            mechanism=HistogramsOnly(),
            accountant=TwiceTheNoise(),
            projections=SignProjections(),
        ).fit(X)
        release = flow.release_
        assert release.accountant == "TwiceTheNoise"  # and not an address in memory
        assert release.mechanism == {"name": "histograms-only", "flavour": "plain"}
        assert GaussianDPAccountant().epsilon(release.event, 1e-6) < 0.6
        release.save(tmp_path / "release.npz")
        loaded = Release.load(tmp_path / "release.npz")
        with pytest.raises(ValueError, match="'histograms-only'; pass that object as `mechanism`"):
            DPSlicedWassersteinFlow.from_release(loaded)
        again = DPSlicedWassersteinFlow.from_release(loaded, mechanism=HistogramsOnly())
        assert_array_equal(again.sample(9, random_state=0), flow.sample(9, random_state=0))
        assert again.set_params(mechanism__flavour="hot").refit().release_.mechanism["flavour"] == "hot"

    def test_a_sampler_of_ones_own_chooses_the_directions(self, X):
        flow = DPSlicedWassersteinFlow(
            domain=(-4.0, 4.0), mechanism="records", neighbours="replace-one", projections=SignProjections(6)
        ).fit(X)
        directions = flow.release_["records"].params["directions"]
        assert directions.shape == (2, 6)
        assert len(np.unique(np.abs(directions))) == 1
        again = DPSlicedWassersteinFlow.from_release(flow.release_)
        assert_array_equal(again.sample(9, random_state=0), flow.sample(9, random_state=0))

    @pytest.mark.parametrize("projections", ["auto", "orthogonal", "uniform", "sobol", OrthogonalProjections(4)])
    @pytest.mark.parametrize("mechanism", ["marginals", "records"])
    def test_every_mechanism_takes_every_sampler(self, X, mechanism, projections):
        flow = DPSlicedWassersteinFlow(
            domain=(-4.0, 4.0), mechanism=mechanism, neighbours="replace-one", projections=projections
        )
        assert flow.fit(X).sample(2).shape == (2, 2)

    def test_samplers_that_need_moments_are_refused_where_there_are_none(self, X):
        flow = DPSlicedWassersteinFlow(
            domain=(-4.0, 4.0), mechanism="records", neighbours="replace-one", projections="principal"
        )
        with pytest.raises(ValueError, match="PrincipalProjections needs 'moments'"):
            flow.fit(X)

    def test_samplers_are_drawn_from_the_public_seed(self, X):
        flow = DPSlicedWassersteinFlow(
            domain=(-4.0, 4.0), mechanism="records", neighbours="replace-one",
            projections=UniformProjections(5), random_state=0,
        )  # fmt: skip
        one, two = (flow.fit(X).release_["records"].params["directions"] for _ in range(2))
        assert_array_equal(one, two)
