"""Public steps that draw random numbers or remember rows: refused where it shows, and harmless where it does not."""

import random

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler

from skdpflow import DPSlicedWassersteinFlow, PrivacyLedger
from skdpflow.compose import GenerativePipeline
from skdpflow.curator.rowwise import map_rows
from skdpflow.preprocessing import DPPCA, DPStandardScaler

BOX = (0.0, 4.0)


class Step(TransformerMixin, BaseEstimator):
    """Changes a row by a number, where a row is large; learns nothing."""

    def __init__(self, above=1.5):
        self.above = above

    def fit(self, X, y=None):
        return self

    def number(self, x):
        raise NotImplementedError

    def transform(self, X):
        row = np.array(X.to_numpy() if hasattr(X, "to_numpy") else X, dtype=float)
        if row[0, 0] > self.above:
            row[:] = (row + 4.0 * self.number(row[0, 0])) % 4.0
        return row

    def inverse_transform(self, X):
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


class Jitter(Step):
    """Draws from the generator of NumPy that everything shares."""

    def number(self, x):
        return np.random.uniform()  # noqa: NPY002


class PlainJitter(Step):
    """Draws from the generator of Python that everything shares."""

    def number(self, x):
        return random.random()


class OwnJitter(Step):
    """Draws from a generator of its own."""

    def fit(self, X, y=None):
        self.generator_ = np.random.default_rng(0)
        self.old_ = np.random.RandomState(0)
        return self

    def number(self, x):
        return (self.generator_.uniform() + self.old_.uniform()) / 2.0


class Remembers(Step):
    """Adds what the rows before were."""

    def number(self, x):
        self.sum_ = getattr(self, "sum_", 0.0) + x / 7.0
        return self.sum_


class Counts(Step):
    """Numbers the rows, in a list deep inside of it."""

    def fit(self, X, y=None):
        self.seen_ = {"rows": [0]}
        return self

    def number(self, x):
        self.seen_["rows"][0] += 1
        return self.seen_["rows"][0] / 11.0


def fresh(X):
    return X + np.random.default_rng().uniform(size=X.shape)


STATEFUL = [Jitter, PlainJitter, OwnJitter, Remembers, Counts]
PUBLIC = np.random.default_rng(9).uniform(0, 4, size=(50, 2))
HARMLESS = {
    "lambda": FunctionTransformer(lambda X: X * 0.5, inverse_func=lambda X: X * 2.0),
    "scaler": FrozenEstimator(MinMaxScaler((0, 4)).fit(PUBLIC)),
    "product": FrozenEstimator(PCA(2).fit(PUBLIC)),
    "in place": FunctionTransformer(lambda X: np.multiply(X, 0.5, out=X), inverse_func=lambda X: X * 2.0),
    **{kind.__name__: kind() for kind in STATEFUL},
}


FRAMES = [pytest.param(frame, marks=pytest.mark.slow) for frame in ("pandas", "polars")]


def rows(container, n=60):
    X = np.random.default_rng(1).uniform(0, 4, size=(n, 2))
    X[0] = (3.0, 3.0)  # moves whatever a step remembers or draws
    if container == "numpy":
        return X
    return pd.DataFrame(X, columns=["a", "b"]) if container == "pandas" else pl.DataFrame(X, schema=["a", "b"])


def without_first(X):
    return X.iloc[1:] if isinstance(X, pd.DataFrame) else X[1:]


def with_another_first(X):
    other = np.array([[0.1, 3.9]])
    if isinstance(X, pd.DataFrame):
        return pd.concat([pd.DataFrame(other, columns=X.columns), X.iloc[1:]], ignore_index=True)
    if isinstance(X, pl.DataFrame):
        return pl.concat([pl.DataFrame(other, schema=X.columns), X[1:]])
    return np.vstack([other, X[1:]])


def measured(step, X, neighbours):
    """Return the first histograms, of public cells, with the same noise each time: what differs is the sketch."""
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    flow = DPSlicedWassersteinFlow(
        50.0, domain=BOX, n_particles=16, n_steps=1, noise_random_state=1, random_state=0, neighbours=neighbours
    )
    return GenerativePipeline([("step", step), ("flow", flow)], epsilon=50.0).fit(X).releases_["flow"]["location1"]


