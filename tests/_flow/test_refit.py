"""A flow is what its Release makes of it: from_release and refit."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from skdpflow import Categories, DPSlicedWassersteinFlow, Release
from skdpflow.mechanisms import MarginalsMechanism, RecordsMechanism

SEEDS = {"random_state": 0, "noise_random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")


class TestReleases:
    def test_fit_is_from_release(self, X):
        frame = pd.DataFrame(X, columns=["a", "b"])
        y = pd.Series(np.where(X[:, 0] > 0, "up", "down"), name="way")
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), target=Categories(), n_steps=3, n_particles=512)
        flow.fit(frame, y)
        again = DPSlicedWassersteinFlow.from_release(flow.release_)
        for one, two in zip(
            flow.sample_labeled(20, random_state=0), again.sample_labeled(20, random_state=0), strict=True
        ):
            assert one.equals(two)
        assert again.score(frame) == flow.score(frame)
        assert_array_equal(again.score_samples(frame), flow.score_samples(frame))
        assert set(vars(again)) - {"_learnt_from"} == set(vars(flow))
        assert_array_equal(again.classes_, flow.classes_)
        assert_array_equal(again.feature_names_in_, flow.feature_names_in_)
        assert again.privacy_spent_ == flow.privacy_spent_
        assert (again.n_steps, again.n_particles, again.epsilon) == (3, 512, 1.0)

    @pytest.mark.parametrize("what", [None, "release.npz", {"a": 1}])
    def test_anything_else_is_refused(self, what):
        with pytest.raises(ValueError, match=r"must be a Release; Release\.load reads one"):
            DPSlicedWassersteinFlow.from_release(what)

    def test_a_release_with_impossible_parameters_is_refused(self, flow):
        hostile = flow.release_.with_transport({"n_steps": "many"}, {})
        with pytest.raises(ValueError, match="'n_steps' parameter"):
            DPSlicedWassersteinFlow.from_release(hostile)

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")
    def test_refit_changes_the_model_and_spends_nothing(self, monkeypatch):
        # two clusters and little noise, so that the flow has somewhere to go
        rng = np.random.default_rng(0)
        X = rng.normal(size=(2000, 2)) * 0.3 + rng.choice([-2.0, 2.0], (2000, 1))
        flow = DPSlicedWassersteinFlow(20.0, domain=(-4.0, 4.0), **SEEDS).fit(X)
        monkeypatch.setattr(
            "skdpflow.curator.noise.NoiseSource.rounded_gaussian", lambda *a: pytest.fail("noise was drawn")
        )
        release, before = flow.release_, flow.sample(50, random_state=0)
        assert flow.refit() is flow
        assert_array_equal(flow.sample(50, random_state=0), before)
        flow.set_params(n_steps=1, step_size=0.2, n_particles=64).refit()
        assert (flow.sample(50, random_state=0) != before).any()
        assert flow.release_.measurements is release.measurements
        assert {**flow.release_.transport, "seed": 0} == {
            "n_steps": 1, "step_size": 0.2, "n_particles": 64, "seed": 0
        }  # fmt: skip
        again = DPSlicedWassersteinFlow.from_release(flow.release_)
        assert_array_equal(again.sample(50, random_state=0), flow.sample(50, random_state=0))
        flow.set_params(**{k: release.transport[k] for k in ("n_steps", "step_size", "n_particles")}).refit()
        assert_array_equal(flow.sample(50, random_state=0), before)

    def test_refit_checks_parameters_and_needs_a_fit(self, flow):
        with pytest.raises(NotFittedError):
            DPSlicedWassersteinFlow().refit()
        with pytest.raises(ValueError, match="'step_size' parameter"):
            flow.set_params(step_size=2.0).refit()

    def test_refit_takes_what_the_mechanism_allows(self, X):
        flow = DPSlicedWassersteinFlow(
            domain=(-4.0, 4.0), mechanism=RecordsMechanism(), neighbours="replace-one", n_particles=256
        ).fit(X)
        before = flow.sample(50, random_state=0)
        flow.set_params(mechanism__diffusion=0.05, mechanism__radius=0.1).refit()
        assert (flow.sample(50, random_state=0) != before).any()
        assert flow.release_.mechanism["diffusion"] == 0.05
        assert flow.release_.mechanism["radius"] is None  # measured, so it stays
        again = DPSlicedWassersteinFlow.from_release(flow.release_)
        assert_array_equal(again.sample(50, random_state=0), flow.sample(50, random_state=0))
        flow.set_params(mechanism="marginals")
        with pytest.raises(ValueError, match="made by the mechanism 'records', which refit cannot change"):
            flow.refit()

    def test_what_is_done_to_the_mechanism_later_does_not_reach_the_model(self, X):
        mechanism = MarginalsMechanism(n_bins=16)
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), mechanism=mechanism).fit(X)
        mechanism.n_bins = 99
        assert flow.release_.mechanism["n_bins"] == 16

    def test_a_release_travels_by_file(self, X, flow, tmp_path):
        flow.release_.save(tmp_path / "release.npz")
        again = DPSlicedWassersteinFlow.from_release(Release.load(tmp_path / "release.npz"))
        assert_array_equal(again.sample(5, random_state=0), flow.sample(5, random_state=0))
