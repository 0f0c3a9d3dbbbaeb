"""Rows outside of what was declared: the Release says so, and nothing else bends."""

import json
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, Release
from skdpflow.compose import GenerativePipeline, TrainOnSynthetic
from skdpflow.exceptions import DomainMismatchWarning
from skdpflow.model_selection import DPSearchCV
from skdpflow.preprocessing import DPQuantileTransformer
from skdpflow.release.mismatch import FALSE_ALARMS, mismatches

N = 4000
DOMAIN = Domain(
    {
        "sex": Categories(["m", "f"]),
        "age": Interval(30.0, 60.0),
        "stay": Interval(0, 9, integer=True, nullable=True),
        "u": Interval(0.0, 1.0),
    }
)


def rows(n=N, sex=("m", "f", "x"), p=None, age=(0, 100), stay=(0, 20), classes=(0, 1, 2), seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(list(sex), n, p=p),
            "age": rng.uniform(*age, n),
            "stay": pd.array(rng.integers(*stay, n, endpoint=True), dtype="Int64"),
            "u": rng.uniform(size=n),
        }
    )
    frame.loc[rng.uniform(size=n) < 0.2, "stay"] = pd.NA
    return frame, rng.choice(list(classes), n)


def seeded(X, y=None, epsilon=5.0, **params):
    """Fit with seeded noise; return the flow and the mismatch warnings."""
    params = {"domain": DOMAIN, "random_state": 0, "noise_random_state": 0, "n_particles": 2048, **params}
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        flow = DPSlicedWassersteinFlow(epsilon, **params).fit(X, y)
    return flow, [w for w in heard if w.category is DomainMismatchWarning]


@pytest.fixture(scope="module")
def misfit():
    X, y = rows(p=[0.03, 0.02, 0.95])
    return (X, y, *seeded(X, y, target=Categories([0, 1])))


@pytest.mark.slow
def test_rows_with_an_unlisted_category_do_not_bend_other_columns():
    rng = np.random.default_rng(0)
    c = rng.choice(["a", "b", "z"], 5000, p=[0.4, 0.2, 0.4])
    frame = pd.DataFrame({"c": c, "x": (c == "z").astype(int), "u": rng.uniform(size=5000)})
    frame["v"] = np.where(c == "z", 0.8, 0.2) + 0.1 * rng.uniform(size=5000)
    domain = {"c": Categories(["a", "b"]), "x": Categories([0, 1]), "u": Interval(0, 1), "v": Interval(0, 1)}
    for seed in range(2):
        flow, heard = seeded(frame, domain=domain, noise_random_state=seed)
        sample = flow.sample(5000, random_state=0)
        assert sample["x"].mean() == pytest.approx(frame["x"].mean(), abs=0.05)
        assert sample["v"].mean() == pytest.approx(frame["v"].mean(), abs=0.05)
        assert sample.groupby("x")["v"].mean().diff()[1] > 0.4  # what depends on what stays
        assert (sample["c"] == "a").mean() == pytest.approx(2 / 3, abs=0.05)  # shares of the listed ones
        assert len(heard) == 1


def test_what_lies_beyond_the_bounds_comes_back_at_them(misfit):
    X, _, flow, _ = misfit
    sample = flow.sample(8000, random_state=0)
    assert (sample["age"] == 30.0).mean() == pytest.approx((X["age"] < 30).mean(), abs=0.04)
    assert (sample["age"] == 60.0).mean() == pytest.approx((X["age"] > 60).mean(), abs=0.04)
    assert (sample["stay"] == 9).mean() == pytest.approx((X["stay"] >= 9).mean(), abs=0.05)
    assert sample["stay"].isna().mean() == pytest.approx(0.2, abs=0.05)
    assert set(sample["sex"]) <= {"m", "f"}
    assert sample["age"].between(30, 60).all()
    assert sample["stay"].dropna().between(0, 9).all()


