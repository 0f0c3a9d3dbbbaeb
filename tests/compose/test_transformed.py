"""A generator behind a public transformation."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdpflow import Categories, DPSlicedWassersteinFlow
from skdpflow.compose import TransformedGenerator
from skdpflow.preprocessing import DPStandardScaler

LOG = FunctionTransformer(np.log, inverse_func=np.exp, feature_names_out="one-to-one")
CHECKS = parametrize_with_checks(
    [TransformedGenerator(DPSlicedWassersteinFlow(noise_random_state=0, random_state=0), FunctionTransformer())]
).mark


@pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")
@pytest.mark.parametrize(CHECKS.args[0], list(CHECKS.args[1]), **CHECKS.kwargs)
def test_common_checks(estimator, check):
    check(estimator)


def incomes(n=1000):
    return pd.DataFrame(np.random.default_rng(0).lognormal(3.0, 1.0, size=(n, 2)), columns=["a", "b"])


def test_there_and_back():
    X = incomes()
    y = np.where(X["a"] > 20, "rich", "poor")
    flow = DPSlicedWassersteinFlow(3.0, domain=(-1.0, 7.0), target=Categories(["rich", "poor"]))
    model = TransformedGenerator(flow, LOG).fit(X, y)
    rows, labels = model.sample_labeled(3000, random_state=0)
    assert list(rows.columns) == ["a", "b"]
    assert np.abs(np.log(rows).mean() - np.log(X).mean()).max() < 0.3
    assert (rows["a"] > 20)[labels == "rich"].mean() > 0.8
    rows, labels = model.sample_labeled(y=["poor", "rich", "poor"])
    assert (len(rows), list(labels)) == (3, ["poor", "rich", "poor"])
    assert list(model.classes_) == ["rich", "poor"]
    assert model.sample(4).shape == (4, 2)
    assert model.score(X) < 0.0
    assert model.privacy_spent_ == (3.0, 1e-6)


def test_grid_search():
    model = TransformedGenerator(DPSlicedWassersteinFlow(domain=(-1.0, 7.0)), LOG)
    search = GridSearchCV(model, {"generator__epsilon": [0.01, 10.0]}, cv=2, error_score="raise").fit(incomes(400))
    assert search.best_params_ == {"generator__epsilon": 10.0}


def test_public_scaler():
    X = incomes().to_numpy()
    scaler = FrozenEstimator(StandardScaler().fit(np.random.default_rng(5).lognormal(3.0, 1.0, size=(50, 2))))
    assert TransformedGenerator(DPSlicedWassersteinFlow(domain=(-5.0, 50.0)), scaler).fit(X).sample(3).shape == (3, 2)


class Untouchable:
    def __getattr__(self, name):
        raise AssertionError("the rows were read")


@pytest.mark.parametrize(
    ("generator", "transformer", "message"),
    [
        (DPSlicedWassersteinFlow(), StandardScaler(), "would learn from the private rows"),
        (DPSlicedWassersteinFlow(), DPStandardScaler(), "one budget for both"),
        (DPSlicedWassersteinFlow(), FunctionTransformer(np.log), "inverse_func"),
        (StandardScaler(), LOG, "'generator' parameter"),
    ],
)
def test_refused_before_rows_are_read(generator, transformer, message):
    with pytest.raises(ValueError, match=message):
        TransformedGenerator(generator, transformer).fit(Untouchable())


def test_not_fitted():
    with pytest.raises(NotFittedError):
        TransformedGenerator(DPSlicedWassersteinFlow(), LOG).sample()
