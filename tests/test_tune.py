"""Parameters of the flow, chosen against slices that are held back: what they cost, and what they tell."""

import dataclasses
import io

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import skdpflow._rows
from skdpflow import Categories, DPSlicedWassersteinFlow, Interval, Release
from skdpflow._pooling import pooled
from skdpflow._tuning import (
    N_BINS,
    N_DIRECTIONS,
    VALIDATION,
    better_params,
    difference_noise,
    distribution_functions,
    latent_rows,
    validation_score,
)
from skdpflow.accountants import GaussianEvent, gdp_mu
from skdpflow.accountants.base import tally
from skdpflow.accountants.gaussian import total_mu
from skdpflow.mechanisms import MarginalsMechanism, RecordsMechanism
from skdpflow.release import Measurement
from skdpflow.transport.latent import RankTransform

rng = np.random.default_rng(0)
N = 2000
X = rng.uniform(size=(N, 3))
X[:, 1] = (X[:, 0] + X[:, 1]) / 2
LABELS = (X[:, 0] + 0.3 * rng.normal(size=N) > 0.5).astype(int)
SHAPES = {
    "labels": ({"domain": (0, 1), "target": Categories([0, 1])}, LABELS),
    "numbers": ({"domain": (0, 1), "target": Interval(0, 1)}, X[:, 0]),
    "no target, replace-one": ({"domain": (0, 1), "neighbours": "replace-one"}, None),
    "bounds and labels found": ({"target": Categories()}, LABELS),
    "records": ({"domain": (0, 1), "neighbours": "replace-one", "mechanism": "records"}, None),
    "one column": ({"domain": (0, 1)}, None),
}
GRID = {"n_steps": [1, 2], "step_size": [0.5, 1.0]}


def flow(epsilon=1.0, **params):
    return DPSlicedWassersteinFlow(
        epsilon, **{"domain": (0, 1), "tuning_share": 0.1, "n_particles": 256, "n_steps": 1, **params}
    )


@pytest.fixture(scope="module")
def fitted():
    return flow(target=Categories([0, 1])).fit(X, LABELS)


@pytest.fixture(scope="module")
def ring():
    """A model of a circle, which only slices can show, at a large epsilon."""
    t = np.random.default_rng(0).uniform(size=20_000)
    rows = np.column_stack([np.cos(2 * np.pi * t), np.sin(2 * np.pi * t)])
    mechanism = MarginalsMechanism(n_slices=16, n_pairs=0, n_partitions=0)
    return flow(20.0, domain=(-1.5, 1.5), n_particles=2048, mechanism=mechanism).fit(rows)


# ---------------------------------------------------------------- what is held back


@pytest.mark.parametrize("shape", SHAPES)
def test_a_stated_share_is_spent_on_slices_that_the_model_does_not_see(shape):
    params, y = SHAPES[shape]
    rows = X[:, :1] if shape == "one column" else X
    model = flow(**params).fit(rows, y)
    release = model.release_
    slices = release[VALIDATION]
    assert release.measurements[-1] is slices
    assert slices.values.shape[1:] == (N_DIRECTIONS, N_BINS)
    cap = tally(release.cap).gaussian_mu
    assert total_mu(tally(slices.event)) ** 2 == pytest.approx(0.1 * cap**2)
    assert total_mu(tally(release.event)) <= cap * (1 + 1e-12)
    assert cap <= gdp_mu(1.0, 1e-6)
    without = dataclasses.replace(release, measurements=release.measurements[:-1])
    other = DPSlicedWassersteinFlow.from_release(without)
    assert_array_equal(other.sample(20, random_state=0), model.sample(20, random_state=0))
    model.tune(GRID)
    assert np.isfinite(model.tune_results_["score"]).all()
    assert model.privacy_spent_ == (1.0, 1e-6)


def test_the_plan_shows_the_share():
    plan = flow().plan(n_guess=500, n_features=2)
    assert plan.measurements[-1].name == VALIDATION
    assert plan.measurements[-1].share == pytest.approx(0.1)
    assert plan.measurements[-1].round == max(m.round for m in plan.measurements)
    assert sum(m.share for m in plan.measurements) == pytest.approx(1.0)