def test_conditions_and_densities_are_of_rows_inside(misfit):
    X, _, flow, _ = misfit
    inside = X["sex"].isin(["m", "f"]) & X["age"].between(30, 60) & ~(X["stay"] > 9).fillna(False)
    density = flow.score_samples(X)
    assert np.isfinite(density[inside]).all()
    assert np.isneginf(density[~inside]).all()
    sample = flow.sample(300, where={"age": (None, 30.5), "sex": "m"}, random_state=0)
    assert (sample["age"] <= 30.5).all()
    assert (sample["age"] == 30.0).any()


def test_a_warning_names_what_lies_outside(misfit):
    *_, heard = misfit
    (warning,) = heard
    text = str(warning.message)
    for part in (
        "% of 'sex' (+-",
        "'age' (+-",
        "below its declared bounds",
        "above its declared bounds",
        "of the target",
    ):
        assert part in text
    assert warning.filename == __file__
    assert "'u'" not in text


def test_the_shares_are_right_within_the_stated_errors(misfit):
    """Errors are two standard deviations of the noise; four of them are exceeded with probability below 1e-14."""
    X, y, flow, _ = misfit
    declared = np.isin(y, [0, 1])  # columns are counted in the declared classes
    X = X[declared]
    real = {
        ("sex", "unlisted"): (X["sex"] == "x").mean(),
        ("age", "below"): (X["age"] < 30).mean(),
        ("age", "above"): (X["age"] > 60).mean(),
        ("stay", "above"): (X["stay"] > 9).fillna(False).mean(),
        (None, "unlisted"): 1 - declared.mean(),
    }
    found = {(m.column, m.outside): m for m in mismatches(flow.release_)}
    assert set(found) == set(real)
    for key, mismatch in found.items():
        assert abs(mismatch.share - real[key]) < 4 * mismatch.error, key
        assert mismatch.error < 0.05


def test_the_statement_says_the_same_and_is_a_function_of_the_release(misfit, tmp_path):
    *_, flow, _ = misfit
    statement = flow.privacy_statement()
    found = [str(m) for m in mismatches(flow.release_)]
    for text in found:
        assert text.split(" (+-")[0] in str(statement).replace("\n    ", " ")
    (step,) = json.loads(statement.to_json())["steps"]
    assert [entry["text"] for entry in step["rows"]["outside"]] == found
    flow.release_.save(tmp_path / "release.npz")
    again = DPSlicedWassersteinFlow.from_release(Release.load(tmp_path / "release.npz"))
    assert str(again.privacy_statement()) == str(statement)
    assert again.sample(20, random_state=0).equals(flow.sample(20, random_state=0))


def test_where_all_rows_lie_inside_nothing_is_said_and_no_bound_is_an_atom():
    X, y = rows(sex=("m", "f"), age=(30, 60), stay=(0, 9), classes=(0, 1))
    flow, heard = seeded(X, y, target=Categories([0, 1]))
    assert not heard
    assert mismatches(flow.release_) == ()
    assert "Outside of what was declared" not in str(flow.privacy_statement())
    sample = flow.sample(2000, random_state=0)
    assert ((sample["age"] == 30.0) | (sample["age"] == 60.0)).mean() < 0.01


def test_noise_alone_says_nothing():
    """One false alarm in a thousand is allowed, so more than 12 in 2,000 noises have a probability below 1e-6."""
    X, y = rows(200, sex=("m", "f"), age=(30, 60), stay=(0, 9), classes=(0, 1))
    flow, _ = seeded(X, y, target=Categories([0, 1]), epsilon=1.0)
    release, rng = flow.release_, np.random.default_rng(0)
    first = [m for m in release.measurements if m.name in ("counts", "histograms")]
    alarms = 0
    for _ in range(2000):
        noise = [np.rint(rng.normal(0.0, m.noise_scale, m.values.shape)).astype(int) for m in first]
        empty = tuple(replace(m, values=own) for m, own in zip(first, noise, strict=True))
        alarms += bool(mismatches(replace(release, measurements=empty)))
    assert FALSE_ALARMS == 1e-3
    assert alarms <= 12


