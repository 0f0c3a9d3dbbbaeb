"""A private score: what a row can change, who sees which rows, and what is spent."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, brier_score_loss

from skdpflow import BudgetExceededError, Categories, Interval, PrivacyLeakWarning, PrivacyLedger
from skdpflow._isolation import Replica
from skdpflow.accountants import GaussianDPAccountant, gdp_mu
from skdpflow.curator.measure import Budget, Curator
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.scoring import LEVELS, SCORINGS, RowScorer
from skdpflow.model_selection import dp_score

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 3))
Y = (X[:, 0] + RNG.normal(size=400) > 0).astype(int)
MODEL = LogisticRegression().fit(X, Y)
NUMBERS = 10 * X[:, 0] + RNG.normal(size=400)
REGRESSOR = LinearRegression().fit(X, NUMBERS)
RANGE = Interval(-30, 30)


def exact(scoring):
    if scoring == "accuracy":
        return accuracy_score(Y, MODEL.predict(X))
    if scoring == "neg_brier_score":
        return -brier_score_loss(Y, MODEL.predict_proba(X)[:, 1])
    return -np.abs(np.clip(REGRESSOR.predict(X), -30, 30) - np.clip(NUMBERS, -30, 30)).mean() / 60


def arguments(scoring):
    if scoring == "neg_mean_absolute_error":
        return {"estimator": REGRESSOR, "y": NUMBERS, "target": RANGE}
    return {"estimator": MODEL, "y": Y}


def scorer(X, y, scoring="accuracy", neighbours="add-remove", noise=None):
    target = RANGE if scoring == "neg_mean_absolute_error" else Categories([0, 1])
    return RowScorer("test", X, y, target, scoring, neighbours, noise or NoiseSource())


@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("neighbours", ["add-remove", "replace-one"])
@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, pl.DataFrame])
def test_it_is_the_score_but_for_noise(scoring, neighbours, container):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # models fitted without names
        score = dp_score(
            X=container(X[:200]), **{k: v[:200] if k == "y" else v for k, v in arguments(scoring).items()},
            scoring=scoring, epsilon=1e3, neighbours=neighbours,
        )  # fmt: skip
        whole = dp_score(X=container(X), **arguments(scoring), scoring=scoring, epsilon=1e3, neighbours=neighbours)
    assert type(score) is float
    assert whole == pytest.approx(exact(scoring), abs=5e-3)


@pytest.mark.statistical
def test_the_noise_is_as_stated():
    scores = [dp_score(MODEL, X[:50], Y[:50], epsilon=2.0, noise_random_state=None) for _ in range(300)]
    p = MODEL.score(X[:50], Y[:50])
    mu = gdp_mu(2.0, 1e-6)
    sd = np.hypot(0.5 / np.sqrt(0.6), (p - 0.5) / np.sqrt(0.4)) / (mu * 50)
    assert np.std(scores) == pytest.approx(sd, rel=0.2)
    assert np.mean(scores) == pytest.approx(p, abs=4 * sd / np.sqrt(300) + 0.005)


# ---------------------------------------------------------------- what one row can change


@pytest.mark.parametrize("scoring", SCORINGS)
@pytest.mark.parametrize("used", [1.0, 0.5])
def test_no_row_changes_the_sum_by_more_than_the_sensitivity(scoring, used):
    """Also the worst rows: unknown labels, infinite numbers, what cannot be predicted."""
    args = arguments(scoring)
    rows = np.concatenate([X[:40], [[np.inf, 0, 0], [np.nan, 0, 0], [1e300, 0, 0], [-1e9, 0, 0]]])
    y = np.concatenate([args["y"][:40].astype(float), [1e300, np.nan, -5.0, 1.0]])
    keys = RNG.uniform(size=len(rows))
    with np.errstate(all="ignore"):
        totals = []
        for left_out in (None, *range(len(rows))):
            keep = np.arange(len(rows)) != left_out
            one = scorer(rows[keep], y[keep], scoring)
            one._used = np.flatnonzero(keys[keep] < used)
            totals.append(one._total(Replica(args["estimator"])))
    changes = np.abs(np.array(totals[1:]) - totals[0])
    assert changes.max() <= LEVELS
    assert changes[keys < used].min() > 0 or scoring != "accuracy"
    assert changes[keys >= used].max(initial=0) == 0


class Nosy(ClassifierMixin, BaseEstimator):
    """Says the most frequent thing about a whole block, and complains about some rows."""

    classes_ = np.array([0, 1])
    seen = ()

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        type(self).seen = (*self.seen, X.shape)
        if X[0, 0] > 1.5:
            warnings.warn(f"{X[0, 0]} is large", stacklevel=1)
            print(X)
            raise ValueError(f"{X[0, 0]} is too large")
        return np.full(len(X), int(X[:, 0].mean() > 0))


def test_every_row_is_predicted_alone_and_no_row_is_heard_of(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = dp_score(Nosy(), X, Y, epsilon=1e3)
    assert set(Nosy.seen) == {(1, 3)}
    assert len(Nosy.seen) == len(X)
    wanted = np.mean((X[:, 0] > 0) * (X[:, 0] <= 1.5) * (Y == 1) + (X[:, 0] <= 0) * (Y == 0))
    assert score == pytest.approx(wanted, abs=5e-3)
    assert capsys.readouterr() == ("", "")


def test_many_rows_are_drawn_at_random():
    Nosy.seen = ()
    many = np.tile(X, (10, 1))
    dp_score(Nosy(), many, np.tile(Y, 10), epsilon=1e3, max_rows=1000)
    assert 850 < len(Nosy.seen) < 1150


def test_a_scorer_stays_where_it_is():
    with pytest.raises(TypeError, match="private rows"):
        pickle.dumps(scorer(X, Y))


def test_labels_that_nobody_knows_are_wrong():
    y = np.array(["x", "y", None, 3.5, b"x"] * 20, dtype=object)
    model = LogisticRegression().fit(X[:100], np.where(X[:100, 0] > 0, "x", "y"))
    right = np.mean(model.predict(X[:100]) == y)
    assert dp_score(model, X[:100], y, epsilon=1e3) == pytest.approx(right, abs=0.02)


# ---------------------------------------------------------------- what is spent


def test_the_ledger_is_debited_first_and_the_score_costs_what_it_says(monkeypatch):
    ledger = PrivacyLedger(epsilon=1.0, delta=1e-6)
    dp_score(MODEL, X, Y, epsilon=0.5, ledger=ledger)
    assert 0.49 < ledger.spent() <= 0.5

    def broken(self, scale, shape):
        raise OSError("no entropy")

    monkeypatch.setattr(NoiseSource, "rounded_gaussian", broken)
    with pytest.raises(OSError, match="no entropy"):
        dp_score(MODEL, X, Y, epsilon=0.2, ledger=ledger)
    assert len(ledger.events) == 2
    with pytest.raises(BudgetExceededError):
        dp_score(MODEL, X, Y, epsilon=0.9, ledger=ledger)
    assert len(ledger.events) == 2


@pytest.mark.parametrize("neighbours", ["add-remove", "replace-one"])
def test_what_is_measured_stays_within_the_cap(neighbours):
    noise = NoiseSource()
    rows = scorer(X, Y, neighbours=neighbours, noise=noise)
    curator = Curator(rows.source, Budget(1.0, 1e-6, neighbours, GaussianDPAccountant(), "gdp"), noise)
    share = 0.4 if neighbours == "add-remove" else 0.0
    rows.count(curator, share, 10**6)
    assert (rows._n_used == len(X)) == (neighbours == "replace-one")
    rows.score(Replica(MODEL), curator, 1.0 - share)
    assert len(curator.ledger.entries) == (3 if share else 1)
    with pytest.raises(BudgetExceededError):
        rows.score(Replica(MODEL), curator, 0.01)


def test_seeded_noise_warns():
    with pytest.warns(PrivacyLeakWarning):
        first = dp_score(MODEL, X, Y, noise_random_state=0)
    with pytest.warns(PrivacyLeakWarning):
        assert first == dp_score(MODEL, X, Y, noise_random_state=0)


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"scoring": "roc_auc"}, "compares rows with each other"),
        ({"scoring": "r2"}, "without bounds"),
        ({"scoring": "neg_mean_absolute_error"}, "an Interval"),
        ({"estimator": REGRESSOR}, r"Categories\(\[...\]\)"),
        ({"estimator": REGRESSOR, "scoring": "neg_brier_score"}, "predict_proba"),
        ({"estimator": LogisticRegression()}, "not fitted"),
        ({"target": Categories()}, r"Categories\(\[...\]\)"),
        ({"epsilon": 0.0}, "'epsilon' parameter of dp_score"),
        ({"delta": 1.0}, "'delta' parameter of dp_score"),
        ({"max_rows": 0}, "'max_rows' parameter"),
        ({"neighbours": "swap"}, "'neighbours' parameter"),
        ({"accountant": "rpd"}, "'accountant' parameter"),
        ({"ledger": 3.0}, "'ledger' parameter"),
        ({"y": Y[:-1]}, "one entry per row"),
        ({"y": None}, "requires y"),
        ({"X": X[:0], "y": Y[:0]}, "0 sample"),
    ],
)
def test_wrong_input_spends_nothing(params, match):
    ledger = PrivacyLedger(epsilon=1.0, delta=1e-6)
    with pytest.raises(ValueError, match=match):
        dp_score(**{"estimator": MODEL, "X": X, "y": Y, "ledger": ledger, **params})
    assert ledger.events == ()


@pytest.mark.parametrize("neighbours", ["add-remove", "replace-one"])
def test_the_number_of_drawn_rows_does_not_matter(neighbours):
    """A model that is always right has the score 1, however many rows happen to be drawn."""
    model = LogisticRegression(C=1e6).fit(X, X[:, 0] > 0)
    right = model.predict(X)
    scores = [dp_score(model, X, right, epsilon=200.0, delta=0.1, max_rows=40, neighbours=neighbours) for _ in range(5)]
    assert min(scores) > 0.97
