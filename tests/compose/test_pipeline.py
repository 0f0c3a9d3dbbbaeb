"""Pipelines that sample."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval
from skdpflow.accountants import ComposedEvent, GaussianDPAccountant
from skdpflow.compose import GenerativePipeline
from skdpflow.preprocessing import DPPCA, DPStandardScaler

PIPES = [
    GenerativePipeline(
        [
            ("scale", DPStandardScaler(noise_random_state=0)),
            ("flow", DPSlicedWassersteinFlow(noise_random_state=0, random_state=0)),
        ]
    ),
    GenerativePipeline([("flow", DPSlicedWassersteinFlow(noise_random_state=0, random_state=0))]),
]
CHECKS = parametrize_with_checks(PIPES).mark


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")
@pytest.mark.parametrize(CHECKS.args[0], list(CHECKS.args[1]), **CHECKS.kwargs)
def test_common_checks(estimator, check):
    check(estimator)


def table(n=1500):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n, 2)) @ rng.normal(size=(2, 5)), columns=list("abcde"))
    return X, pd.Series(np.where(X["a"] > 0, "high", "low"), name="y")


def flow(**params):
    return DPSlicedWassersteinFlow(**{"target": Categories(["high", "low"]), "random_state": 0, **params})


def pipe(first=None, **params):
    return GenerativePipeline([("pca", first or DPPCA(domain=(-8.0, 8.0))), ("flow", flow())], **params)


def composed(model):
    return ComposedEvent(tuple(release.event for release in model.releases_.values()))


# ---------------------------------------------------------------- the budget


@pytest.mark.parametrize("target", [Categories(["high", "low"]), Categories(), None])
@pytest.mark.parametrize("weights", [None, {"pca": 1.0, "flow": 9.0}])
@pytest.mark.parametrize(("epsilon", "delta"), [(0.1, 1e-6), (1.0, 1e-5), (10.0, 1e-3)])
def test_all_steps_together_keep_the_budget(target, weights, epsilon, delta):
    model = pipe(epsilon=epsilon, delta=delta, weights=weights).set_params(flow__target=target).fit(*table(400))
    accountant = GaussianDPAccountant()
    spent = accountant.epsilon(composed(model), delta)
    assert spent <= epsilon
    if not isinstance(target, Categories) or target.declared:
        assert spent > 0.9 * epsilon
    assert model.privacy_spent_ == (epsilon, delta)
    alone = [accountant.epsilon(release.event, delta) for release in model.releases_.values()]
    assert sum(alone) > epsilon  # composition is better than a sum


def test_weights_are_shares_of_mu_squared():
    model = pipe(weights={"pca": 1.0, "flow": 3.0}).fit(*table(300))
    pca, generator = (sum(1 / e.noise_multiplier**2 for e in r.event.events) for r in model.releases_.values())
    assert generator / pca == pytest.approx(3.0, rel=0.02)


def test_a_seeded_step_makes_the_whole_not_private():
    with pytest.warns(match="no privacy"):
        model = pipe(DPPCA(domain=(-8.0, 8.0), noise_random_state=0)).fit(*table(100))
    assert model.privacy_spent_ == (float("inf"), 1.0)


# ---------------------------------------------------------------- there and back


def test_samples_look_like_the_rows():
    X, y = table(6000)  # with 1500, one fit in 75 is this far off
    model = pipe(epsilon=3.0).fit(X, y)
    rows, labels = model.sample_labeled(3000, random_state=0)
    assert isinstance(rows, pd.DataFrame)
    assert list(rows.columns) == list(X.columns) == list(model.feature_names_in_)
    assert rows.dtypes.equals(X.dtypes)
    assert set(labels) <= {"high", "low"}
    assert np.abs(np.corrcoef(rows.T) - np.corrcoef(X.T)).max() < 0.3
    assert (rows["a"] > 0)[labels == "high"].mean() > 0.8
    only = model.sample_labeled(50, proportions={"low": 1.0})[1]
    assert set(only) == {"low"}
    wanted = ["low", "high", "high"]
    rows, labels = model.sample_labeled(y=wanted)
    assert (len(rows), list(labels)) == (3, wanted)
    assert len(model.sample_labeled(1)[0]) == 1
    assert model.sample(7).shape == (7, 5)
    assert list(model.classes_) == ["high", "low"]
    assert model.n_features_in_ == 5


def test_the_released_domain_is_handed_on():
    model = pipe().fit(*table())
    assert model["flow"].domain_.columns == model["pca"].domain_out_.columns
    assert model["flow"].release_.measurements[0].kind != "bounds"
    assert model.named_steps["pca"].components_.shape[1] == 5
    assert model[:-1].transform(table()[0]).shape[1] == model["pca"].n_components_


def test_fit_leaves_the_steps_as_they_were():
    model = pipe()
    before = {name: repr(value) for name, value in model.get_params().items()}
    model.fit(*table(200))
    assert {name: repr(value) for name, value in model.get_params().items()} == before
    assert not hasattr(model.steps[0][1], "release_")
    assert not hasattr(clone(model), "steps_")


def test_nothing_of_the_rows_is_kept():
    X, y = table()
    model = pipe().fit(X, y)
    packed = pickle.dumps(model)
    assert X["a"].to_numpy()[:2].tobytes() not in packed
    again = pickle.loads(packed)
    assert again.sample(5, random_state=0).equals(model.sample(5, random_state=0))


@pytest.mark.slow
def test_images_of_digits_resemble_their_class():
    X, y = load_digits(return_X_y=True)
    flow = DPSlicedWassersteinFlow(target=Categories(list(range(10))))
    model = GenerativePipeline([("pca", DPPCA(domain=(0.0, 16.0))), ("flow", flow)], epsilon=20.0).fit(X, y)
    images, labels = model.sample_labeled(2000, random_state=0)
    assert images.min() >= 0.0
    assert images.max() <= 16.0
    means = np.array([images[labels == c].mean(axis=0) for c in range(10)])
    true = np.array([X[y == c].mean(axis=0) for c in range(10)])
    nearest = ((means[:, None] - true[None]) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == np.arange(10)).mean() >= 0.9


# ---------------------------------------------------------------- public steps


@pytest.mark.slow
def test_a_step_fitted_on_public_data():
    X, y = table()
    public = np.random.default_rng(9).normal(size=(300, 5)) * 3.0
    frozen = FrozenEstimator(PCA(3).fit(public))
    steps = [("pca", frozen), ("scale", DPStandardScaler(domain=(-20.0, 20.0))), ("flow", flow())]
    model = GenerativePipeline(steps).fit(X.to_numpy(), y)
    assert set(model.releases_) == {"scale", "flow"}
    assert model.sample(4).shape == (4, 5)
    assert model.score(X.to_numpy()) < 0.0
    assert model.score_samples(X.to_numpy()).shape == (len(X),)


def test_a_stateless_step_sees_one_row_at_a_time():
    seen = []

    def centre(X):
        seen.append(len(X))
        return X - X.mean()

    step = FunctionTransformer(centre, inverse_func=np.negative)
    X = np.random.default_rng(0).uniform(size=(60, 2))
    GenerativePipeline([("f", step), ("flow", flow(domain=(-1.0, 1.0), target=None))]).fit(X)
    assert set(seen) == {1}


def test_frames_go_through_stateless_steps():
    X, y = table(200)
    step = FunctionTransformer(np.tanh, inverse_func=np.arctanh, feature_names_out="one-to-one")
    model = GenerativePipeline([("f", step), ("flow", flow(domain=(-0.999, 0.999)))]).fit(X, y)
    assert list(model.sample(3).columns) == list(X.columns)


def test_a_failing_step_shows_no_cell():
    def fail(X):
        raise ValueError(f"SECRET {X}")

    step = FunctionTransformer(fail, inverse_func=np.exp)
    with pytest.raises(ValueError, match="'f' fails on all rows") as caught:
        GenerativePipeline([("f", step), ("flow", flow(target=None))]).fit(np.ones((5, 2)))
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("passthrough", ["passthrough", None])
def test_steps_may_be_passthrough(passthrough):
    X, y = table(200)
    model = GenerativePipeline([("nothing", passthrough), ("flow", flow(domain=(-8.0, 8.0)))]).fit(X, y)
    assert model.sample(3).shape == (3, 5)


# ---------------------------------------------------------------- what is refused, before any row is read


class Untouchable:
    def __getattr__(self, name):
        raise AssertionError("the rows were read")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (pipe(StandardScaler()), "'pca' .* would learn from the private rows .*FrozenEstimator"),
        (pipe(MinMaxScaler().fit([[0.0], [1.0]])), "would learn from the private rows"),
        (pipe(PCA(2)), "would learn from the private rows"),
        (pipe(FunctionTransformer(np.log)), "inverse_func"),
        (pipe(FrozenEstimator(Categories)), "transformer with"),
        (pipe(DPPCA(neighbours="replace-one")), "same 'neighbours'"),
        (pipe(weights={"pca": 1.0}), "'weights' parameter"),
        (pipe(weights={"pca": 1.0, "flow": 0.0}), "'weights' parameter"),
        (pipe(epsilon=0.0), "'epsilon' parameter of GenerativePipeline"),
        (pipe(delta=1.0), "'delta' parameter of GenerativePipeline"),
        (GenerativePipeline([("pca", DPPCA())]), "last step"),
        (GenerativePipeline([]), "'steps' parameter"),
    ],
)
def test_bad_pipelines_are_refused_before_rows_are_read(model, message):
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(Untouchable(), Untouchable())


def test_a_pipeline_that_is_not_fitted_cannot_be_used():
    for call in (pipe().sample, pipe().sample_labeled, lambda: pipe().score(None)):
        with pytest.raises(NotFittedError):
            call()


# ---------------------------------------------------------------- in a grid search


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
@pytest.mark.slow
def test_grid_search():
    X, y = table(600)
    grid = {"epsilon": [0.5, 5.0], "pca__n_components": [2, 3], "flow__n_steps": [1]}
    search = GridSearchCV(pipe(), grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_["epsilon"] in grid["epsilon"]
    assert search.best_estimator_.sample_labeled(4)[0].shape == (4, 5)


def test_numeric_targets():
    X, _ = table()
    # at epsilon 1 one fit in ten sees a single component and fails below; at 10 none of 200 came near
    model = pipe(epsilon=10.0).set_params(flow__target=Interval(-8.0, 8.0)).fit(X, X["a"])
    rows, y = model.sample_labeled(1000)
    assert np.corrcoef(rows["a"], y)[0, 1] > 0.8
