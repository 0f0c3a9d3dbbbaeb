"""What a user of the estimator sees: fit, sample, score, refit, releases, seeds."""

import copy
import dataclasses
import itertools
import threading

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from scipy.integrate import trapezoid
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError

import skdpflow
from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLeakWarning, Release
from skdpflow.accountants import GaussianDPAccountant, GaussianEvent, RenyiAccountant, flatten_event
from skdpflow.mechanisms import MarginalsMechanism, RecordsMechanism
from skdpflow.metrics import sliced_wasserstein_distance
from skdpflow.projections import OrthogonalProjections, UniformProjections
from skdpflow.transport.flow import FlowComponent

FRAMES = {"pandas": pd.DataFrame, "polars": pl.DataFrame}
SERIES = {
    "numpy": lambda values, name: np.asarray(values),
    "pandas": lambda values, name: pd.Series(values, name=name, index=range(5, 5 + len(values))),
    "polars": lambda values, name: pl.Series(name, values.tolist()),
}
N = 400
SEEDS = {"random_state": 0, "noise_random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")
DOMAIN = Domain(
    {
        "ward": Categories(["A", "B", "C"]),
        "age": Interval(17, 90, integer=True),
        "bmi": Interval(10.0, 60.0),
        "smoker": Categories([False, True]),
        "grade": Categories([1, 2, 4]),
    }
)


def patients(kind):
    """A table whose columns are not in the order of the domain."""
    rng = np.random.default_rng(0)
    data = {
        "age": rng.integers(17, 91, N),
        "bmi": rng.normal(25.0, 4.0, N).astype(np.float32),
        "ward": rng.choice(["A", "B", "C"], N),
        "smoker": rng.random(N) < 0.3,
        "grade": rng.choice(np.array([1, 2, 4], dtype=np.int8), N),
    }
    return FRAMES[kind](data)


def correlated(n):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(n, 1))
    return np.hstack([a, a + 0.3 * rng.normal(size=(n, 1))]).clip(-4.0, 4.0)


@pytest.fixture
def X():
    return correlated(N)


class WithoutLayers(MarginalsMechanism):
    """The default mechanism, whose model stays at the Gaussians where the flow starts: smooth."""

    def learn(self, release):
        model = super().learn(release)
        return dataclasses.replace(
            model, components=tuple(FlowComponent(component.start) for component in model.components)
        )


@pytest.fixture
def flow(X):
    return DPSlicedWassersteinFlow(domain=(-4.0, 4.0)).fit(X)


class TestContainers:
    @pytest.mark.parametrize("kind", FRAMES)
    def test_a_frame_comes_back_as_it_was_given(self, kind):
        table = patients(kind)
        flow = DPSlicedWassersteinFlow(domain=DOMAIN).fit(table)
        for sample in (flow.sample(50), flow.sample(0), flow.sample()):
            assert type(sample) is type(table)
            assert list(sample.columns) == list(table.columns)
            assert list(sample.dtypes) == list(table.dtypes)
        assert flow.sample(0).shape == (0, 5)
        assert flow.sample().shape == (1, 5)
        assert flow.n_features_in_ == 5
        assert_array_equal(flow.feature_names_in_, list(table.columns))
        assert flow.domain_.names == tuple(table.columns)

    @pytest.mark.parametrize("kind", FRAMES)
    def test_values_are_valid(self, kind):
        sample = DPSlicedWassersteinFlow(domain=DOMAIN).fit(patients(kind)).sample(500)
        assert set(sample["ward"]) <= {"A", "B", "C"}
        assert set(sample["grade"]) <= {1, 2, 4}
        assert sample["age"].min() >= 17
        assert sample["age"].max() <= 90
        assert sample["bmi"].min() >= 10.0
        assert sample["bmi"].max() <= 60.0

    def test_categories_of_pandas_are_those_of_the_domain(self):
        table = patients("pandas").astype({"ward": "category"})
        sample = DPSlicedWassersteinFlow(domain=DOMAIN).fit(table).sample(9)
        assert list(sample["ward"].cat.categories) == ["A", "B", "C"]

    @pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool"])
    def test_arrays(self, dtype):
        table = np.random.default_rng(0).integers(0, 2, size=(60, 3)).astype(dtype)
        flow = DPSlicedWassersteinFlow(domain=(0, 1)).fit(table)
        sample = flow.sample(20)
        assert type(sample) is np.ndarray
        assert sample.shape == (20, 3)
        assert sample.dtype == table.dtype
        assert not hasattr(flow, "feature_names_in_")
        assert flow.domain_.names == ("x0", "x1", "x2")

    def test_arrays_of_objects_take_the_domain_by_position(self):
        table = patients("pandas")[list(DOMAIN)].to_numpy()
        sample = DPSlicedWassersteinFlow(domain=DOMAIN).fit(table).sample(20)
        assert sample.dtype == object
        assert set(sample[:, 0]) <= {"A", "B", "C"}
        assert all(isinstance(value, int | np.integer) for value in sample[:, 1])

    def test_lists(self):
        assert DPSlicedWassersteinFlow(domain=(0, 9)).fit([[1.0, 2.0], [3.0, 4.0]]).sample(3).shape == (3, 2)

    def test_integer_column_names(self, X):
        sample = DPSlicedWassersteinFlow(domain=(-4, 4)).fit(pd.DataFrame(X, columns=[3, 1])).sample(2)
        assert list(sample.columns) == [3, 1]

    @pytest.mark.parametrize(("kind", "other"), [("pandas", "polars"), ("polars", "pandas")])
    def test_scores_do_not_depend_on_the_container(self, kind, other):
        flow = DPSlicedWassersteinFlow(domain=DOMAIN).fit(patients(kind))
        assert flow.score(patients(kind)) == flow.score(patients(other))
        assert_array_equal(flow.score_samples(patients(kind)), flow.score_samples(patients(other)))

    def test_an_array_for_a_frame_is_taken_by_position_with_scikit_learns_warning(self, X):
        frame = pd.DataFrame(X, columns=["a", "b"])
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0)).fit(frame)
        with pytest.warns(UserWarning, match="X does not have valid feature names"):
            score = flow.score(X)
        assert score == flow.score(frame)