@pytest.mark.slow
def test_a_continued_fit_measures_them_again_or_for_the_first_time():
    model = flow().fit(X).continue_fit(X, extra_epsilon=1.0)
    assert f"{VALIDATION}#2" in model.release_
    assert np.max(pooled(model.release_)[VALIDATION].sd) < np.max(model.release_[VALIDATION].sd)
    later = flow(tuning_share=0.0).fit(X).set_params(tuning_share=0.1).continue_fit(X, extra_epsilon=1.0)
    assert VALIDATION in later.release_
    for other in (model, later):
        other.tune(GRID, refit=False)
        cap = tally(other.release_.cap).gaussian_mu
        assert total_mu(tally(other.release_.event)) <= cap * (1 + 1e-12)


# ---------------------------------------------------------------- tuning


def test_it_looks_at_no_row_and_spends_nothing(monkeypatch, fitted):
    for name in ("admit", "measure", "measure_more", "NoiseSource"):
        monkeypatch.setattr(skdpflow._rows, name, None)
    model = DPSlicedWassersteinFlow.from_release(fitted.release_)
    assert model.tune(GRID) is model
    assert model.privacy_spent_ == fitted.privacy_spent_
    assert model.release_.measurements == fitted.release_.measurements
    assert model.release_.event == fitted.release_.event


def test_the_best_is_set_and_learnt_and_the_results_are_whole(ring):
    model = DPSlicedWassersteinFlow.from_release(ring.release_).set_params(step_size=0.01).refit().tune(GRID)
    results = model.tune_results_
    assert len(results["params"]) == 4
    assert results["param_n_steps"] == [p["n_steps"] for p in results["params"]]
    best = results["params"][int(np.argmax(results["score"]))]
    assert results["rank"][int(np.argmax(results["score"]))] == 1
    assert sorted(results["rank"]) == [1, 2, 3, 4]
    assert (results["noise"] > 0.0).all()
    assert (results["gain"] > 2 * results["noise"]).all()
    assert np.ptp(results["score"] - results["gain"]) < 1e-12
    assert {name: model.get_params()[name] for name in best} == best
    assert {name: model.release_.transport[name] for name in best} == best
    again = DPSlicedWassersteinFlow.from_release(ring.release_).set_params(**best).refit()
    assert_array_equal(model.sample(20, random_state=0), again.sample(20, random_state=0))
    assert not hasattr(again, "tune_results_")
    assert not hasattr(model.refit(), "tune_results_")


def test_nothing_changes_without_a_gain(ring):
    model = DPSlicedWassersteinFlow.from_release(ring.release_)
    params, expected = model.get_params(), model.sample(20, random_state=0)
    model.tune({"n_steps": [1]})
    assert model.tune_results_["gain"] == [0.0]
    model.tune({"step_size": [0.01]})
    assert model.tune_results_["gain"] < -3 * model.tune_results_["noise"]
    assert model.get_params() == params
    assert_array_equal(model.sample(20, random_state=0), expected)


def test_without_refit_the_model_stays(fitted):
    model = DPSlicedWassersteinFlow.from_release(fitted.release_)
    params, expected = model.get_params(), model.sample(20, random_state=0)
    model.tune([{"n_steps": [3]}, {"step_size": [0.1], "n_particles": [64]}], refit=False)
    assert model.tune_results_["param_n_steps"] == [3, None]
    assert model.get_params() == params
    assert_array_equal(model.sample(20, random_state=0), expected)


def test_parameters_of_a_candidate_do_not_stay_for_the_next(fitted):
    model, grids = DPSlicedWassersteinFlow.from_release(fitted.release_), [{"n_steps": [3]}, {"step_size": [0.1]}]
    together = model.tune(grids, refit=False).tune_results_["score"]
    for grid, score in zip(grids, together, strict=True):
        assert model.tune(grid, refit=False).tune_results_["score"] == [score]


@pytest.mark.slow
def test_a_file_gives_the_same_results(fitted):
    file = io.BytesIO()
    fitted.release_.save(file)
    loaded = DPSlicedWassersteinFlow.from_release(Release.load(io.BytesIO(file.getvalue())))
    here = DPSlicedWassersteinFlow.from_release(fitted.release_)
    for model in (here, loaded):
        model.tune(GRID, refit=False)
    assert_array_equal(here.tune_results_["score"], loaded.tune_results_["score"])