@pytest.mark.filterwarnings("ignore:noise_random_state:skdpflow.PrivacyLeakWarning")
@pytest.mark.parametrize("neighbours", [pytest.param("add-remove", marks=pytest.mark.slow), "replace-one"])
@pytest.mark.parametrize("container", ["numpy", *FRAMES])
@pytest.mark.parametrize("name", HARMLESS)
def test_one_row_changes_the_sketch_by_no_more_than_the_sensitivity(name, container, neighbours):
    if name == "in place" and container != "numpy":
        pytest.skip("writes to arrays")
    X = rows(container)
    change = without_first if neighbours == "add-remove" else with_another_first
    a, b = (measured(HARMLESS[name], data, neighbours) for data in (X, change(X)))
    assert a.values.shape == b.values.shape
    norm = np.linalg.norm(a.values.astype(float) - b.values.astype(float))
    assert 0.0 < norm <= a.sensitivity * (1 + 1e-9)


@pytest.mark.parametrize("container", ["numpy", "pandas", "polars"])
@pytest.mark.parametrize("kind", STATEFUL)
def test_what_is_no_function_of_the_row_is_refused_before_anything_is_spent(kind, container):
    ledger = PrivacyLedger(epsilon=4.0, delta=1e-5)
    for steps in (
        [("step", kind(above=-1.0))],
        [("scale", DPStandardScaler(domain=BOX)), ("step", kind(above=-1.0))],
        [("pca", DPPCA(2, domain=BOX)), ("same", HARMLESS["lambda"]), ("step", kind(above=-1.0))],
    ):
        pipe = GenerativePipeline([*steps, ("flow", DPSlicedWassersteinFlow(domain=(-9, 9)))], ledger=ledger)
        with pytest.raises(ValueError, match=rf"The step 'step' \({kind.__name__}\) gives the same row another result"):
            pipe.fit(rows(container))
    assert ledger.events == ()


def test_entropy_of_its_own_is_refused():
    with pytest.raises(ValueError, match="another result each time"):
        map_rows(FunctionTransformer(fresh), rows("numpy"), "fresh")


class Uncopied(Step):
    """Cannot be copied."""

    def __reduce__(self):
        raise RuntimeError("SECRET")


def test_what_cannot_be_copied_is_refused():
    with pytest.raises(TypeError, match=r"The step 'step' \(Uncopied\) cannot be copied \(RuntimeError\)") as caught:
        map_rows(Uncopied(), rows("numpy"), "step")
    assert caught.value.__context__ is None


def fails_on_large_rows(X):
    np.random.uniform(size=3 if X[0, 0] > 1 else 0)  # noqa: NPY002
    random.random()
    if X[0, 0] > 3.5:
        raise RuntimeError("SECRET")
    return X


@pytest.mark.parametrize("highest", [1.0, 4.0])
def test_the_generators_of_the_process_go_on_as_if_nothing_had_been_drawn(highest):
    """Also where the step fails on a row."""
    X, step = np.minimum(rows("numpy"), highest), FunctionTransformer(fails_on_large_rows)
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    expected = np.random.uniform(), random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    Z = map_rows(step, X, "step")
    assert np.isnan(Z).any() == (highest == 4.0)
    assert (np.random.uniform(), random.random()) == expected  # noqa: NPY002


def test_a_step_is_left_as_it_was():
    step = Counts(above=1.5).fit(None)
    made = map_rows(step, rows("numpy"), "step")
    assert step.seen_ == {"rows": [0]}
    assert np.array_equal(made, map_rows(step, rows("numpy"), "step"))


def test_missing_results_are_equal_to_themselves():
    step = FunctionTransformer(lambda d: d.assign(a=np.nan, b=None, c=[[1, np.nan]]))
    assert list(map_rows(step, rows("pandas"), "step").columns) == ["a", "b", "c"]


def test_columns_of_several_kinds_pass():
    frame = rows("pandas").assign(c="x", d=True)
    columns = ColumnTransformer([("s", MinMaxScaler(), ["a"])], remainder="passthrough")
    step = FrozenEstimator(columns.set_output(transform="pandas").fit(frame))
    made = map_rows(step, frame, "step")
    assert len(made) == len(frame)
    assert list(made["remainder__c"]) == ["x"] * len(frame)