class TestTargets:
    @pytest.mark.parametrize("kind", SERIES)
    @pytest.mark.parametrize("labels", [["no", "yes"], [0, 1], [-1, 3], [False, True]])
    @pytest.mark.parametrize("declared", [True, False])
    def test_labels(self, X, kind, labels, declared):
        y = SERIES[kind](np.array(labels)[(X[:, 0] > 0).astype(int)], "outcome")
        target = Categories(labels) if declared else Categories()
        flow = DPSlicedWassersteinFlow(3.0, domain=(-4.0, 4.0), target=target, **SEEDS).fit(X, y)
        X_new, y_new = flow.sample_labeled(200)
        assert X_new.shape == (200, 2)
        assert type(y_new) is type(y)
        assert y_new.dtype == y.dtype
        assert set(y_new) == set(labels)
        assert sorted(flow.classes_) == labels
        if kind != "numpy":
            assert y_new.name == "outcome"
        # the classes are told apart
        first = X_new[np.asarray(y_new) == labels[1], 0]
        assert first.mean() > 0.0
        assert flow.sample(3).shape == (3, 2)

    def test_found_labels_are_paid_for_and_published(self, X):
        y = np.where(X[:, 0] > 0, "up", "down")
        y[:2] = "rare"
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), target=Categories(), **SEEDS).fit(X, y)
        assert list(flow.classes_) == ["down", "up"]
        assert flow.release_.target == Categories(["down", "up"])
        assert flow.release_["labels"].values.shape == (2,)

    def test_too_few_rows_for_labels_fall_back_to_none(self):
        flow = DPSlicedWassersteinFlow(domain=(0, 1), target=Categories()).fit([[0.2], [0.4]], ["a", "b"])
        assert flow.sample(3).shape == (3, 1)
        assert flow.release_.target is None
        assert not hasattr(flow, "classes_")
        with pytest.raises(ValueError, match="no target to sample"):
            flow.sample_labeled(3)

    @pytest.mark.parametrize("kind", SERIES)
    def test_a_numeric_target(self, X, kind):
        y = SERIES[kind](10.0 * X[:, 0] + 50.0, "cost")
        flow = DPSlicedWassersteinFlow(5.0, domain=(-4.0, 4.0), target=Interval(10.0, 90.0), **SEEDS).fit(X, y)
        X_new, y_new = flow.sample_labeled(2000)
        assert type(y_new) is type(y)
        assert (np.asarray(y_new).min(), np.asarray(y_new).max()) >= (10.0, 10.0)
        assert np.asarray(y_new).max() <= 90.0
        assert np.corrcoef(X_new[:, 0], np.asarray(y_new))[0, 1] > 0.5
        assert not hasattr(flow, "classes_")
        assert flow.sample(3).shape == (3, 2)

    def test_an_integer_target(self, X):
        y = pd.Series(np.rint(X[:, 0]).astype(np.int16), name="days")
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), target=Interval(-4, 4, integer=True)).fit(X, y)
        _, y_new = flow.sample_labeled(50)
        assert y_new.dtype == np.int16
        assert y_new.between(-4, 4).all()

    def test_without_a_target_y_is_ignored(self, X):
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0)).fit(X, ["anything", None])
        assert flow.release_.schema.target_dtype is None
        with pytest.raises(ValueError, match="set `target` and pass y to fit"):
            flow.sample_labeled(2)

    def test_proportions(self, X):
        y = (X[:, 0] > 1.0).astype(int)
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), target=Categories([0, 1])).fit(X, y)
        for share in (0.0, 0.25, 1.0):
            _, y_new = flow.sample_labeled(4000, proportions={1: share, 0: 1.0 - share}, random_state=0)
            assert y_new.mean() == pytest.approx(share, abs=0.03)
        _, y_new = flow.sample_labeled(50, proportions={np.int64(1): 1})
        assert_array_equal(y_new, 1)

    @pytest.mark.parametrize(
        "proportions",
        [{}, {0: 0.5}, {0: 0.5, 1: 0.6}, {0: 1.5, 1: -0.5}, {2: 1.0}, {0: "all"}, [0.5, 0.5], 1.0],
    )
    def test_impossible_proportions(self, X, proportions):
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), target=Categories([0, 1])).fit(X, X[:, 0] > 0)
        with pytest.raises(ValueError, match=r"'proportions' parameter .*among \[0, 1\]"):
            flow.sample_labeled(5, proportions=proportions)

    @pytest.mark.parametrize("wrap", [list, np.array, pd.Series, pl.Series])
    @pytest.mark.parametrize(("labels", "wanted"), [([1, 0], [0, 1, 1, 0, 0, 1]), (["b", "a"], ["a", "b", "b"] * 2)])
    def test_rows_come_for_wanted_labels_in_their_order(self, wrap, labels, wanted):
        Y = np.random.default_rng(1).integers(2, size=2000)
        X = Y[:, None] + np.random.default_rng(2).uniform(-0.4, 0.4, size=(2000, 1))
        flow = DPSlicedWassersteinFlow(epsilon=20.0, domain=(-1, 2), target=Categories(labels), random_state=0)
        flow.fit(X, np.array(sorted(labels))[Y])
        X_new, y_new = flow.sample_labeled(y=wrap(wanted), random_state=0)
        assert list(y_new) == wanted
        assert ((X_new[:, 0] > 0.5) == (np.array(wanted) == max(labels))).all()
        again, _ = flow.sample_labeled(len(wanted), y=wrap(wanted), random_state=0)
        np.testing.assert_array_equal(again, X_new)
        assert [len(part) for part in flow.sample_labeled(y=wrap([]))] == [0, 0]

    @pytest.mark.parametrize("y", [[0, 2], [0, None], ["0"], [[0], [1]], np.zeros((2, 1)), 0, "0", {0: 1.0}, {0}, [{}]])
    def test_labels_that_are_no_classes(self, X, y):
        flow = DPSlicedWassersteinFlow(domain=(-4, 4), target=Categories([0, 1])).fit(X, np.arange(len(X)) % 2)
        with pytest.raises(ValueError, match=r"'y' parameter .* one label of `classes_`"):
            flow.sample_labeled(y=y)

    def test_an_unknown_label_is_not_shown(self, X):
        flow = DPSlicedWassersteinFlow(domain=(-4, 4), target=Categories([0, 1])).fit(X, np.arange(len(X)) % 2)
        with pytest.raises(ValueError, match="'y' parameter") as error:
            flow.sample_labeled(y=np.array([0, "SECRET"], dtype=object))
        assert "SECRET" not in str(error.value)
        assert error.value.__context__ is None

    def test_wanted_labels_contradict_other_wishes(self, X):
        flow = DPSlicedWassersteinFlow(domain=(-4, 4), target=Categories([0, 1])).fit(X, np.arange(len(X)) % 2)
        with pytest.raises(ValueError, match="either y or proportions"):
            flow.sample_labeled(2, y=[0, 1], proportions={0: 1.0})
        with pytest.raises(ValueError, match="n_samples entries"):
            flow.sample_labeled(3, y=[0, 1])
        flow = DPSlicedWassersteinFlow(domain=(-4, 4), target=Interval(0, 1)).fit(X, np.arange(len(X)) % 2)
        with pytest.raises(ValueError, match="need a target with classes"):
            flow.sample_labeled(y=[0, 1])

    def test_proportions_of_numbers_are_refused(self, X):
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), target=Interval(-4, 4)).fit(X, X[:, 0])
        with pytest.raises(ValueError, match="need a target with classes"):
            flow.sample_labeled(5, proportions={0: 1.0})

    def test_unknown_labels_count_for_no_class(self, X):
        y = np.where(X[:, 0] > 0, "a", "other")
        flow = DPSlicedWassersteinFlow(50.0, domain=(-4.0, 4.0), target=Categories(["a", "b"]), **SEEDS).fit(X, y)
        sizes = flow.release_["counts"].values
        assert sizes[0] == pytest.approx((y == "a").sum(), abs=20)
        assert sizes[1] == pytest.approx(0, abs=20)

    def test_a_second_fit_forgets_the_first(self, X):
        frame = pd.DataFrame(X, columns=["a", "b"])
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), target=Categories([False, True]))
        flow.fit(frame, X[:, 0] > 0)
        flow.set_params(target=None).fit(X[:, :1])
        assert not hasattr(flow, "classes_")
        assert not hasattr(flow, "feature_names_in_")
        assert flow.n_features_in_ == 1

    def test_a_refused_fit_leaves_the_first_alone(self, X, flow):
        before = flow.sample(5, random_state=0)
        with pytest.raises(ValueError, match="Complex"):
            flow.fit(np.full((5, 7), 1j))
        assert flow.n_features_in_ == 2
        assert_array_equal(flow.sample(5, random_state=0), before)
        assert flow.score(X) < 0.0


