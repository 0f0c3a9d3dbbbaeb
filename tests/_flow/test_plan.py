"""plan() is the rehearsal of a fit: same rounds, same noise; its errors are those that fits really have."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris

import skdpflow._flow.rows
from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, FitPlan, Interval
from skdpflow._flow.expected import EVEN, expected_errors, noise_in_rows
from skdpflow._flow.rehearsal import made_up_rows
from skdpflow.exceptions import PrivacyLeakWarning
from skdpflow.mechanisms import MarginalsMechanism, RecordsMechanism

MIXED = Domain({"a": Interval(0, 9, integer=True), "b": Categories(["x", "y", "z"]), "c": Interval(-1, 1)})


def bounds(X):
    return X.min(axis=0) - 1e-3, X.max(axis=0) + 1e-3


def seeded(flow, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrivacyLeakWarning)
        return flow.set_params(noise_random_state=0).fit(X, y)


def tables():
    for load in (load_breast_cancer, load_iris, load_digits):
        X, y = load(return_X_y=True)
        yield load.__name__, X, y, {"target": Categories(range(int(y.max()) + 1))}
    X, y = load_diabetes(return_X_y=True)
    yield "load_diabetes", X, y, {"target": Interval(25, 350)}
    yield "no target", X, None, {}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "X", "y", "params"), list(tables()), ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("epsilon", [0.5, 3.0])
def test_a_fit_releases_what_was_planned(name, X, y, params, epsilon):
    flow = DPSlicedWassersteinFlow(epsilon, domain=bounds(X), n_steps=1, n_particles=64, random_state=0, **params)
    plan = flow.plan(n_guess=len(X))
    assert not [k for k in vars(flow) if k.endswith("_")]
    # with the seed that the rehearsal has, so that both are told the same noisy number of rows
    release = seeded(flow, X, y).release_
    real = FitPlan.of(release, [[m.name] for m in release.measurements], len(X))
    # how many columns are located further depends on where their mass lies
    plan, real = (
        replace(p, measurements=tuple(m for m in p.measurements if m.kind != "location" or m.name == "location1"))
        for p in (plan, real)
    )
    assert [(m.name, m.kind) for m in plan.measurements] == [(m.name, m.kind) for m in real.measurements]
    np.testing.assert_allclose([m.share for m in plan.measurements], [m.share for m in real.measurements], rtol=0.15)
    np.testing.assert_allclose([m.noise for m in plan.measurements], [m.noise for m in real.measurements], rtol=0.1)
    assert (plan.n_features, plan.epsilon) == (X.shape[1], epsilon)


@pytest.mark.slow
def test_with_the_same_rows_and_noise_plan_and_fit_are_equal():
    flow = DPSlicedWassersteinFlow(2.0, domain=MIXED, target=Categories(["no", "yes"]), random_state=0)
    plan = flow.plan(n_guess=5000)
    X, y = made_up_rows(5000, 3, MIXED, flow.target, None)
    release = seeded(flow, X, y).release_
    assert "pairs" in release
    rounds = [[m.name for m in plan.measurements if m.round == r] for r in range(1, plan.measurements[-1].round + 1)]
    assert FitPlan.of(release, rounds, 5000) == plan


@pytest.mark.slow
def test_plan_follows_budget_and_size():
    flow = DPSlicedWassersteinFlow(domain=(0, 1))
    small = flow.plan(n_guess=300, n_features=30, n_classes=2)
    large = flow.plan(n_guess=100_000, n_features=5, n_classes=2)
    assert "pairs" not in small.to_dict()["name"]
    assert "pairs" in large.to_dict()["name"]
    assert max(e.noise for e in large.errors) < min(e.noise for e in small.errors)
    with_bounds = DPSlicedWassersteinFlow(target=Categories()).plan(n_guess=4000, n_features=2, n_classes=3)
    assert with_bounds.measurements[0].name == "bounds"
    assert with_bounds.measurements[0].share == pytest.approx(0.04)
    assert with_bounds.measurements[1].name == "labels"
    assert (with_bounds.n_components, with_bounds.measurements[2].round) == (3, 3)


@pytest.mark.slow
def test_sizes_default_from_what_is_declared():
    assert DPSlicedWassersteinFlow(domain=MIXED).plan(n_guess=50).n_features == 3
    assert DPSlicedWassersteinFlow(domain=dict(MIXED)).plan(n_guess=50).n_features == 3
    assert DPSlicedWassersteinFlow(domain=([0, 0], 1)).plan(n_guess=50).n_features == 2
    three = DPSlicedWassersteinFlow(domain=MIXED, target=Categories(["a", "b", "c"]))
    assert three.plan(n_guess=50) == three.plan(n_guess=50, n_features=3, n_classes=3)


@pytest.mark.parametrize(
    ("params", "sizes", "match"),
    [
        ({}, {}, "needs n_features"),
        ({"domain": (0, 1)}, {}, "needs n_features"),
        ({"domain": MIXED}, {"n_features": 4}, "must describe the 4 columns"),
        ({"domain": MIXED, "target": Categories()}, {}, "needs n_classes"),
        ({"domain": MIXED, "target": Categories([0, 1])}, {"n_classes": 3}, "contradicts"),
        ({"domain": MIXED, "target": Interval(0, 1)}, {"n_classes": 3}, "contradicts"),
        ({"domain": MIXED}, {"n_guess": 0}, "n_guess"),
        ({"domain": MIXED, "epsilon": -1.0}, {}, "epsilon"),
        ({"domain": MIXED, "mechanism": "records"}, {}, "replace-one"),
    ],
)
def test_impossible_sizes_are_refused(params, sizes, match):
    with pytest.raises(ValueError, match=match):
        DPSlicedWassersteinFlow(**params).plan(**{"n_guess": 100, **sizes})


def test_planning_leaves_the_flow_as_it_was(monkeypatch):
    rng = np.random.RandomState(3)
    flow = DPSlicedWassersteinFlow(domain=(0, 1), random_state=rng, n_particles=64)
    before, state = dict(vars(flow)), rng.get_state()[1].copy()
    flow.plan(n_guess=100, n_features=2)
    assert {name: value for name, value in vars(flow).items() if name != "_lineage"} == before
    assert (rng.get_state()[1] == state).all()
    flow.fit(np.random.default_rng(0).uniform(size=(50, 2)))
    release = flow.release_
    flow.plan(n_guess=100, n_features=7)  # another number of columns than it was fitted with
    assert flow.release_ is release
    assert flow.n_features_in_ == 2
    monkeypatch.setattr(skdpflow._flow.rows, "measure", None)
    with pytest.raises(TypeError):  # it is the very function of fit that plans
        flow.plan(n_guess=100, n_features=2)


def test_a_plan_is_shown_as_text_and_as_a_table():
    flow = DPSlicedWassersteinFlow(domain=MIXED, target=Categories(["no", "yes"]))
    plan = flow.plan(n_guess=5000)
    text = str(plan)
    for word in (
        "epsilon",
        "add-remove",
        "5000 rows",
        "histograms",
        "correlation",
        "share of a class",
        "nothing is spent",
    ):
        assert word in text
    lines = text.splitlines()
    assert max(map(len, lines)) <= 120
    head = next(line for line in lines if line.startswith("round"))
    rounds = [line for line in lines if line[:5].strip().isdigit()]
    assert len(rounds) == len(plan.measurements)
    assert {line.index("%") + 1 for line in rounds} == {head.index("share") + len("share")}  # one column
    assert "nan" not in text
    assert pd.DataFrame(plan.to_dict()).shape == (len(plan.measurements), 6)
    with pytest.raises(AttributeError):
        plan.epsilon = 2.0


def test_the_plan_of_records_states_the_noise_of_a_fit():
    flow = DPSlicedWassersteinFlow(
        domain=(0, 1), mechanism=RecordsMechanism(public_labels=True), neighbours="replace-one", random_state=0
    )
    plan = flow.plan(n_guess=1000, n_features=3, n_classes=2)
    assert "half-ranges" in str(plan)
    X, y = np.full((1000, 3), 0.5), np.arange(1000) % 2
    m = flow.set_params(target=Categories([0, 1])).fit(X, y).release_["records"]
    # all rows lie at the midpoint, so what is released is the noise
    unit = m.params["radius"] / m.params["steps"] / np.sqrt((m.params["directions"] ** 2).sum(axis=0))
    assert np.std(m.values * unit) == pytest.approx(plan.errors[0].noise, rel=0.1)
    assert plan.measurements[0].noise == pytest.approx(plan.errors[0].noise)


@pytest.mark.slow
def test_expected_errors_are_those_of_fits():
    """Spread of each quantity over 200 fits; a standard deviation is then known to 5 %, and 25 % is five times that.

    Known bytes, so no failure by chance; of other bytes, one in 10^5 would fail.
    """
    rng = np.random.default_rng(0)
    n, mechanism = 1000, MarginalsMechanism(n_bins=8, n_pairs=1, n_slices=2, n_partitions=1)
    X, y = rng.uniform(size=(n, 2)), np.arange(n) % 2
    found = {}
    for _ in range(200):
        flow = DPSlicedWassersteinFlow(
            1.0, domain=(0, 1), target=Categories([0, 1]), mechanism=mechanism, n_steps=1, n_particles=2, random_state=0
        )
        r = flow.fit(X, y).release_
        column, cells = r["histograms"].values[0, :8], r["partitions"].values[0]
        value = {
            "counts": r["counts"].values[0] / r["counts"].values[:2].sum(),
            "histograms": column[:4].sum() / column.sum(),
            "column_moments": r["column_moments"].values[0, 0]
            * (r["column_moments"].params["radius"] / r["column_moments"].params["steps"])
            / n,
            "pairs": r["pairs"].values[0, 0] / (n / 2),
            # the cells differ from fit to fit, but not the sum of them all
            "partitions": (cells.sum() / (n / len(r["partitions"].values)) - 1.0) / np.sqrt(cells.size),
            "slices": r["slices"].values[0, 0, :8].sum() / r["slices"].values[0, 0].sum(),
        }
        for key, v in value.items():
            found.setdefault(key, []).append(v)
        for m in (r["mean"], r["second_moment"]):
            assert noise_in_rows(m) == pytest.approx(float(np.max(m.noise_scale)) / m.sensitivity, rel=0.01)
    predicted = {e.source: e.noise for e in expected_errors(r.measurements, n)}
    spread = {key: np.std(v) for key, v in found.items()}
    for key, sd in spread.items():
        assert sd == pytest.approx(predicted[key], rel=0.25), key
    assert EVEN == pytest.approx(X[:, 0].std() * 2, rel=0.05)
