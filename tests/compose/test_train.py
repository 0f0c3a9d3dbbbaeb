"""Models trained on private synthetic rows."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, Key, PrivacyLedger
from skdpflow.compose import TrainOnSynthetic

# Without a domain: with one, no cell is an error in `fit`, while that of the estimator may be one in `predict`.
# Whole numbers in one container are decimals in another, so rows differ a little: the seed leaves no row at a boundary.
MODELS = [
    TrainOnSynthetic(
        LogisticRegression(max_iter=1000),
        DPSlicedWassersteinFlow(1e3, 0.1, noise_random_state=1, random_state=0, target=Categories()),
        random_state=0,
        n_samples=50_000,
    ),
    TrainOnSynthetic(
        LinearRegression(),
        DPSlicedWassersteinFlow(
            1e3,
            0.1,
            noise_random_state=0,
            random_state=0,
            target=Interval(-500, 500, integer=True),
        ),
        random_state=0,
    ),
]
CHECKS = parametrize_with_checks(MODELS).mark


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")
@pytest.mark.parametrize(CHECKS.args[0], list(CHECKS.args[1]), **CHECKS.kwargs)
def test_common_checks(estimator, check):
    check(estimator)


def labelled(n=1500, names=("high", "low")):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    return X, pd.Series(np.where(X["a"] + X["b"] > 0, *names), name="y")


def flow(**params):
    defaults = {"epsilon": 1.0, "delta": 1e-5, "domain": (-4.0, 4.0), "target": Categories(["high", "low"])}
    return DPSlicedWassersteinFlow(**{**defaults, **params})


def test_a_private_classifier():
    X, y = labelled()
    model = TrainOnSynthetic(LogisticRegression(), flow(), n_samples=4000)
    assert is_classifier(model)
    assert not is_regressor(model)
    assert model.fit(X, y) is model
    assert model.score(X, y) > 0.9
    assert list(model.classes_) == ["high", "low"]
    assert list(model.feature_names_in_) == ["a", "b", "c"]
    assert model.predict_proba(X).shape == (len(X), 2)
    assert np.allclose(np.exp(model.predict_log_proba(X)).sum(axis=1), 1.0)
    assert model.decision_function(X).shape == (len(X),)
    assert model.privacy_spent_ == model.generator_.privacy_spent_ == (1.0, 1e-5)


def test_a_private_regressor():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(2000, 2))
    model = TrainOnSynthetic(LinearRegression(), flow(epsilon=3.0, domain=(0.0, 1.0), target=Interval(0.0, 3.0)))
    assert is_regressor(model)
    assert model.fit(X, X @ [2.0, 1.0]).score(X, X @ [2.0, 1.0]) > 0.8
    assert not hasattr(model, "classes_")
    assert not hasattr(model, "predict_proba")


def test_the_model_is_a_function_of_the_release():
    """The same model again from a sample of the generator that was kept."""
    X, y = labelled()
    model = TrainOnSynthetic(LogisticRegression(), flow(), n_samples=500, random_state=3).fit(X, y)
    again = DPSlicedWassersteinFlow.from_release(model.generator_.release_)
    rows, labels = again.sample_labeled(500, random_state=np.random.default_rng(3))
    assert np.array_equal(LogisticRegression().fit(rows, labels).coef_, model.estimator_.coef_)
    assert np.asarray(X)[:, 0].tobytes() not in pickle.dumps(model)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_methods_follow_the_estimator():
    model = TrainOnSynthetic(LinearSVC(), flow())
    assert hasattr(model, "decision_function")
    assert not hasattr(model, "predict_proba")
    with pytest.raises(NotFittedError):
        model.predict(labelled()[0])


class Reader:
    """A generator that must not be shown any row."""

    def __init__(self, target=None):
        self.target = target

    def get_params(self, deep=True):
        return {"target": self.target}

    def set_params(self, **params):
        return self

    def sample_labeled(self, n):
        raise AssertionError

    def fit(self, X, y):
        raise AssertionError("the rows were read")


@pytest.mark.parametrize(
    ("estimator", "target", "message"),
    [
        (LogisticRegression(), None, "no target"),
        (LogisticRegression(), Interval(0, 1), "has a classifier"),
        (LinearRegression(), Categories([0, 1]), "has a regressor"),
    ],
)
def test_a_target_that_does_not_fit_is_refused_before_rows_are_read(estimator, target, message):
    with pytest.raises(ValueError, match=message):
        TrainOnSynthetic(estimator, Reader(target)).fit(*labelled(50))


def test_parameters_are_checked_before_rows_are_read():
    X, y = labelled(50)
    with pytest.raises(ValueError, match="'generator' parameter of TrainOnSynthetic"):
        TrainOnSynthetic(LogisticRegression(), LogisticRegression()).fit(X, y)
    for bad in ({"n_samples": 0}, {"n_samples": 2.5}, {"random_state": "x"}):
        with pytest.raises(ValueError, match=f"{next(iter(bad))!r} parameter of TrainOnSynthetic"):
            TrainOnSynthetic(LogisticRegression(), Reader(Categories([0, 1])), **bad).fit(X, y)


def test_labels_that_are_not_found_give_an_error_without_labels():
    X, _ = labelled(30)
    with pytest.raises(ValueError, match="No class labels were found privately") as caught:
        TrainOnSynthetic(LogisticRegression(), flow(target=Categories())).fit(X, [f"SECRET{i}" for i in range(30)])
    assert "SECRET" not in str(caught.value)


def test_object_labels_train_a_classifier():
    X, y = labelled(names=(1, 0))
    model = TrainOnSynthetic(LogisticRegression(), flow(target=Categories([0, 1]))).fit(X, y.astype(object))
    assert model.score(X, y) > 0.9


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
@pytest.mark.slow
def test_grid_search_reaches_both_parts():
    X, y = labelled()
    model = TrainOnSynthetic(LogisticRegression(), flow())
    grid = {"generator__epsilon": [0.02, 5.0], "estimator__C": [0.1, 1.0]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_["generator__epsilon"] == 5.0
    assert search.predict(X).shape == (len(X),)
    assert clone(search.best_estimator_).generator.epsilon == 5.0


def test_metadata_goes_to_the_estimator():
    X, y = labelled()
    weights = (y == "high").to_numpy(dtype=float)
    with config_context(enable_metadata_routing=True):
        estimator = LogisticRegression().set_score_request(sample_weight=True)
        model = TrainOnSynthetic(estimator, flow()).fit(X, y)
        high = model.score(X, y, sample_weight=weights)
        assert high == model.score(X[y == "high"], y[y == "high"])
        with pytest.raises(TypeError, match="fit"):
            model.fit(X, y, sample_weight=weights)


def _decimals(y):
    return pl.Series(y).cast(pl.Decimal(10, 2))


@pytest.mark.parametrize(
    ("target", "make"),
    [
        (Categories([0, 1]), lambda y: pl.Series(y, dtype=pl.Object)),
        (Categories([0, 1]), _decimals),
        (Categories([False, True]), lambda y: pl.Series(y, dtype=pl.Object)),
        (Categories(["a", "b"]), lambda y: np.array(y, dtype=np.dtypes.StringDType())),
    ],
)
def test_labels_of_any_dtype_that_is_accepted_can_be_trained_on(target, make):
    X, y = np.random.default_rng(0).uniform(size=(200, 2)), make([*target.values] * 100)
    flow = DPSlicedWassersteinFlow(5.0, domain=(0, 1), target=target, n_particles=16)
    model = TrainOnSynthetic(LogisticRegression(), flow).fit(X, y)
    assert set(model.predict(X).tolist()) <= set(target.values)


@pytest.mark.parametrize("classes", [[0.5, 1.5], [1, "a"]])
def test_classes_that_no_classifier_takes_are_refused_before_anything_is_spent(classes):
    ledger = PrivacyLedger(epsilon=1.0, delta=1e-5)
    flow = DPSlicedWassersteinFlow(domain=(0, 1), target=Categories(classes), ledger=ledger)
    with pytest.raises(ValueError, match="takes the declared classes for no labels"):
        TrainOnSynthetic(LogisticRegression(), flow).fit(np.ones((4, 1)) / 2, classes * 2)
    assert ledger.spent() == 0


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_an_estimator_that_fails_on_such_columns_is_refused_before_anything_is_spent(frame, tmp_path):
    rng = np.random.default_rng(0)
    X = frame({"ward": rng.choice(["A", "B"], 500), "id": [f"P{i}" for i in range(500)], "age": rng.uniform(size=500)})
    y = rng.choice(["high", "low"], 500)
    ledger = PrivacyLedger(tmp_path / "ledger.db", epsilon=2.0, delta=1e-5)
    domain = Domain({"ward": Categories(["A", "B"]), "id": Key(), "age": Interval(0, 1)})
    flow = DPSlicedWassersteinFlow(domain=domain, target=Categories(["high", "low"]), ledger=ledger, random_state=0)
    model = TrainOnSynthetic(LogisticRegression(), flow)
    with pytest.raises(ValueError, match="LogisticRegression cannot be trained on made-up rows") as raised:
        model.fit(X, y)
    assert "Nothing was spent" in str(raised.value)
    assert len(ledger.events) == 0
    encoder = ColumnTransformer([("ward", OneHotEncoder(), ["ward"])])
    with pytest.raises(ValueError, match="'C' parameter"):
        TrainOnSynthetic(make_pipeline(encoder, LogisticRegression(C=-1)), flow).fit(X, y)
    assert len(ledger.events) == 0
    TrainOnSynthetic(make_pipeline(encoder, LogisticRegression()), flow).fit(X, y)
    assert len(ledger.events) == 1


class _ShowsItsRows(LogisticRegression):
    """Fails with a message that tells all of the rows that it was given."""

    def fit(self, X, y):
        raise RuntimeError(f"{X.to_numpy().tolist()} {list(X.columns)} {list(X.dtypes)} {list(X.index)} {list(y)}")


def test_an_estimator_is_tried_on_rows_that_tell_nothing_of_the_private_ones():
    X, y = labelled()
    other = pd.DataFrame(np.full((20, 3), -3.0), columns=X.columns, index=range(7, 27))
    said = []
    for own, labels in ((X, y), (other, pd.Series(["private"] * 20, index=other.index, name="y"))):
        with pytest.raises(ValueError, match="cannot be trained on made-up rows") as raised:
            TrainOnSynthetic(_ShowsItsRows(), flow(random_state=0)).fit(own, labels)
        said.append(str(raised.value))
    assert said[0] == said[1]


class _OneRowTooMany(LogisticRegression):
    """Fails on more rows than made-up ones are."""

    def fit(self, X, y):
        if len(X) > 1000:
            raise ValueError("too many")
        return super().fit(X, y)


def test_a_generator_is_kept_if_the_estimator_fails_on_its_rows():
    X = np.random.default_rng(0).uniform(size=(500, 2))
    flow = DPSlicedWassersteinFlow(domain=(0, 1), target=Categories([0, 1]), random_state=0)
    model = TrainOnSynthetic(_OneRowTooMany(), flow)
    with pytest.raises(ValueError, match="too many"):
        model.fit(X, (X[:, 0] > 0.5).astype(int))
    assert model.generator_.sample(3).shape == (3, 2)
    assert "LogisticRegression" not in str(model.privacy_statement())
    with pytest.raises(NotFittedError):
        model.predict(X)
