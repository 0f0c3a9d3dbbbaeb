"""Rare classes filled up with private rows."""

import io

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import estimator_checks_generator

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval, Release
from skdpflow.compose import DPOversampler, GenerativePipeline
from skdpflow.preprocessing import DPStandardScaler


def table(counts=(600, 80, 20), container=np.asarray):
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(len(counts)), counts)
    X = rng.normal(size=(len(y), 2)) + 2.0 * y[:, None]
    if container is pd.DataFrame:
        return pd.DataFrame(X, columns=["a", "b"]), pd.Series(y, name="y")
    if container is pl.DataFrame:
        return pl.DataFrame(X, ["a", "b"]), pl.Series("y", y)
    return X, y


def flow(n_classes=3, **params):
    return DPSlicedWassersteinFlow(
        **{"epsilon": 30.0, "domain": (-4.0, 8.0), "target": Categories(list(range(n_classes))), **params}
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "counts"),
    [
        ("auto", [600, 600, 600]),
        ("not majority", [600, 600, 600]),
        ("all", [600, 600, 600]),
        ("minority", [600, 80, 600]),
        ("not minority", [600, 600, 20]),
        ({1: 100, 2: 50}, [600, 100, 50]),
        ({2: 20}, [600, 80, 20]),
        (lambda y: {2: 4 * int((np.asarray(y) == 2).sum())}, [600, 80, 80]),
    ],
)
@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, pl.DataFrame])
def test_each_strategy_gives_its_number_of_rows(strategy, counts, container):
    X, y = table(container=container)
    sampler = DPOversampler(flow(), strategy, random_state=0)
    more, labels = sampler.fit_resample(X, y)
    assert np.bincount(np.asarray(labels)).tolist() == counts
    assert type(more) is type(X)
    assert type(labels) is type(y)
    assert np.array_equal(np.asarray(more)[: len(y)], np.asarray(X))
    assert list(np.asarray(labels)[: len(y)]) == list(np.asarray(y))
    assert sum(sampler.sampling_strategy_.values()) == len(labels) - len(y)
    assert sampler.privacy_spent_ == (30.0, 1e-6)
    new = np.asarray(more)[len(y) :][np.asarray(labels)[len(y) :] == 2]
    if len(new) > 100:
        assert new.mean() > 2.0


@pytest.mark.slow
def test_labels_come_back_in_the_form_in_which_they_were_given():
    X, y = table((60, 20, 10))
    release = flow().fit(*table()).release_
    expected = DPOversampler(release, random_state=0).fit_resample(X, y)
    rows, one_hot = DPOversampler(release, random_state=0).fit_resample(X, np.eye(3, dtype=np.int8)[y])
    assert np.array_equal(rows, expected[0])
    assert one_hot.dtype == np.int8
    assert np.array_equal(one_hot, np.eye(3)[expected[1]])
    rows, labels = DPOversampler(release, random_state=0).fit_resample(X.tolist(), y.tolist())
    assert rows == expected[0].tolist()
    assert labels == expected[1].tolist()
    X, y = table((60, 20, 10), pl.DataFrame)
    labels = DPOversampler(release, random_state=0).fit_resample(X, y.to_frame())[1]
    assert labels.equals(pl.Series("y", expected[1]).to_frame())
    for wrong in (
        np.ones((90, 2), dtype=int),
        pd.DataFrame({"y": y.to_numpy(), "z": 0}),
        pl.DataFrame([y, y.alias("z")]),
    ):
        with pytest.raises(ValueError, match="Multilabel and multioutput targets are not supported"):
            DPOversampler(release).fit_resample(X, wrong)


@pytest.mark.slow
@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame])
def test_fit_counts_and_draws_nothing(container):
    X, y = table(container=container)
    sampler = DPOversampler(flow(), {2: 100}).fit(X, y)
    assert sampler.sampling_strategy_ == {0: 0, 1: 0, 2: 80}
    assert list(sampler.get_feature_names_out()) == (["a", "b"] if container is pd.DataFrame else ["x0", "x1"])


@pytest.mark.parametrize(
    ("strategy", "classes", "message"),
    [
        ({7: 100}, [0, 1, 2], "keys among the classes"),
        ({0: 3}, [0, 1, 2], "have more rows"),
        (lambda y: [0], [0, 1, 2], "must return a dict"),
        (0.5, [0, 1, 2], "needs two classes"),
        ("auto", [0], "nothing to balance"),
        ("auto", ["0", "1"], "None of the labels"),
    ],
)
def test_what_is_refused_costs_nothing(strategy, classes, message):
    class NoFit(DPSlicedWassersteinFlow):
        def fit(self, X, y=None):
            raise AssertionError("the budget was spent")

    generator = NoFit(domain=(-4.0, 8.0), target=Categories(classes))
    with pytest.raises((ValueError, TypeError), match=message):
        DPOversampler(generator, strategy).fit_resample(*table())


