"""Targets: labels, numbers and wishes for them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval

SERIES = {
    "numpy": lambda values, name: np.asarray(values),
    "pandas": lambda values, name: pd.Series(values, name=name, index=range(5, 5 + len(values))),
    "polars": lambda values, name: pl.Series(name, values.tolist()),
}
SEEDS = {"random_state": 0, "noise_random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::skdpflow.PrivacyLeakWarning")


@pytest.fixture(scope="module")
def two_classes():
    X = np.random.default_rng(0).uniform(size=(400, 2))
    return DPSlicedWassersteinFlow(domain=(-4.0, 4.0), target=Categories([0, 1])).fit(X, np.arange(400) % 2)


class TestTargets:
    @pytest.mark.parametrize("kind", SERIES)
    @pytest.mark.parametrize("labels", [["no", "yes"], [0, 1], [-1, 3], [False, True]])
    @pytest.mark.parametrize("declared", [True, False])
    def test_labels_come_back_in_their_container_and_dtype(self, X, kind, labels, declared):
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
    def test_a_numeric_target_comes_back_within_its_bounds(self, X, kind):
        y = SERIES[kind](10.0 * X[:, 0] + 50.0, "cost")
        flow = DPSlicedWassersteinFlow(5.0, domain=(-4.0, 4.0), target=Interval(10.0, 90.0), **SEEDS).fit(X, y)
        X_new, y_new = flow.sample_labeled(2000)
        assert type(y_new) is type(y)
        assert (np.asarray(y_new).min(), np.asarray(y_new).max()) >= (10.0, 10.0)
        assert np.asarray(y_new).max() <= 90.0
        assert np.corrcoef(X_new[:, 0], np.asarray(y_new))[0, 1] > 0.5
        assert not hasattr(flow, "classes_")
        assert flow.sample(3).shape == (3, 2)

    def test_an_integer_target_keeps_its_dtype(self, X):
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

    def test_classes_have_the_proportions_asked_for(self, X):
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
    def test_impossible_proportions_are_refused(self, two_classes, proportions):
        with pytest.raises(ValueError, match=r"'proportions' parameter .*among \[0, 1\]"):
            two_classes.sample_labeled(5, proportions=proportions)

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
    def test_labels_that_are_no_classes_are_refused(self, two_classes, y):
        with pytest.raises(ValueError, match=r"'y' parameter .* one label of `classes_`"):
            two_classes.sample_labeled(y=y)

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