class TestDomains:
    def test_a_pair_of_numbers_or_of_bounds_for_each_column(self, X):
        assert DPSlicedWassersteinFlow(domain=(-4, 4)).fit(X).domain_["x1"] == Interval(-4, 4)
        flow = DPSlicedWassersteinFlow(domain=([-4, -5], np.array([4.0, 5.0]))).fit(X)
        assert flow.domain_ == Domain({"x0": Interval(-4, 4), "x1": Interval(-5, 5)})

    def test_a_dict(self, X):
        frame = pd.DataFrame(X, columns=["a", "b"])
        flow = DPSlicedWassersteinFlow(domain={"b": Interval(-9, 9), "a": Interval(-4, 4)}).fit(frame)
        assert list(flow.domain_.items()) == [("a", Interval(-4, 4)), ("b", Interval(-9, 9))]

    def test_values_outside_are_clipped_silently(self, X):
        flow = DPSlicedWassersteinFlow(10.0, domain=(-1.0, 1.0)).fit(10.0 * X)
        assert np.abs(flow.sample(500)).max() <= 1.0

    def test_found_bounds_cover_most_rows_and_are_published(self):
        X = np.random.default_rng(0).normal(100.0, 5.0, size=(2000, 2))
        flow = DPSlicedWassersteinFlow(**SEEDS).fit(pd.DataFrame(X, columns=["a", "b"]))
        for name, interval in flow.domain_.items():
            assert 60.0 <= interval.lower <= 95.0
            assert 105.0 <= interval.upper <= 150.0
            assert name in {"a", "b"}
        assert "bounds" in flow.release_
        assert "bounds" not in DPSlicedWassersteinFlow(domain=(0, 200)).fit(X).release_

    def test_one_row_finds_the_default_bounds(self):
        flow = DPSlicedWassersteinFlow(0.1).fit([[123.0, 1e6]])
        assert flow.sample(3).shape == (3, 2)

    def test_wide_and_constant_tables(self):
        rng = np.random.default_rng(0)
        assert DPSlicedWassersteinFlow(domain=(0, 1)).fit(rng.random((50, 80))).sample(2).shape == (2, 80)
        sample = DPSlicedWassersteinFlow(50.0, domain=(0.0, 4.0), **SEEDS).fit(np.ones((2000, 2))).sample(500)
        assert np.median(sample) == pytest.approx(1.0, abs=0.1)

    @pytest.mark.parametrize("epsilon", [1e-2, 1e3, 1e6])
    def test_extreme_budgets(self, X, epsilon):
        sample = DPSlicedWassersteinFlow(epsilon, domain=(-4.0, 4.0)).fit(X).sample(5)
        assert np.isfinite(sample).all()


