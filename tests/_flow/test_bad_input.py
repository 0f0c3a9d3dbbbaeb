"""Bad input: a clear error, nothing spent, no value of a row shown."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.exceptions import DataConversionWarning, NotFittedError

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.accountants import GaussianDPAccountant, ZCDPAccountant
from skdpflow.mechanisms import MarginalsMechanism, RecordsMechanism
from skdpflow.projections import UniformProjections

#: Cells that must not turn up in a message.
SECRET, SECRET_TEXT = 31415.926, "Rumpelstiltskin"


@pytest.fixture
def X():
    X = np.random.default_rng(0).normal(size=(50, 2))
    X[3, 1] = SECRET
    return X


@pytest.fixture(autouse=True)
def no_noise(monkeypatch):
    """Fail when a refused fit draws noise, or debits."""

    def fail(*args, **kwargs):
        raise AssertionError("spent")

    monkeypatch.setattr("skdpflow.curator.noise.NoiseSource.rounded_gaussian", fail)
    monkeypatch.setattr("skdpflow.ledger.filter.PrivacyFilter.debit", fail)


def refused(flow, X, y=None, match=None, kind=(ValueError, TypeError)):
    """Check that a fit is refused with a message that shows no cell."""
    with pytest.raises(kind, match=match) as caught:
        flow.fit(X, y)
    assert not hasattr(flow, "release_")
    error = caught.value
    while error is not None:
        for secret in ("31415", SECRET_TEXT):
            assert secret not in f"{error!r} {error}"
        # what led to it is printed in a traceback too
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


PARAMETERS = {
    "epsilon": (["1", None, 0, -1.0, np.inf, np.nan, True, 1j, [1.0]], r"a float in the range \(0.0, inf\)"),
    "delta": (["1", None, 0, 1, 1.5, -1e-6, np.nan, False], r"a float in the range \(0.0, 1.0\)"),
    "neighbours": (["addremove", None, 1, ("add-remove",)], r"among \{'add-remove', 'replace-one'\}"),
    "n_steps": ([0, -3, 1.5, "2", None, True], r"an int in the range \[1, 1024\]"),
    "step_size": ([0, 1.1, -0.5, "1", None, np.nan], r"a float in the range \(0.0, 1.0\]"),
    "n_particles": ([1, 0, 64.0, "many", None], r"an int in the range \[2, 1048576\]"),
    "n_jobs": ([0, 1.5, "2", True], "an int"),
    "verbose": ([-1, 0.5, "yes", None], r"an int in the range \[0, inf\)"),
    "random_state": ([-1, 1.5, "0", 2**40], r"an int in the range \[0, 4294967295\]"),
    "noise_random_state": ([-1, 1.5, "0", np.random.RandomState(0)], r"an int in the range \[0, inf\)"),
    "domain": ([1, "x", Interval(0, 1), (0, 1, 2), True], r"a Domain, a dict .*, a pair \(lower, upper\)"),
    "target": ([1, "labels", Categories, [0, 1], True], "an Interval, a Categories or None"),
    "mechanism": ([1, "laplace", None, MarginalsMechanism, object()], "one of .*'marginals', 'records'"),
    "projections": (["random", "Sobol"], "a str among .*'sobol', 'uniform'. or a projection sampler"),
    "accountant": (["moments", ""], "one of 'gdp', 'zcdp', 'rdp', 'pld', or an object"),
}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [(name, value, expected) for name, (values, expected) in PARAMETERS.items() for value in values],
)
def test_parameters_have_scikit_learns_message(X, name, value, expected):
    match = rf"^The '{name}' parameter of DPSlicedWassersteinFlow must be .*{expected}.* Got .* instead\.$"
    refused(DPSlicedWassersteinFlow(**{"domain": (-4, 4), name: value}), X, match=match)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_table_in_the_place_of_a_parameter_is_not_shown(X, name):
    refused(DPSlicedWassersteinFlow(**{name: X}), X)
    refused(DPSlicedWassersteinFlow(**{name: [[SECRET_TEXT]]}), X)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"accountant": ZCDPAccountant}, "'accountant' parameter .* write ZCDPAccountant()"),
        ({"accountant": None}, "NoneType cannot be used as an accountant"),
        ({"accountant": UniformProjections()}, "UniformProjections cannot be used.*Missing: epsilon"),
        ({"projections": UniformProjections}, r"write UniformProjections\(\)"),
        ({"projections": None}, "NoneType is not a projection sampler"),
        ({"projections": GaussianDPAccountant()}, "GaussianDPAccountant is not a projection sampler.*Missing"),
        ({"projections": UniformProjections(0)}, "'n_projections' parameter of UniformProjections"),
        ({"mechanism": "records"}, "Use neighbours='replace-one'"),
        (
            {"mechanism": "records", "neighbours": "replace-one", "target": Categories([0, 1])},
            "declare them public",
        ),
        ({"mechanism": RecordsMechanism("both"), "neighbours": "replace-one"}, "'variant' parameter"),
    ],
)
def test_plug_ins_that_do_not_fit_are_named(X, params, message):
    refused(DPSlicedWassersteinFlow(domain=(-4, 4), **params), X, match=message)


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ((1, 0), "lower < upper"),
        ((0, 0), "lower < upper"),
        ((0, np.inf), "'upper' parameter of Interval"),
        ((np.nan, 1), "'lower' parameter of Interval"),
        ((None, 1), "'lower' parameter of Interval"),
        (("a", "b"), "'lower' parameter of Interval"),
        (([0, 0, 0], 1), "one for each of the 2 columns"),
        (([0, 2], [1, 1]), "lower < upper"),
        ({}, "at least one column"),
        ({"a": Interval(0, 1)}, "must describe the 2 columns"),
        ({"a": (0, 1), "b": (0, 1)}, "Constant or Key for column 'a'"),
    ],
)
def test_domains_that_make_no_sense(X, domain, message):
    refused(DPSlicedWassersteinFlow(domain=domain), X, match=message)


def test_a_domain_that_does_not_name_the_columns(X):
    frame = pd.DataFrame(X, columns=["a", "b"])
    domain = Domain({"a": Interval(0, 1), "c": Interval(0, 1)})
    refused(
        DPSlicedWassersteinFlow(domain=domain),
        frame,
        match="Not in the domain: 'b'; .* domain but not in X: 'c'",
    )


FRAMES = [lambda X: X, lambda X: pd.DataFrame(X, columns=["a", "b"]), lambda X: pl.DataFrame(X, schema=["a", "b"])]


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize(("bad", "message"), [(np.nan, "contains NaN"), (np.inf, "contains infinity")])
def test_cells_that_are_not_finite(X, frame, bad, message):
    X[7, 0] = bad
    refused(DPSlicedWassersteinFlow(), frame(X), match=message)


@pytest.mark.parametrize("frame", FRAMES)
def test_a_table_without_rows_is_refused(X, frame):
    refused(DPSlicedWassersteinFlow(domain=(-4, 4)), frame(X[:0]), match="0 sample")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda X: X[:, :0], "0 feature"),
        (lambda X: X[:, 0], "Expected 2D array, got 1D array"),
        (lambda X: X[None], "Expected 2D array, got 3D array"),
        (lambda X: SECRET, "Expected 2D array, got scalar"),
        (lambda X: sparse.csr_matrix(X), "Sparse data"),
        (lambda X: sparse.csr_array(X), "Sparse data"),
        (lambda X: X + 1j, "Complex data not supported"),
        (lambda X: [[1.0, SECRET], [2.0]], "rectangular"),
        (lambda X: np.array([["a", SECRET_TEXT], ["b", "c"]]), "text where numbers are expected"),
        (lambda X: np.array([[b"a", b"b"]]), "Decode bytes to text first"),
        (lambda X: X.astype("datetime64[s]"), "cannot be read as numbers"),
        (lambda X: pd.DataFrame({"a": [1.0, 2.0], "b": ["x", SECRET_TEXT]}), "'b' of X holds text"),
        (lambda X: pl.DataFrame({"a": [[SECRET], [1.0]], "b": [1, 2]}), "Nested cells"),
        (lambda X: pd.DataFrame(X, columns=["a", "a"]), "must be unique. Got more than once: a"),
        (lambda X: pd.DataFrame(X, columns=["a", 1]), "str"),
        (lambda X: pd.DataFrame(X, columns=[("a", 1), ("a", 2)]), "must be str or int"),
        (lambda X: pd.DataFrame(X, columns=[0.5, 1.5]), "must be str or int"),
        (lambda X: pd.Series(X[:, 0]), "Expected 2D array, got 1D array"),
        (lambda X: None, "2D array"),
        (lambda X: SECRET_TEXT, "2D array"),
    ],
)
@pytest.mark.parametrize("domain", [None, (-4, 4)])
def test_tables_that_cannot_be_used(X, domain, make, message):
    refused(DPSlicedWassersteinFlow(domain=domain), make(X), match=message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda X: [[1.0, {"a": SECRET}], [2.0, 3.0]], "cannot be read as numbers"),
        (lambda X: [["1.5", SECRET_TEXT], ["2", "3"]], "text where numbers are expected"),
        (lambda X: pd.DataFrame({"a": [1.0, None], "b": [1.0, SECRET]}), "NaN"),
        (lambda X: pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [1.0, SECRET]}), "NaN"),
        (lambda X: pl.DataFrame({"a": [1.0, None], "b": [1.0, SECRET]}), "NaN"),
    ],
)
def test_cells_that_cannot_be_used_without_a_domain(X, make, message):
    refused(DPSlicedWassersteinFlow(), make(X), match=message)


LABELS = Categories(["a", "b"])


@pytest.mark.parametrize(
    ("target", "y", "message"),
    [
        (LABELS, None, "requires y to be passed"),
        (LABELS, ["a", "b"], "inconsistent numbers of samples"),
        (LABELS, np.array([["a", "b"]] * 50), "1d array"),
        (LABELS, np.full((50, 1, 1), "a"), "1d array"),
        (LABELS, np.full(50, 1j), "Complex"),
        (LABELS, sparse.csr_matrix(np.ones((50, 1))), "Sparse data was passed for y"),
        (LABELS, pd.DataFrame({"y": ["a"] * 50, "z": ["b"] * 50}), "1d array"),
        (LABELS, SECRET_TEXT, "1d array"),
        (Categories(), None, "requires y to be passed"),
    ],
)
def test_targets_that_cannot_be_used(X, target, y, message):
    refused(DPSlicedWassersteinFlow(domain=(-4, 4), target=target), X, y, match=message)


@pytest.mark.parametrize(
    ("target", "y", "message"),
    [
        (LABELS, ["a"] * 49 + [None], "y contains NaN"),
        (LABELS, [SECRET] * 49 + [np.nan], "y contains NaN"),
        (Interval(0, 1), [SECRET_TEXT] * 50, "y holds text"),
        (Interval(0, 1), [SECRET] * 49 + [np.inf], "y contains infinity"),
        (Interval(0, 1), pl.Series([SECRET] * 49 + [None]), "y contains NaN"),
    ],
)
def test_targets_that_cannot_be_used_without_a_domain(X, target, y, message):
    refused(DPSlicedWassersteinFlow(target=target), X, y, match=message)


def test_impossible_budgets_are_refused_before_the_rows_are_measured(X):
    flow = DPSlicedWassersteinFlow(1.0, 1e-6, domain=(-4, 4), accountant=Stingy())
    refused(flow, X, match="noise|calibrat")


class Stingy:
    """An accountant for which no noise is enough."""

    def epsilon(self, event, delta):
        return 100.0

    def delta(self, event, epsilon):
        return 1.0


class TestWhatIsNoError:
    """With a domain, nothing that a value could do raises: an error would tell about the row."""

    @pytest.fixture(autouse=True)
    def _noise(self, no_noise, monkeypatch):
        monkeypatch.undo()

    def test_values_outside_the_domain(self, X):
        assert np.abs(DPSlicedWassersteinFlow(domain=(-4, 4)).fit(1e300 * X).sample(9)).max() <= 4.0

    @pytest.mark.parametrize("value", ["Z", 7, 1.5, True, ("a",), object(), b"A"])
    def test_unknown_categories(self, value):
        column = np.empty(9, dtype=object)
        column[:] = ["A"] * 9
        column[4] = value
        flow = DPSlicedWassersteinFlow(domain={"ward": Categories(["A", "B"])})
        sample = flow.fit(column[:, None]).sample(20)
        assert set(sample[:, 0]) <= {"A", "B"}
        assert np.isneginf(flow.score_samples([["Z"]])).all()

    @pytest.mark.parametrize("target", [Categories(["a", "b"]), Categories([1, 2]), Interval(0, 1)])
    def test_labels_and_values_outside_the_target(self, X, target):
        y = [SECRET] * 50 if isinstance(target, Interval) else ["c"] * 50
        _, y_new = DPSlicedWassersteinFlow(domain=(-4, 4), target=target).fit(X, y).sample_labeled(20)
        if isinstance(target, Categories):
            assert set(y_new) <= set(target.values)
        else:
            assert y_new.max() <= 1.0

    @pytest.mark.parametrize("domain", [None, (-4, 4)])
    def test_one_row_and_constant_columns(self, domain):
        assert DPSlicedWassersteinFlow(domain=domain).fit([[1.0, 2.0]]).sample(3).shape == (3, 2)
        assert DPSlicedWassersteinFlow(domain=domain).fit(np.ones((60, 2))).sample(3).shape == (3, 2)

    def test_a_column_vector_as_y_warns_as_in_scikit_learn(self, X):
        flow = DPSlicedWassersteinFlow(domain=(-4, 4), target=Categories([0, 1]))
        with pytest.warns(DataConversionWarning, match="column-vector y"):
            flow.fit(X, np.zeros((50, 1)))

    def test_numpy_integers_are_taken_as_parameters(self, X):
        flow = DPSlicedWassersteinFlow(domain=(-4, 4), random_state=np.int64(3), n_jobs=np.int32(2))
        assert flow.fit(X).sample(np.int64(2)).shape == (2, 2)


class TestAfterTheFit:
    @pytest.fixture
    def flow(self, X, monkeypatch):
        monkeypatch.undo()
        return DPSlicedWassersteinFlow(domain=(-4, 4), target=Categories([0, 1])).fit(X, X[:, 0] > 0)

    @pytest.mark.parametrize("n", [-1, 1.5, "3", True, np.nan])
    def test_n_samples_must_be_a_whole_number(self, flow, n):
        message = rf"'n_samples' parameter .* an int in the range \[0, inf\). Got {n!r} instead"
        with pytest.raises(ValueError, match=message):
            flow.sample(n)
        if n is None:  # one row, or as many as there are wanted labels
            assert len(flow.sample_labeled(n)[1]) == 1
            return
        with pytest.raises(ValueError, match=message):
            flow.sample_labeled(n)

    @pytest.mark.parametrize("seed", [-1, "x", 0.5])
    def test_seeds_of_sample(self, flow, seed):
        with pytest.raises(ValueError, match="'random_state' parameter of DPSlicedWassersteinFlow"):
            flow.sample(3, random_state=seed)

    @pytest.mark.parametrize("method", ["score", "score_samples"])
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda X: X[:, :1], "X has 1 features, but DPSlicedWassersteinFlow is expecting 2"),
            (lambda X: X[:0], "0 sample"),
            (lambda X: X[0], "Expected 2D array, got 1D"),
            (lambda X: np.array([["a", SECRET_TEXT]]), "holds text"),
            (lambda X: sparse.csr_array(X), "Sparse"),
        ],
    )
    def test_bad_tables_cannot_be_scored(self, flow, X, method, make, message):
        with pytest.raises((ValueError, TypeError), match=message) as caught:
            getattr(flow, method)(make(X))
        assert SECRET_TEXT not in str(caught.value)
        assert "31415" not in str(caught.value)

    def test_names_of_columns_to_score(self, X, monkeypatch):
        monkeypatch.undo()
        frame = pd.DataFrame(X, columns=["a", "b"])
        flow = DPSlicedWassersteinFlow(domain=(-4, 4)).fit(frame)
        with pytest.raises(ValueError, match="feature names should match"):
            flow.score(frame[["b", "a"]])

    @pytest.mark.parametrize(
        "use",
        [
            lambda flow: flow.sample(),
            lambda flow: flow.sample_labeled(),
            lambda flow: flow.score([[1.0]]),
            lambda flow: flow.score_samples([[1.0]]),
            lambda flow: flow.refit(),
        ],
    )
    def test_nothing_works_before_fit(self, use):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            use(DPSlicedWassersteinFlow())