@pytest.mark.slow
def test_a_numeric_target_outside_its_bounds():
    X, _ = rows(sex=("m", "f"), age=(30, 60), stay=(0, 9))
    y = 2.0 * X["u"].to_numpy() - 0.5
    flow, heard = seeded(X, y, target=Interval(0.0, 1.0))
    assert [(m.column, m.outside) for m in mismatches(flow.release_)] == [(None, "below"), (None, "above")]
    assert len(heard) == 1
    _, synthetic = flow.sample_labeled(4000, random_state=0)
    assert np.mean(synthetic == 0.0) == pytest.approx(0.25, abs=0.06)
    assert np.mean(synthetic == 1.0) == pytest.approx(0.25, abs=0.06)
    assert np.isfinite(flow.score_samples(X[:20])).all()


def test_what_nobody_declared_is_not_reported():
    X = np.random.default_rng(0).normal(0.0, 1.0, size=(2000, 2))
    X[:20] *= 1e6
    _, heard = seeded(X, domain=None, epsilon=1.0)
    assert not heard
    y = np.where(np.arange(2000) < 5, "rare", np.where(np.arange(2000) % 2, "a", "b"))
    flow, heard = seeded(np.clip(X, -1, 1), y, domain=(-1, 1), target=Categories(), epsilon=1.0)
    assert not heard
    assert list(flow.classes_) == ["a", "b"]


def test_a_continued_fit_says_it_again_and_averages(misfit):
    X, y, *_ = misfit
    flow, _ = seeded(X, y, epsilon=1.0, target=Categories([0, 1]))
    before = {(m.column, m.outside): m for m in mismatches(flow.release_)}
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        flow.continue_fit(X, y, extra_epsilon=1.0)
    assert sum(w.category is DomainMismatchWarning for w in heard) == 1
    after = {(m.column, m.outside): m for m in mismatches(flow.release_)}
    assert after["sex", "unlisted"].error < before["sex", "unlisted"].error
    assert set(flow.sample(100, random_state=0)["sex"]) <= {"m", "f"}


def test_records_clip_and_say_nothing():
    X = pd.DataFrame({"a": [-5.0, 0.5, 9.0] * 50})
    flow, heard = seeded(X, domain={"a": Interval(0, 1)}, mechanism="records", neighbours="replace-one", epsilon=50.0)
    assert not heard
    assert flow.sample(50, random_state=0)["a"].between(0, 1).all()


def heard_of(fit):
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        fit()
    return [str(w.message) for w in heard if w.category is DomainMismatchWarning]


@pytest.mark.slow
def test_a_search_says_it_once_for_its_winner():
    X, y = rows(600, sex=("m", "f"), age=(30, 60), stay=(0, 9))
    X = X[["age", "u"]]
    flow = DPSlicedWassersteinFlow(
        domain={"age": Interval(30, 60), "u": Interval(0, 0.4)}, target=Categories([0, 1]), n_particles=64
    )
    search = DPSearchCV(
        TrainOnSynthetic(LogisticRegression(), flow, n_samples=100),
        {"estimator__C": [0.1, 1.0]},
        n_iter=4,
        epsilon=10.0,
        max_rows=20,
    )
    (text,) = heard_of(lambda: search.fit(X, y))
    assert "of 'u'" in text
    assert "of the target" in text


def test_a_pipeline_says_it_once_and_only_of_what_was_declared():
    X, y = rows(600)
    pipeline = GenerativePipeline(
        [
            ("quantiles", DPQuantileTransformer(domain={"age": Interval(30, 60), "u": Interval(0, 1)})),
            ("flow", DPSlicedWassersteinFlow(target=Categories([0, 1]), n_particles=64)),
        ],
        epsilon=20.0,
    )
    heard = heard_of(lambda: pipeline.fit(X[["age", "u"]], y))
    assert sum("of 'age'" in text for text in heard) == 1
    assert sum("of the target" in text for text in heard) == 1
    assert not any("'u'" in text for text in heard)
    assert "about" in str(pipeline.privacy_statement()).partition("Outside of what was declared")[2]