class TestSeeds:
    def test_each_fit_draws_fresh_noise(self, X):
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), random_state=0)
        first = flow.fit(X).release_
        second = flow.fit(X).release_
        assert first.transport == second.transport  # what random_state drives
        assert (first["histograms"].values != second["histograms"].values).any()
        assert first.private

    def test_both_seeds_make_a_fit_repeatable_and_not_private(self, X):
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), random_state=0, noise_random_state=0)
        with pytest.warns(PrivacyLeakWarning, match="no privacy"):
            first = flow.fit(X).sample(9, random_state=1)
        with pytest.warns(PrivacyLeakWarning):
            second = flow.fit(X).sample(9, random_state=1)
        assert_array_equal(first, second)
        assert not flow.release_.private
        assert flow.privacy_spent_ == (np.inf, 1.0)
        assert "NOT PRIVATE" in repr(flow.release_)

    @pytest.mark.parametrize("seed", [0, np.random.RandomState(0)])
    def test_seeds_of_fit(self, X, seed):
        one, two = (
            DPSlicedWassersteinFlow(domain=(-4.0, 4.0), random_state=s).fit(X) for s in (seed, copy.deepcopy(seed))
        )
        assert one.release_.transport["seed"] == two.release_.transport["seed"]
        other = DPSlicedWassersteinFlow(domain=(-4.0, 4.0)).fit(X)
        assert other.release_.transport["seed"] != one.release_.transport["seed"]

    @pytest.mark.parametrize("make", [lambda: 3, lambda: np.random.RandomState(3), lambda: np.random.default_rng(3)])
    def test_seeds_of_sample(self, flow, make):
        assert_array_equal(flow.sample(9, random_state=make()), flow.sample(9, random_state=make()))
        seed = make()
        if not isinstance(seed, int):  # generators move on
            assert (flow.sample(9, random_state=seed) != flow.sample(9, random_state=seed)).any()

    def test_samples_differ_without_a_seed(self, flow):
        assert (flow.sample(9) != flow.sample(9)).any()

    def test_numpys_global_generator_is_left_alone(self, X):
        np.random.seed(0)  # noqa: NPY002
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0)).fit(X)
        flow.sample(5)
        flow.score(X)
        assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


