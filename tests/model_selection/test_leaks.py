"""Scores of private rows that nobody pays for: with a ledger, they say so."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

from skdpflow import Categories, DPSlicedWassersteinFlow, PrivacyLeakWarning, PrivacyLedger
from skdpflow.compose import GenerativePipeline, TrainOnSynthetic
from skdpflow.model_selection import DPSearchCV
from skdpflow.preprocessing import DPStandardScaler

X = np.random.default_rng(0).uniform(size=(100, 2))
Y = (X[:, 0] > 0.5).astype(int)


def flow(ledger=None, **params):
    params = {"domain": (0, 1), "target": Categories([0, 1]), "n_particles": 32, **params}
    return DPSlicedWassersteinFlow(0.5, 1e-8, ledger=ledger, **params)


def pipeline(ledger=None):
    steps = [("scale", DPStandardScaler(domain=(0, 1))), ("flow", flow(domain=None))]
    return GenerativePipeline(steps, ledger=ledger)


def trained(ledger=None):
    return TrainOnSynthetic(LogisticRegression(), flow(ledger), n_samples=100)


@pytest.fixture
def ledger():
    return PrivacyLedger(epsilon=8.0, delta=1e-6)


@pytest.mark.parametrize(
    ("make", "methods"),
    [(flow, ("score", "score_samples")), (pipeline, ("score", "score_samples")), (trained, ("score",))],
)
def test_an_unpaid_score_warns_where_there_is_a_ledger(make, methods, ledger):
    with_ledger, without = make(ledger).fit(X, Y), make().fit(X, Y)
    for method in methods:
        ledger.warned_of_scores = False
        args = (X, Y) if make is trained else (X,)
        with pytest.warns(PrivacyLeakWarning, match="dp_score") as caught:
            getattr(with_ledger, method)(*args)
        assert len(caught) == 1
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            getattr(with_ledger, method)(*args)  # said once
            getattr(without, method)(*args)


@pytest.mark.slow
def test_a_grid_search_pays_for_its_fits_and_warns_once_of_its_scores(ledger):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        GridSearchCV(flow(ledger), {"n_steps": [1, 2]}, cv=2, error_score="raise").fit(X, Y)
    assert [w.category for w in caught] == [PrivacyLeakWarning]
    assert len(ledger.events) == 5


def test_the_score_of_a_search_warns_too():
    ledger = PrivacyLedger(epsilon=8.0, delta=1e-5, accountant="rdp")
    search = DPSearchCV(trained(), {"n_samples": [50, 100]}, n_iter=1.5, ledger=ledger).fit(X, Y)
    with pytest.warns(PrivacyLeakWarning, match="dp_score"):
        search.score(X, Y)


def test_cross_validation_pays_for_its_fits(ledger):
    with pytest.warns(PrivacyLeakWarning):
        cross_val_score(flow(ledger), X, Y, cv=3, error_score="raise")
    assert len(ledger.events) == 3


def test_a_warning_that_was_made_an_error_is_raised_every_time(ledger):
    model = trained(ledger).fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(PrivacyLeakWarning):
                model.score(X, Y)