@pytest.mark.slow
def test_agrees_with_imbalanced_learn():
    imblearn = pytest.importorskip("imblearn.over_sampling")
    X, y = table()
    for strategy in ("auto", "minority", "not minority", "not majority", "all", {1: 90}):
        theirs = imblearn.RandomOverSampler(sampling_strategy=strategy).fit_resample(X, y)[1]
        assert (
            np.bincount(DPOversampler(flow(), strategy).fit_resample(X, y)[1]).tolist() == np.bincount(theirs).tolist()
        )
    X, y = table((500, 50))
    theirs = imblearn.RandomOverSampler(sampling_strategy=0.33).fit_resample(X, y)[1]
    assert np.bincount(DPOversampler(flow(2), 0.33).fit_resample(X, y)[1]).tolist() == np.bincount(theirs).tolist()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
def test_in_a_pipeline_of_imbalanced_learn():
    pipeline = pytest.importorskip("imblearn.pipeline")
    X, y = table((900, 60))
    pipe = pipeline.Pipeline([("more", DPOversampler(flow(2))), ("model", LogisticRegression())])
    grid = {"more__sampling_strategy": [0.5, 1.0], "more__generator__epsilon": [30.0]}
    search = GridSearchCV(pipe, grid, cv=2, scoring="balanced_accuracy", error_score="raise").fit(X, y)
    assert search.best_score_ > 0.8
    assert len(search.predict(X)) == len(X)  # no rows are added to what is predicted


@pytest.mark.slow
@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, pl.DataFrame])
def test_from_another_holders_release(container):
    """Their frame gave the Release; the new rows come in the container of these rows."""
    buffer = io.BytesIO()
    flow().fit(*table((500, 500, 500), pd.DataFrame)).release_.save(buffer)
    release = Release.load(io.BytesIO(buffer.getvalue()))
    X, y = table((100, 10, 5), container)
    sampler = clone(DPOversampler(release, random_state=0))
    more, labels = sampler.fit_resample(X, y)
    assert np.bincount(np.asarray(labels)).tolist() == [100, 100, 100]
    assert type(more) is type(X)
    assert sampler.privacy_spent_ == (30.0, 1e-6)
    again = DPOversampler(release, random_state=0).fit_resample(X, y)[0]
    assert np.array_equal(np.asarray(again), np.asarray(more))  # nothing is measured, so nothing is random


@pytest.mark.slow
def test_without_the_original_rows_only_the_release_and_public_numbers_count():
    X, y = table()
    release = flow().fit(X, y).release_
    sampler = DPOversampler(release, {0: 5, 2: 7}, keep_original=False, random_state=0)
    one = sampler.fit_resample(X, y)
    other = sampler.fit_resample(X[:50] * 0.0, y[:50])
    assert np.array_equal(one[0], other[0])
    assert np.bincount(one[1]).tolist() == [5, 0, 7]
    with pytest.raises(ValueError, match="numbers taken from the raw labels would not be private"):
        DPOversampler(release, keep_original=False).fit_resample(X, y)


TEXT, WHOLE = Categories(["lo", "hi"]), Categories([0, 1])


@pytest.mark.parametrize(
    "form",
    [list, *(pytest.param(form, marks=pytest.mark.slow) for form in (tuple, lambda y: np.array(y, dtype=object)))],
)
@pytest.mark.parametrize("of", ["estimator", "release"])
@pytest.mark.parametrize(("target", "other"), [(TEXT, 7), (TEXT, None), (WHOLE, "x"), (WHOLE, 0.5), (WHOLE, True)])
def test_one_label_decides_no_released_dtype(form, of, target, other):
    X, found = np.random.default_rng(0).uniform(0, 8, size=(100, 2)), []
    labels = list(target.values) * 50
    for last in (labels[-1], other):
        if last is None and of == "estimator":
            return  # the gate refuses missing labels
        generator = flow(target=target, domain=(0, 8), n_particles=16, n_steps=1)
        if of == "release":
            generator = generator.fit(X, labels).release_
        sampler = DPOversampler(generator, {label: 2 for label in target.values}, keep_original=False)
        rows, new = sampler.fit_resample(X, form([*labels[:-1], last]))
        schema = sampler.generator_.release_.schema
        found.append((schema.target_dtype, schema.dtypes, rows.dtype, type(new), set(map(type, new))))
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.parametrize("other", [0, 2.5, True, 2**70])
def test_one_cell_of_a_list_decides_no_released_dtype(other):
    X = np.random.default_rng(0).integers(0, 8, size=(100, 2))
    y = [0, 1, 2, 2] * 25
    release, found = flow(3, domain={"a": Interval(0, 8, integer=True), "b": Interval(0, 8)}).fit(X, y).release_, []
    for last in (1, other):
        rows = X.tolist()
        rows[-1][0] = last
        sampler = DPOversampler(release, {0: 4}, keep_original=False)
        new, _ = sampler.fit_resample(rows, y)
        found.append((sampler.generator_.release_.schema, type(new), {type(cell) for row in new for cell in row}))
    assert found[0] == found[1]
    assert found[0][0].dtypes == ("float64", "float64")