@pytest.mark.parametrize("mechanism", ["records", RecordsMechanism()])
def test_parameters_of_the_mechanism_that_need_no_rows(mechanism):
    model = flow(100.0, mechanism=mechanism, neighbours="replace-one").fit(X)
    model.tune({"mechanism__diffusion": [2.0, 0.1], "step_size": [0.01, 1.0]})
    assert isinstance(model.mechanism, RecordsMechanism | str)
    best = model.tune_results_["params"][int(np.argmax(model.tune_results_["score"]))]
    other = DPSlicedWassersteinFlow.from_release(model.release_).set_params(mechanism__diffusion=2.0).refit()
    other.tune({"mechanism__diffusion": [0.0, best["mechanism__diffusion"]]})
    assert other.get_params()["mechanism__diffusion"] < 2.0
    assert other.release_.mechanism["diffusion"] < 2.0


# ---------------------------------------------------------------- the score


def measured(truth, scale, n, seed):
    """Noisy slices of n rows with given probabilities of the bins."""
    counts = np.rint(n * truth)
    noise = np.rint(np.random.default_rng(seed).normal(scale=scale, size=truth.shape))
    return Measurement(VALIDATION, "slices", {}, (counts + noise).astype(np.int64), scale, 1.0, GaussianEvent(1.0))


def test_the_score_is_unbiased_and_its_noise_is_known():
    generator = np.random.default_rng(0)
    truth = generator.dirichlet(np.ones(8), size=(2, 5)) / 2
    cdf = (truth.cumsum(axis=2) / truth.sum(axis=2, keepdims=True))[:, :, :-1]
    near, far = cdf + 0.01 * (cdf - cdf**2), cdf + 0.1 * (cdf - cdf**2)
    each = [measured(truth, 300.0, 10_000, seed) for seed in range(2000)]
    for guess in (cdf, near, far):
        scores = np.array([validation_score(guess, m) for m in each])
        expected = -np.mean((guess - cdf) ** 2)
        assert scores.mean() == pytest.approx(expected, abs=4 * scores.std() / np.sqrt(len(each)))
    differences = [validation_score(far, m) - validation_score(near, m) for m in each]
    noise = np.mean([difference_noise(far, near, m) for m in each])
    assert np.std(differences) == pytest.approx(noise, rel=0.1)


def test_slices_of_a_model_are_those_that_the_curator_would_count(fitted):
    slices = fitted.release_[VALIDATION]
    cdf = distribution_functions(fitted._model, slices, 0)
    rows = latent_rows(fitted._model, RankTransform.from_params(slices.params), 2, 0)
    along = rows[1] @ slices.params["directions"][0][:, 3]
    shares = np.bincount(np.searchsorted(slices.params["slice_edges"][1, 3], along, side="right"), minlength=N_BINS)
    assert_allclose(cdf[1, 3], np.cumsum(shares / len(along))[:-1])


# ---------------------------------------------------------------- what is refused


def test_refusals(fitted):
    with pytest.raises(NotFittedError):
        flow().tune(GRID)
    model = DPSlicedWassersteinFlow.from_release(fitted.release_)
    before = model.get_params()
    for grid, message in [
        ({"epsilon": [1.0]}, r"needs no rows: n_steps, step_size, n_particles. Got \['epsilon'\]"),
        ({"mechanism__n_bins": [8]}, r"Got \['mechanism__n_bins'\]"),
        ({"n_steps": [1, 0]}, "n_steps"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.tune(grid)
    assert model.get_params() == before
    with pytest.raises(ValueError, match=r"Set tuning_share=0\.05"):
        flow(tuning_share=0.0).fit(X).tune(GRID)


@pytest.mark.parametrize("share", [-0.1, 0.6, 1.0, "some", None])
def test_shares_that_are_none(share):
    with pytest.raises((ValueError, TypeError), match="tuning_share"):
        flow(tuning_share=share).fit(X)


def test_a_clone_keeps_the_share():
    assert clone(flow(tuning_share=0.2)).tuning_share == 0.2


@pytest.mark.parametrize(("gain", "expected"), [(1.9, {}), (2.1, {"n_steps": 3})])
def test_a_gain_counts_from_twice_its_noise(gain, expected):
    results = {"params": [{"n_steps": 2}, {"n_steps": 3}], "score": np.array([-2.0, -1.0])}
    results |= {"gain": np.array([0.0, gain]), "noise": np.array([0.0, 1.0])}
    assert better_params(results) == expected
