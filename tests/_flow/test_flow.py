"""What a user of the estimator sees: containers, domains, seeds, what is spent, threads."""

import copy
import threading

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLeakWarning
from skdpflow.accountants import GaussianDPAccountant, RenyiAccountant

FRAMES = ["pandas", "polars"]
N = 400
SEEDS = {"random_state": 0, "noise_random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")


class TestContainers:
    @pytest.mark.parametrize("kind", FRAMES)
    def test_a_frame_comes_back_as_it_was_given(self, patients, patient_domain, kind):
        table = patients(kind)
        flow = DPSlicedWassersteinFlow(domain=patient_domain).fit(table)
        for sample in (flow.sample(50), flow.sample(0), flow.sample(1)):
            assert type(sample) is type(table)
            assert list(sample.columns) == list(table.columns)
            assert list(sample.dtypes) == list(table.dtypes)
        assert flow.sample(0).shape == (0, 5)
        assert flow.sample(1).shape == (1, 5)
        assert flow.n_features_in_ == 5
        assert_array_equal(flow.feature_names_in_, list(table.columns))
        assert flow.domain_.names == tuple(table.columns)

    @pytest.mark.parametrize("kind", FRAMES)
    def test_sampled_values_lie_in_the_domain(self, patients, patient_domain, kind):
        sample = DPSlicedWassersteinFlow(domain=patient_domain).fit(patients(kind)).sample(500)
        assert set(sample["ward"]) <= {"A", "B", "C"}
        assert set(sample["grade"]) <= {1, 2, 4}
        assert sample["age"].min() >= 17
        assert sample["age"].max() <= 90
        assert sample["bmi"].min() >= 10.0
        assert sample["bmi"].max() <= 60.0

    def test_categories_of_pandas_are_those_of_the_domain(self, patients, patient_domain):
        table = patients("pandas").astype({"ward": "category"})
        sample = DPSlicedWassersteinFlow(domain=patient_domain).fit(table).sample(9)
        assert list(sample["ward"].cat.categories) == ["A", "B", "C"]

    @pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool"])
    def test_arrays_keep_their_type_shape_and_dtype(self, dtype):
        table = np.random.default_rng(0).integers(0, 2, size=(60, 3)).astype(dtype)
        flow = DPSlicedWassersteinFlow(domain=(0, 1)).fit(table)
        sample = flow.sample(20)
        assert type(sample) is np.ndarray
        assert sample.shape == (20, 3)
        assert sample.dtype == table.dtype
        assert not hasattr(flow, "feature_names_in_")
        assert flow.domain_.names == ("x0", "x1", "x2")

    def test_arrays_of_objects_take_the_domain_by_position(self, patients, patient_domain):
        table = patients("pandas")[list(patient_domain)].to_numpy()
        sample = DPSlicedWassersteinFlow(domain=patient_domain).fit(table).sample(20)
        assert sample.dtype == object
        assert set(sample[:, 0]) <= {"A", "B", "C"}
        assert all(isinstance(value, int | np.integer) for value in sample[:, 1])

    def test_lists_give_arrays(self):
        assert DPSlicedWassersteinFlow(domain=(0, 9)).fit([[1.0, 2.0], [3.0, 4.0]]).sample(3).shape == (3, 2)

    def test_integer_column_names_come_back(self, X):
        sample = DPSlicedWassersteinFlow(domain=(-4, 4)).fit(pd.DataFrame(X, columns=[3, 1])).sample(2)
        assert list(sample.columns) == [3, 1]

    @pytest.mark.parametrize(("kind", "other"), [("pandas", "polars"), ("polars", "pandas")])
    def test_scores_do_not_depend_on_the_container(self, patients, patient_domain, kind, other):
        flow = DPSlicedWassersteinFlow(domain=patient_domain).fit(patients(kind))
        assert flow.score(patients(kind)) == flow.score(patients(other))
        assert_array_equal(flow.score_samples(patients(kind)), flow.score_samples(patients(other)))

    def test_an_array_for_a_frame_is_taken_by_position_with_scikit_learns_warning(self, X):
        frame = pd.DataFrame(X, columns=["a", "b"])
        flow = DPSlicedWassersteinFlow(domain=(-4.0, 4.0)).fit(frame)
        with pytest.warns(UserWarning, match="X does not have valid feature names"):
            score = flow.score(X)
        assert score == flow.score(frame)


class TestDomains:
    def test_a_pair_of_numbers_or_of_bounds_for_each_column(self, X):
        assert DPSlicedWassersteinFlow(domain=(-4, 4)).fit(X).domain_["x1"] == Interval(-4, 4)
        flow = DPSlicedWassersteinFlow(domain=([-4, -5], np.array([4.0, 5.0]))).fit(X)
        assert flow.domain_ == Domain({"x0": Interval(-4, 4), "x1": Interval(-5, 5)})

    def test_a_dict_of_columns_is_a_domain(self, X):
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

    @pytest.mark.slow
    def test_wide_and_constant_tables(self):
        rng = np.random.default_rng(0)
        assert DPSlicedWassersteinFlow(domain=(0, 1)).fit(rng.random((50, 80))).sample(2).shape == (2, 80)
        sample = DPSlicedWassersteinFlow(50.0, domain=(0.0, 4.0), **SEEDS).fit(np.ones((2000, 2))).sample(500)
        assert np.median(sample) == pytest.approx(1.0, abs=0.1)

    @pytest.mark.parametrize("epsilon", [1e-2, 1e3, 1e6])
    def test_extreme_budgets_give_finite_rows(self, X, epsilon):
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
    def test_a_seed_of_fit_fixes_the_transport_seed(self, X, seed):
        one, two = (
            DPSlicedWassersteinFlow(domain=(-4.0, 4.0), random_state=s).fit(X) for s in (seed, copy.deepcopy(seed))
        )
        assert one.release_.transport["seed"] == two.release_.transport["seed"]
        other = DPSlicedWassersteinFlow(domain=(-4.0, 4.0)).fit(X)
        assert other.release_.transport["seed"] != one.release_.transport["seed"]

    @pytest.mark.parametrize("make", [lambda: 3, lambda: np.random.RandomState(3), lambda: np.random.default_rng(3)])
    def test_a_seed_of_sample_fixes_the_rows(self, flow, make):
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
    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["numpy", "pandas", "polars"])
    def test_the_release_does_not_depend_on_n_jobs(self, patients, patient_domain, monkeypatch, kind):
        monkeypatch.setattr("skdpflow.curator.source._BLOCK_ROWS", 64)  # many blocks
        table = patients("pandas") if kind == "numpy" else patients(kind)
        table = table[list(patient_domain)].to_numpy() if kind == "numpy" else table
        y = np.random.default_rng(0).normal(size=N)
        releases = []
        for n_jobs in (None, 1, 2, -1):
            flow = DPSlicedWassersteinFlow(
                domain=patient_domain, target=Interval(-3, 3), n_jobs=n_jobs, random_state=0, noise_random_state=0
            )
            with pytest.warns(PrivacyLeakWarning):
                releases.append(flow.fit(table, y).release_)
        for release in releases[1:]:
            for one, two in zip(releases[0].measurements, release.measurements, strict=True):
                assert_array_equal(one.values, two.values)

    @pytest.mark.slow
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