@pytest.mark.slow
def test_original_cells_of_a_list_stay_as_they_are():
    rows, labels = [[1, 2.5], [3, 4.0], [5, 6.5]], ["lo", "lo", "hi"]
    X = np.random.default_rng(0).uniform(0, 8, size=(100, 2))
    release = flow(target=TEXT, domain=(0, 8)).fit(X, ["lo", "hi"] * 50).release_
    more, new = DPOversampler(release).fit_resample(rows, labels)
    assert (more[:3], new) == (rows, ["lo", "lo", "hi", "hi"])
    assert [type(cell) for cell in more[0]] == [int, float]


def test_whether_a_row_is_one_hot_tells_nothing_where_the_result_is_private():
    X, y = table()
    one_hot = np.eye(3, dtype=int)[y]
    one_hot[0] = (1, 1, 0)
    sampler = DPOversampler(flow(), {0: 5}, keep_original=False)
    assert sampler.fit_resample(X, one_hot)[1].shape == (5, 3)
    with pytest.raises(ValueError, match="Multilabel"):
        DPOversampler(flow()).fit_resample(X, one_hot)


def test_with_a_pipeline_as_the_generator():
    pipe = GenerativePipeline([("scale", DPStandardScaler(domain=(-4.0, 8.0))), ("flow", flow(domain=None))])
    assert np.bincount(DPOversampler(pipe).fit_resample(*table())[1]).tolist() == [600, 600, 600]


class Untouchable:
    def __getattr__(self, name):
        raise AssertionError("the rows were read")


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (DPOversampler(LogisticRegression()), "'generator' parameter of DPOversampler"),
        (DPOversampler(flow(target=None)), "needs target=Categories"),
        (DPOversampler(flow(), "some"), "'sampling_strategy' parameter"),
        (DPOversampler(flow(), 1.5), "'sampling_strategy' parameter"),
        (DPOversampler(flow(), {0: -1}), "'sampling_strategy' parameter"),
        (DPOversampler(flow(), {0: 0}, keep_original=False), "a positive number"),
        (DPOversampler(flow(), lambda y: {0: 9}, keep_original=False), "would not be private"),
        (DPOversampler(flow(), keep_original=1), "'keep_original' parameter"),
    ],
)
def test_refused_before_rows_are_read(sampler, message):
    with pytest.raises((ValueError, TypeError), match=message):
        sampler.fit_resample(Untouchable(), Untouchable())


def test_a_release_of_other_columns_is_refused():
    release = flow().fit(*table(container=pd.DataFrame)).release_
    X, y = table(container=pd.DataFrame)
    with pytest.raises(ValueError, match="those of the Release, in this order"):
        DPOversampler(release).fit_resample(X[["b", "a"]], y)
    with pytest.raises(ValueError, match="of 2 columns"):
        DPOversampler(release).fit_resample(X[["a"]], y)
    with pytest.raises(ValueError, match="has no classes"):
        DPOversampler(flow(target=None).fit(X).release_).fit_resample(X, y)
    with pytest.raises(ValueError, match="have more rows"):
        DPOversampler(release, {0: 3}).fit_resample(X, y)
    with pytest.raises(ValueError, match="keys among the classes"):
        DPOversampler(release, {9: 3}).fit_resample(X, y)


def test_common_checks_of_its_parameters():
    names = ("check_estimator_cloneable", "check_get_params_invariance", "check_set_params", "check_estimator_repr",
             "check_no_attributes_set_in_init", "check_valid_tag_types")  # fmt: skip
    found = set()
    for estimator, check in estimator_checks_generator(DPOversampler(flow())):
        name = getattr(check, "func", check).__name__
        if name in names:
            check(estimator)
            found.add(name)  # scikit-learn 1.6 lists one of them twice
    assert found == set(names)


def test_without_a_generator_one_line_says_what_to_pass():
    with pytest.raises(ValueError, match=r"DPOversampler\(DPSlicedWassersteinFlow\(") as error:
        DPOversampler().fit_resample(np.zeros((4, 2)), [0, 1, 0, 1])
    assert "\n" not in str(error.value)