class TestPrivacySpent:
    @pytest.mark.parametrize("accountant", ["gdp", "zcdp", "rdp", RenyiAccountant()])
    @pytest.mark.parametrize("neighbours", ["add-remove", "replace-one"])
    @pytest.mark.parametrize("domain", [None, (-4.0, 4.0)])
    def test_it_is_what_was_asked_for(self, X, accountant, neighbours, domain):
        y = X[:, 0] > 0
        flow = DPSlicedWassersteinFlow(
            0.7, 1e-5, domain=domain, target=Categories(), accountant=accountant, neighbours=neighbours
        ).fit(X, y)
        release = flow.release_
        assert flow.privacy_spent_ == (0.7, 1e-5)
        assert (release.epsilon, release.delta, release.neighbours) == (0.7, 1e-5, neighbours)
        exact = GaussianDPAccountant().epsilon(release.event, 1e-5)
        assert 0.3 < exact <= 0.7  # never above, and not wasted

    def test_the_default_spends_nearly_all(self, flow):
        spent = GaussianDPAccountant().epsilon(flow.release_.event, 1e-6)
        assert 0.98 < spent <= 1.0

    def test_verbose_prints_the_release(self, X, capsys):
        DPSlicedWassersteinFlow(domain=(-4.0, 4.0)).fit(X)
        assert capsys.readouterr().out == ""
        for verbose in (1, True):
            flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), verbose=verbose).fit(X)
            out = capsys.readouterr().out
            assert out == str(flow.privacy_statement()) + "\n"
            assert "(epsilon, delta) = (1, 1e-06)" in out

    def test_nothing_of_the_table_is_kept(self, X, flow):
        def arrays(value, seen):
            if id(value) in seen:
                return
            seen[id(value)] = value
            if isinstance(value, np.ndarray):
                yield value
            elif isinstance(value, dict):
                for v in value.values():
                    yield from arrays(v, seen)
            elif isinstance(value, list | tuple | set):
                for v in value:
                    yield from arrays(v, seen)
            elif hasattr(value, "__dict__"):
                yield from arrays(vars(value), seen)

        found = list(arrays(vars(flow), {}))
        assert len(found) > 3
        assert not any(np.shares_memory(a, X) for a in found)
        assert not any(a.shape[:1] == (N,) for a in found)


