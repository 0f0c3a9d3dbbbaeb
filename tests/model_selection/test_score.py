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
from skdpflow.accountants.budget import Budget
from skdpflow.curator.curator import Curator
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
@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, pytest.param(pl.DataFrame, marks=pytest.mark.slow)])
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


@pytest.mark.slow
def test_the_noise_is_as_stated():
    """Known bytes, so no failure by chance; of other bytes, fewer than one in 10^4 would fail."""
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


class KnownNoise(NoiseSource):
    """Draws no noise, notes its scale, and gives rows the keys that it is told."""

    def __init__(self, keys=None):
        super().__init__()
        self.keys, self.scales = keys, []

    def uniform(self, n):
        return super().uniform(n) if self.keys is None else self.keys

    def rounded_gaussian(self, scale, shape):
        self.scales.append(float(scale))
        return np.zeros(shape, dtype=np.int64)


def curator_of(rows, noise, neighbours):
    return Curator(rows.source, Budget(1.0, 1e-6, neighbours, GaussianDPAccountant(), "gdp"), noise)


@pytest.mark.parametrize(("neighbours", "factor"), [("add-remove", 1), ("replace-one", 2)])
def test_the_noise_covers_the_largest_change_that_a_row_can_make(neighbours, factor):
    """A row that is predicted right comes, or takes the place of one that is predicted wrong."""
    right = MODEL.predict(X[:10])
    wrong = np.where(np.arange(10) == 4, 1 - right, right)
    totals = []
    for y in (right, wrong):
        noise = KnownNoise()
        rows = scorer(X[:10], y, neighbours=neighbours, noise=noise)
        totals.append(rows._total(Replica(MODEL)))
        curator = curator_of(rows, noise, neighbours)
        rows.score(Replica(MODEL), curator, 1.0)
    assert totals[0] - totals[1] == 2 * LEVELS
    (entry,) = curator.filter.entries
    assert noise.scales == [factor * LEVELS * entry.event.noise_multiplier]


def test_the_number_of_rows_has_noise_where_neighbours_differ_in_it():
    noise = KnownNoise()
    rows = scorer(X, Y, noise=noise)
    curator = curator_of(rows, noise, "add-remove")
    rows.count(curator, 0.4, 200)
    assert noise.scales == [entry.event.noise_multiplier for entry in curator.filter.entries]
    assert len(noise.scales) == 2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rows_are_used_by_secret_keys_of_their_own(seed):
    """A row is used if its key is below a public probability: not by its place, nor by the keys of others."""
    keys = np.random.default_rng(seed).uniform(size=len(X))
    rows = scorer(np.column_stack([np.arange(len(X)), X]), Y, noise=(noise := KnownNoise(keys)))
    rows.count(curator_of(rows, noise, "add-remove"), 0.4, 100)
    Seeing.rows = []
    rows._total(Replica(Seeing()))
    assert Seeing.rows == np.flatnonzero(keys < 100 / len(X)).tolist()


@pytest.mark.usefixtures("entropy")
def test_each_score_uses_rows_of_its_own():
    used = []
    for _ in range(2):
        rows = scorer(X, Y, neighbours="replace-one", noise=(noise := NoiseSource()))
        rows.count(curator_of(rows, noise, "replace-one"), 0.0, 100)
        used.append(set(rows._used.tolist()))
    assert used[0] != used[1]
    assert all(50 < len(one) < 150 for one in used)


class Seeing(ClassifierMixin, BaseEstimator):
    """Notes the number of each row, which is its first cell."""

    classes_ = np.array([0, 1])
    rows = ()

    def fit(self, X, y):
        return self

    def predict(self, X):
        type(self).rows.append(int(X[0, 0]))
        return np.zeros(len(X), dtype=int)


class Boasting(ClassifierMixin, BaseEstimator):
    """Gives probabilities that are none."""

    classes_ = np.array([0, 1])

    def __init__(self, probabilities=(50.0, -49.0)):
        self.probabilities = probabilities

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return np.tile(self.probabilities, (len(X), 1))


@pytest.mark.parametrize("probabilities", [(50.0, -49.0), (-1e300, 1e300), (np.inf, 0.0), (np.nan, 1.0), (0.0, 0.0)])
def test_a_term_is_between_0_and_1_whatever_a_model_says(probabilities):
    totals = [scorer(X[:n], Y[:n], "neg_brier_score")._total(Replica(Boasting(probabilities))) for n in range(1, 12)]
    assert np.abs(np.diff(totals)).max() <= LEVELS
    assert abs(totals[0]) <= LEVELS


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
    curator = curator_of(rows, noise, neighbours)
    share = 0.4 if neighbours == "add-remove" else 0.0
    rows.count(curator, share, 10**6)
    assert rows._n_used == len(X) or share  # exact where it is public
    rows.score(Replica(MODEL), curator, 1.0 - share)
    assert len(curator.filter.entries) == (3 if share else 1)
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