class TestThreads:
    @pytest.mark.parametrize("kind", ["numpy", "pandas", "polars"])
    def test_the_release_does_not_depend_on_n_jobs(self, monkeypatch, kind):
        monkeypatch.setattr("skdpflow.curator.encode._BLOCK_ROWS", 64)  # many blocks
        table = patients("pandas") if kind == "numpy" else patients(kind)
        table = table[list(DOMAIN)].to_numpy() if kind == "numpy" else table
        y = np.random.default_rng(0).normal(size=N)
        releases = []
        for n_jobs in (None, 1, 2, -1):
            flow = DPSlicedWassersteinFlow(
                domain=DOMAIN, target=Interval(-3, 3), n_jobs=n_jobs, random_state=0, noise_random_state=0
            )
            with pytest.warns(PrivacyLeakWarning):
                releases.append(flow.fit(table, y).release_)
        for release in releases[1:]:
            for one, two in zip(releases[0].measurements, release.measurements, strict=True):
                assert_array_equal(one.values, two.values)

    def test_fits_in_parallel_threads_do_not_disturb_each_other(self, X):
        expected = {}
        found = {}

        def fit(seed, results):
            flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), random_state=seed)
            results[seed] = flow.fit(X + seed).release_.transport["seed"], flow.sample(400).mean()

        threads = [threading.Thread(target=fit, args=(seed, found)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for seed in range(4):
            fit(seed, expected)
            assert found[seed][0] == expected[seed][0]
            assert found[seed][1] == pytest.approx(expected[seed][1], abs=1.0)


class TestScore:
    def test_it_is_minus_a_distance(self, X, flow):
        assert flow.score(X) < 0.0
        assert flow.score(X, "ignored") == flow.score(X)

    def test_it_agrees_with_the_metric_on_a_fresh_sample(self, X, flow):
        sd = X.std(axis=0)
        distance = sliced_wasserstein_distance(X / sd, flow.sample(10_000, random_state=0) / sd)
        assert flow.score(X) == pytest.approx(-distance, abs=0.05)

    def test_good_models_score_higher(self, X):
        good = DPSlicedWassersteinFlow(20.0, domain=(-4.0, 4.0), **SEEDS).fit(X)
        other_rows = DPSlicedWassersteinFlow(20.0, domain=(-4.0, 4.0), **SEEDS).fit(X[:, ::-1] * [1.0, -1.0] + 0.5)
        poor = DPSlicedWassersteinFlow(0.01, domain=(-4.0, 4.0), **SEEDS).fit(X)
        assert good.score(X) > other_rows.score(X)
        assert good.score(X) > poor.score(X)

    def test_units_do_not_matter(self):
        table = patients("pandas")[["age", "bmi"]]
        small = DPSlicedWassersteinFlow(domain=(0.0, [100.0, 60.0]), random_state=0, noise_random_state=0)
        large = DPSlicedWassersteinFlow(domain=(0.0, [100e6, 60e6]), random_state=0, noise_random_state=0)
        with pytest.warns(PrivacyLeakWarning):
            one = small.fit(table).score(table)
        with pytest.warns(PrivacyLeakWarning):
            two = large.fit(table * 1e6).score(table * 1e6)
        assert one == pytest.approx(two, rel=0.6)  # public cells, and so the noise, depend on the units

    @pytest.mark.parametrize("value", [1.0, 0.0, 1e300])
    def test_constant_and_huge_rows_have_a_score(self, flow, value):
        assert -np.inf < flow.score(np.full((3, 2), value)) < 0.0

    def test_categories_count(self):
        domain = {"a": Categories(["x", "y"])}
        x, y = pd.DataFrame({"a": ["x"] * 500}), pd.DataFrame({"a": ["y"] * 500})
        flow = DPSlicedWassersteinFlow(10.0, domain=domain, **SEEDS).fit(x)
        assert flow.score(x) > -0.1
        assert flow.score(y) < -0.5

    def test_rows_found_outside_the_bounds_lower_the_score(self, X):
        flow = DPSlicedWassersteinFlow(5.0, **SEEDS).fit(X)
        assert flow.score(X + 1e6) < flow.score(X)


class TestScoreSamples:
    def test_one_dimension_integrates_to_one(self, X):
        flow = DPSlicedWassersteinFlow(10.0, domain=(-4.0, 4.0), **SEEDS).fit(X[:, :1])
        grid = np.linspace(-4.0, 4.0, 20_001)
        density = np.exp(flow.score_samples(grid[:, None]))
        assert trapezoid(density, grid) == pytest.approx(1.0, abs=0.02)

    def test_two_dimensions_integrate_to_one(self):
        X = correlated(5000)
        flow = DPSlicedWassersteinFlow(10.0, domain=(-4.0, [4.0, 6.0]), target=Categories([False, True]), **SEEDS).fit(
            X, X[:, 0] + np.tile([-1.0, 1.0], 2500) > 0.0
        )
        a, b = np.meshgrid(np.linspace(-4, 4, 401), np.linspace(-4, 6, 401))
        density = np.exp(flow.score_samples(np.column_stack([a.ravel(), b.ravel()])))
        assert density.sum() * (8 / 400) * (10 / 400) == pytest.approx(1.0, abs=0.05)

    def test_it_agrees_with_the_histogram_of_many_samples(self, X):
        flow = DPSlicedWassersteinFlow(10.0, domain=(-4.0, 4.0), **SEEDS).fit(X[:, :1])
        sample = flow.sample(100_000, random_state=0)[:, 0]
        edges = np.linspace(-2.0, 2.0, 21)
        inner = np.linspace(0.0, 0.2, 21)[:-1] + 0.005
        expected = np.array([np.exp(flow.score_samples(e + inner[:, None])).mean() * 0.2 for e in edges[:-1]])
        observed = np.histogram(sample, edges)[0] / len(sample)
        assert observed == pytest.approx(expected, abs=0.006)

    def test_the_mass_of_a_discrete_table_is_at_most_one_and_close(self):
        rng = np.random.default_rng(0)
        domain = {"n": Interval(0, 4, integer=True), "c": Categories(["x", "y", "z"])}
        table = pd.DataFrame({"n": rng.integers(0, 5, 1000), "c": rng.choice(["x", "y", "z"], 1000)})
        flow = DPSlicedWassersteinFlow(10.0, domain=domain, **SEEDS).fit(table)
        cells = pd.DataFrame(list(itertools.product(range(5), "xyz")), columns=["n", "c"])
        mass = np.exp(flow.score_samples(cells))
        assert 0.9 <= mass.sum() <= 1.0 + 1e-3
        sample = flow.sample(50_000, random_state=0).value_counts(normalize=True)
        observed = np.array([sample.get((n, c), 0.0) for n, c in cells.itertuples(index=False)])
        assert mass == pytest.approx(observed, abs=0.02)

    def test_a_numeric_target_is_integrated_out(self, X):
        flow = DPSlicedWassersteinFlow(
            10.0, domain=(-4.0, 4.0), target=Interval(-4.0, 4.0), mechanism=WithoutLayers(), **SEEDS
        ).fit(X[:, :1], X[:, 1])
        grid = np.linspace(-4.0, 4.0, 2001)
        density = np.exp(flow.score_samples(grid[:, None]))
        assert trapezoid(density, grid) == pytest.approx(1.0, abs=0.02)
        sample = flow.sample(100_000, random_state=0)[:, 0]
        for low, high in ((-2.0, -1.0), (-0.2, 0.2), (1.0, 1.5)):
            part = (grid >= low) & (grid <= high)
            expected = ((sample >= low) & (sample <= high)).mean()
            assert trapezoid(density[part], grid[part]) == pytest.approx(expected, abs=0.01)

    def test_units(self, X):
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), random_state=0, noise_random_state=0)
        scaled = DPSlicedWassersteinFlow(domain=(-400.0, 400.0), random_state=0, noise_random_state=0)
        with pytest.warns(PrivacyLeakWarning):
            one = flow.fit(X).score_samples(X)
        with pytest.warns(PrivacyLeakWarning):
            two = scaled.fit(100.0 * X).score_samples(100.0 * X)
        # public cells, and so the noise, depend on the units
        assert one.mean() == pytest.approx(two.mean() + 2.0 * np.log(100.0), abs=0.6)

    def test_rows_outside_the_domain_have_no_density(self):
        flow = DPSlicedWassersteinFlow(domain=DOMAIN).fit(patients("pandas"))
        inside = pd.DataFrame({"age": [30.0], "bmi": [25.0], "ward": ["A"], "smoker": [True], "grade": [1]})
        assert np.isfinite(flow.score_samples(inside)).all()
        for column, value in {"age": 16, "bmi": 60.5, "ward": "Z", "grade": 3}.items():
            assert flow.score_samples(inside.assign(**{column: value})) == -np.inf
        assert flow.score_samples(inside.assign(age=30.5)) == -np.inf  # no whole number

    def test_likely_rows_have_a_higher_density(self, X, flow):
        near, far = flow.score_samples([[0.0, 0.0], [2.0, -2.0]])
        assert near > far

    def test_many_rows_are_the_rows_one_by_one(self, X, flow):
        together = flow.score_samples(X[:10])
        alone = np.concatenate([flow.score_samples(X[i : i + 1]) for i in range(10)])
        assert together == pytest.approx(alone, abs=1e-9)


class TestReleases:
    def test_fit_is_from_release(self, X):
        frame = pd.DataFrame(X, columns=["a", "b"])
        y = pd.Series(np.where(X[:, 0] > 0, "up", "down"), name="way")
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), target=Categories(), n_steps=3, n_particles=512)
        flow.fit(frame, y)
        again = DPSlicedWassersteinFlow.from_release(flow.release_)
        for one, two in zip(
            flow.sample_labeled(20, random_state=0), again.sample_labeled(20, random_state=0), strict=True
        ):
            assert one.equals(two)
        assert again.score(frame) == flow.score(frame)
        assert_array_equal(again.score_samples(frame), flow.score_samples(frame))
        assert set(vars(again)) - {"_learnt_from"} == set(vars(flow))
        assert_array_equal(again.classes_, flow.classes_)
        assert_array_equal(again.feature_names_in_, flow.feature_names_in_)
        assert again.privacy_spent_ == flow.privacy_spent_
        assert (again.n_steps, again.n_particles, again.epsilon) == (3, 512, 1.0)

    @pytest.mark.parametrize("what", [None, "release.npz", {"a": 1}])
    def test_anything_else_is_refused(self, what):
        with pytest.raises(ValueError, match=r"must be a Release; Release\.load reads one"):
            DPSlicedWassersteinFlow.from_release(what)

    def test_a_release_with_impossible_parameters_is_refused(self, flow):
        hostile = flow.release_.with_transport({"n_steps": "many"}, {})
        with pytest.raises(ValueError, match="'n_steps' parameter"):
            DPSlicedWassersteinFlow.from_release(hostile)

    @pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")
    def test_refit_changes_the_model_and_spends_nothing(self, monkeypatch):
        # two clusters and little noise, so that the flow has somewhere to go
        rng = np.random.default_rng(0)
        X = rng.normal(size=(2000, 2)) * 0.3 + rng.choice([-2.0, 2.0], (2000, 1))
        flow = DPSlicedWassersteinFlow(20.0, domain=(-4.0, 4.0), **SEEDS).fit(X)
        monkeypatch.setattr(
            "skdpflow.curator.noise.NoiseSource.rounded_gaussian", lambda *a: pytest.fail("noise was drawn")
        )
        release, before = flow.release_, flow.sample(50, random_state=0)
        assert flow.refit() is flow
        assert_array_equal(flow.sample(50, random_state=0), before)
        flow.set_params(n_steps=1, step_size=0.2, n_particles=64).refit()
        assert (flow.sample(50, random_state=0) != before).any()
        assert flow.release_.measurements is release.measurements
        assert {**flow.release_.transport, "seed": 0} == {
            "n_steps": 1, "step_size": 0.2, "n_particles": 64, "seed": 0
        }  # fmt: skip
        again = DPSlicedWassersteinFlow.from_release(flow.release_)
        assert_array_equal(again.sample(50, random_state=0), flow.sample(50, random_state=0))
        flow.set_params(**{k: release.transport[k] for k in ("n_steps", "step_size", "n_particles")}).refit()
        assert_array_equal(flow.sample(50, random_state=0), before)

    def test_refit_checks_parameters_and_needs_a_fit(self, flow):
        with pytest.raises(NotFittedError):
            DPSlicedWassersteinFlow().refit()
        with pytest.raises(ValueError, match="'step_size' parameter"):
            flow.set_params(step_size=2.0).refit()

    def test_refit_takes_what_the_mechanism_allows(self, X):
        flow = DPSlicedWassersteinFlow(
            domain=(-4.0, 4.0), mechanism=RecordsMechanism(), neighbours="replace-one", n_particles=256
        ).fit(X)
        before = flow.sample(50, random_state=0)
        flow.set_params(mechanism__diffusion=0.05, mechanism__radius=0.1).refit()
        assert (flow.sample(50, random_state=0) != before).any()
        assert flow.release_.mechanism["diffusion"] == 0.05
        assert flow.release_.mechanism["radius"] is None  # measured, so it stays
        again = DPSlicedWassersteinFlow.from_release(flow.release_)
        assert_array_equal(again.sample(50, random_state=0), flow.sample(50, random_state=0))
        flow.set_params(mechanism="marginals")
        with pytest.raises(ValueError, match="made by the mechanism 'records', which refit cannot change"):
            flow.refit()

    def test_what_is_done_to_the_mechanism_later_does_not_reach_the_model(self, X):
        mechanism = MarginalsMechanism(n_bins=16)
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0), mechanism=mechanism).fit(X)
        mechanism.n_bins = 99
        assert flow.release_.mechanism["n_bins"] == 16

    def test_a_release_travels_by_file(self, X, flow, tmp_path):
        flow.release_.save(tmp_path / "release.npz")
        again = DPSlicedWassersteinFlow.from_release(Release.load(tmp_path / "release.npz"))
        assert_array_equal(again.sample(5, random_state=0), flow.sample(5, random_state=0))


class SignProjections(BaseEstimator):
    """A user's projection sampler."""

    needs = ()

    def __init__(self, n_projections=None):
        self.n_projections = n_projections

    def sample(self, n_features, *, n_projections, seed, moments=None):
        rng = np.random.default_rng(seed)
        return rng.choice([-1.0, 1.0], size=(n_features, n_projections)) / np.sqrt(n_features)


class TwiceTheNoise:
    """A user's accountant, valid and wasteful, that is no scikit-learn estimator."""

    def _shrunk(self, event):
        events = [GaussianEvent(e.noise_multiplier / 2) for e in flatten_event(event)]
        return skdpflow.accountants.ComposedEvent(tuple(events))

    def epsilon(self, event, delta):
        return GaussianDPAccountant().epsilon(self._shrunk(event), delta)

    def delta(self, event, epsilon):
        return GaussianDPAccountant().delta(self._shrunk(event), epsilon)


class HistogramsOnly(BaseEstimator):
    """A user's mechanism: the default one without its slices, under a name of its own."""

    refit_params = ("flavour",)

    def __init__(self, flavour="plain"):
        self.flavour = flavour

    def describe(self):
        return {"name": "histograms-only", "flavour": self.flavour}

    def plan(self, public):
        yield from MarginalsMechanism(n_slices=0).plan(public)

    def learn(self, release):
        return MarginalsMechanism().learn(release)


class TestPlugIns:
    def test_all_kinds_at_once_and_their_release(self, X, tmp_path):
        flow = DPSlicedWassersteinFlow(
            domain=(-4.0, 4.0),
            mechanism=HistogramsOnly(),
            accountant=TwiceTheNoise(),
            projections=SignProjections(),
        ).fit(X)
        release = flow.release_
        assert release.accountant == "TwiceTheNoise"  # and not an address in memory
        assert release.mechanism == {"name": "histograms-only", "flavour": "plain"}
        assert GaussianDPAccountant().epsilon(release.event, 1e-6) < 0.6
        release.save(tmp_path / "release.npz")
        loaded = Release.load(tmp_path / "release.npz")
        with pytest.raises(ValueError, match="'histograms-only'; pass that object as `mechanism`"):
            DPSlicedWassersteinFlow.from_release(loaded)
        again = DPSlicedWassersteinFlow.from_release(loaded, mechanism=HistogramsOnly())
        assert_array_equal(again.sample(9, random_state=0), flow.sample(9, random_state=0))
        assert again.set_params(mechanism__flavour="hot").refit().release_.mechanism["flavour"] == "hot"

    def test_a_sampler_of_ones_own_chooses_the_directions(self, X):
        flow = DPSlicedWassersteinFlow(
            domain=(-4.0, 4.0), mechanism="records", neighbours="replace-one", projections=SignProjections(6)
        ).fit(X)
        directions = flow.release_["records"].params["directions"]
        assert directions.shape == (2, 6)
        assert len(np.unique(np.abs(directions))) == 1
        again = DPSlicedWassersteinFlow.from_release(flow.release_)
        assert_array_equal(again.sample(9, random_state=0), flow.sample(9, random_state=0))

    @pytest.mark.parametrize("projections", ["auto", "orthogonal", "uniform", "sobol", OrthogonalProjections(4)])
    @pytest.mark.parametrize("mechanism", ["marginals", "records"])
    def test_every_mechanism_takes_every_sampler(self, X, mechanism, projections):
        flow = DPSlicedWassersteinFlow(
            domain=(-4.0, 4.0), mechanism=mechanism, neighbours="replace-one", projections=projections
        )
        assert flow.fit(X).sample(2).shape == (2, 2)

    def test_samplers_that_need_moments_are_refused_where_there_are_none(self, X):
        flow = DPSlicedWassersteinFlow(
            domain=(-4.0, 4.0), mechanism="records", neighbours="replace-one", projections="principal"
        )
        with pytest.raises(ValueError, match="PrincipalProjections needs 'moments'"):
            flow.fit(X)

    def test_samplers_are_drawn_from_the_public_seed(self, X):
        flow = DPSlicedWassersteinFlow(
            domain=(-4.0, 4.0), mechanism="records", neighbours="replace-one",
            projections=UniformProjections(5), random_state=0,
        )  # fmt: skip
        one, two = (flow.fit(X).release_["records"].params["directions"] for _ in range(2))
        assert_array_equal(one, two)
