"""What the gate lets through, what it refuses, and that its messages show nothing of the rows."""

from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

from skdpflow.curator.gate import admit
from skdpflow.curator.labels import levels_of
from skdpflow.domain import Categories, Domain, Interval
from skdpflow.domain.codes import code_of, n_codes


class Flow(DensityMixin, BaseEstimator):
    """The least estimator that passes its rows through the gate."""

    def __init__(self, domain=None, target=None):
        self.domain = domain
        self.target = target

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = self.domain is not None
        return tags

    def fit(self, X, y=None):
        source = admit(self, X, y, domain=self.domain, target=self.target)
        self.domain_ = source.domain
        self.sum_ = sum(source.numbers(*span).sum() for span in source.spans())
        return self

    def score_samples(self, X):
        check_is_fitted(self)
        source = admit(self, X, domain=self.domain_, reset=False)
        return np.concatenate([source.numbers(*span).sum(axis=1) for span in source.spans()])

    def score(self, X, y=None):
        return self.score_samples(X).mean()


CHECKS = parametrize_with_checks(
    [Flow(), Flow(domain=(-1, 4)), Flow(target=Categories([0, 1, 2])), Flow(target=Interval(0, 3))]
).mark


# older versions of scikit-learn give pytest a generator, which newer versions of pytest refuse
@pytest.mark.parametrize(CHECKS.args[0], list(CHECKS.args[1]), **CHECKS.kwargs)
def test_common_checks(estimator, check):
    check(estimator)


AGE, WARD = Interval(17, 90, integer=True), Categories(["A", "B"])
DOMAIN = Domain({"age": AGE, "ward": WARD})


def frame(**columns):
    return pd.DataFrame({"age": [20, 30], "ward": ["A", "B"], **columns})


def codes(source, domain):
    return np.concatenate([codes for _, codes, _ in source.blocks(domain)]).tolist()


def test_what_the_gate_gives():
    flow = Flow()
    source = admit(flow, frame(), domain=DOMAIN)
    assert source.domain == DOMAIN
    assert source.schema.names == ("age", "ward")
    assert flow.n_features_in_ == 2
    assert flow.feature_names_in_.tolist() == ["age", "ward"]
    assert codes(source, DOMAIN) == [[3, 0], [13, 1]]


def test_the_domain_follows_the_order_of_the_frame():
    swapped = Domain({"ward": WARD, "age": AGE})
    assert admit(Flow(), frame(), domain=swapped).domain == DOMAIN
    assert admit(Flow(), pl.DataFrame({"age": [20], "ward": ["A"]}), domain=swapped).domain == DOMAIN


def test_lists_may_mix_numbers_and_text():
    assert codes(admit(Flow(), [[20, "A"], [30, "B"]], domain=DOMAIN), DOMAIN) == [[3, 0], [13, 1]]


def test_what_is_outside_the_domain_is_no_error():
    table = frame(age=[-1e300, 1e300], ward=["Z", 31337])
    assert codes(admit(Flow(), table, domain=DOMAIN), DOMAIN) == [[74, 2], [75, 2]]


def test_labels_outside_the_target_are_no_error():
    source = admit(Flow(), np.zeros((3, 1)), ["x", "y", 3], domain=(0, 1), target=Categories(["x"]))
    (_, _, labels), *_ = source.blocks(source.domain, Categories(["x"]))
    assert labels.tolist() == [0, 1, 1]


def test_names_that_are_numbers_are_compared_as_text():
    flow, named = Flow(), Domain({"1": WARD, "0": AGE})
    source = admit(flow, frame().set_axis([0, 1], axis=1), domain=named)
    assert source.domain == Domain({"0": AGE, "1": WARD})
    assert source.schema.names == (0, 1)
    assert not hasattr(flow, "feature_names_in_")
    with pytest.raises(ValueError, match=r"Not in the domain: '0', '1'; .* as text"):
        admit(Flow(), frame().set_axis([0, 1], axis=1), domain=DOMAIN)


def test_numbers_as_names_keep_their_order_after_fit():
    X = pd.DataFrame([[0.5, 0.1], [0.2, 0.3]])
    flow = Flow(domain=(0, 1)).fit(X)
    admit(flow, X, domain=(0, 1), reset=False)
    for named in (X, X.to_numpy()):
        assert admit(flow, named, domain=flow.domain_, reset=False).domain == flow.domain_
    with pytest.raises(ValueError, match="same order as they were in fit"):
        admit(flow, X[[1, 0]], domain=flow.domain_, reset=False)


def test_a_fitted_domain_is_taken_by_position():
    flow = Flow(domain=(0, 1)).fit([[0.5]])
    with pytest.warns(UserWarning, match="fitted without feature names"):
        assert flow.score_samples(pd.DataFrame({"age": [0.25]})).tolist() == [0.25]


POISON = 31337.25
TEXT = "POISON"


@pytest.mark.parametrize(
    ("X", "domain", "kind", "match"),
    [
        (sparse.csr_array(np.full((2, 2), POISON)), None, TypeError, "Sparse data .*toarray"),
        ([POISON, POISON], None, ValueError, "Expected 2D array, got 1D array instead. Reshape your data"),
        (POISON, None, ValueError, "got scalar array"),
        (TEXT, None, ValueError, "got scalar array"),
        (pd.Series([POISON]), None, ValueError, "got 1D array"),
        (pl.Series([POISON]), None, ValueError, "got 1D array"),
        (np.full((2, 2, 2), POISON), None, ValueError, "got 3D array"),
        ([[POISON], [POISON, 1]], None, ValueError, "must be rectangular"),
        (np.full((2, 2), POISON + 1j), None, ValueError, "Complex data not supported"),
        (np.full((2, 1), POISON + 1j), {"a": WARD}, ValueError, "Complex data not supported"),
        (np.empty((0, 3)), None, ValueError, r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1"),
        (np.empty((12, 0)), None, ValueError, r"0 feature\(s\)"),
        (pl.DataFrame(), None, ValueError, r"0 sample\(s\)"),
        ([[POISON, np.nan]], None, ValueError, "Input X contains NaN in column 'x1'. Flow needs finite"),
        ([[POISON, np.inf]], None, ValueError, "Input X contains infinity .* in column 'x1'"),
        ([[POISON, 10**400]], None, ValueError, "Input X contains infinity or a value too large"),
        ([[POISON, None]], None, ValueError, "contains NaN in column 'x1'"),
        (pl.DataFrame({"{a}": [POISON, None]}), None, ValueError, "NaN in column '{a}'"),
        (frame(age=pd.Categorical([TEXT, "20"])), DOMAIN, ValueError, "Column 'age' of X holds text"),
        ([[POISON], [TEXT]], None, ValueError, r"Column 'x0' of X holds text.* give a Domain"),
        ([[POISON], [1j]], None, ValueError, "Complex data not supported"),
        ([[{TEXT: POISON}], [20]], None, TypeError, "argument must be a string or a real number"),
        (
            frame(age=np.array([TEXT, "20"]).astype("U9")).astype({"age": "str"}),
            DOMAIN,
            ValueError,
            "'age' of X holds text",
        ),
        (frame(ward=pd.to_datetime(["2031-03-07", None])), DOMAIN, ValueError, "none of its declared categories"),
        (
            frame(ward=[31337, 1]),
            DOMAIN,
            ValueError,
            "'ward' of X is of dtype int64, .* none of its declared categories",
        ),
        (frame(age=pd.arrays.SparseArray([POISON, 1.0])), DOMAIN, TypeError, "Sparse data is not supported"),
        (pl.DataFrame({"a": [[POISON]]}), None, TypeError, "Column 'a' of X is of dtype List"),
        (pl.DataFrame({"a": [TEXT]}).lazy(), None, TypeError, r"Collect it first: frame.collect\(\)"),
        (
            np.ma.masked_array([[POISON, 1.0]], mask=[[True, False]]),
            None,
            TypeError,
            r"masked array.*filled\(numpy.nan\)",
        ),
        (np.array([[TEXT], ["A"]]), None, ValueError, r"Column 'x0' of X .* give a Domain"),
        (pl.DataFrame({"a": [TEXT]}), None, ValueError, r"Column 'a' of X .* give a Domain"),
        (pd.DataFrame([[POISON, 1.0]], columns=["a", "a"]), None, ValueError, "unique. .*: a"),
        (pd.DataFrame([[POISON, 1.0]], columns=["a", 1]), None, TypeError, "string names"),
        (pd.DataFrame([[POISON]], columns=[("a", 1)]), None, ValueError, "must be str or int"),
        (frame(), {"age": AGE}, ValueError, r"Not in the domain: 'ward'"),
        ([[POISON]], DOMAIN, ValueError, "describe the 1 columns of X"),
    ],
)
def test_bad_rows_are_refused_without_being_shown(X, domain, kind, match):
    with pytest.raises(kind, match=match) as caught:
        admit(Flow(), X, domain=domain)
    assert not any(part in str(caught.value) for part in ("31337", TEXT, "2031"))
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("y", "target", "kind", "match"),
    [
        (None, WARD, ValueError, "requires y to be passed, but the target y is None"),
        ([TEXT], WARD, ValueError, "inconsistent numbers of samples"),
        (np.array([[TEXT, "A"], ["A", "A"]]), WARD, ValueError, "y should be a 1d array"),
        (POISON, AGE, ValueError, "y should be a 1d array"),
        (sparse.csr_array([[POISON], [1.0]]), AGE, TypeError, "Sparse data was passed for y"),
        (np.array([31337, 1]), WARD, ValueError, r"y is of dtype int64, .*target=Categories\(\[0, 1, ...\]\)"),
        (np.array([TEXT, "20"]), AGE, ValueError, "y holds text where numbers are expected"),
        (np.array([31337, 1]), Interval("2020-01-01", "2021-01-01", unit="D"), ValueError, "declared as dates"),
        (np.ma.masked_array([1, 0], mask=[True, False]), Categories([0, 1]), TypeError, "y is a masked array"),
        ([0, 1], [0, 1], ValueError, "'target' parameter of Flow must be an Interval, a Categories or None"),
    ],
)
def test_bad_targets_are_refused_without_being_shown(y, target, kind, match):
    with pytest.raises(kind, match=match) as caught:
        admit(Flow(), np.zeros((2, 1)), y, domain=(0, 1), target=target)
    assert not any(part in str(caught.value) for part in ("31337", TEXT))
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("y", "target", "match"),
    [
        ([TEXT, None], WARD, "Input y contains NaN"),
        (pd.Series([TEXT, None]), WARD, "Input y contains NaN"),
        ([POISON, np.nan], AGE, "Input y contains NaN"),
        ([POISON, np.inf], AGE, "Input y contains infinity"),
        (pl.Series([31337, None]), AGE, "Input y contains NaN"),
        ([TEXT, "20"], AGE, "y holds text where numbers are expected"),
        ([POISON, 1j], WARD, "Complex data not supported"),
        ([["A"], [TEXT, "A"]], WARD, "y should be a 1d array"),
    ],
)
def test_cells_of_targets_are_errors_without_a_domain_only(y, target, match):
    with pytest.raises(ValueError, match=match) as caught:
        admit(Flow(), np.zeros((2, 1)), y, target=target)
    assert not any(part in str(caught.value) for part in ("31337", TEXT))
    assert caught.value.__context__ is None
    source = admit(Flow(), np.zeros((2, 1)), y, domain=(0, 1), target=target)
    code = source.target_codes(0, 2, target)[1]
    assert target.n_levels <= code < n_codes(target) or code == 3


@pytest.mark.parametrize(
    "age", [[POISON, None], [TEXT, 20.0], [{TEXT: 1}, 20], [1j, "x"], pd.array([31337, None], dtype="Int64")]
)
@pytest.mark.parametrize("ward", [[TEXT, None], [POISON, None, "x"], [[1], "A"], pd.Categorical([TEXT, None])])
def test_with_a_domain_no_cell_is_an_error(age, ward):
    ward = pd.Series(ward, dtype=object if isinstance(ward, list) else None)[:2]
    found = codes(admit(Flow(), frame(age=age, ward=ward), domain=DOMAIN), DOMAIN)
    assert {age for age, _ in found} <= {3, *range(AGE.n_levels, n_codes(AGE))}
    assert {ward for _, ward in found} <= {0, code_of(WARD, "unlisted")}


def test_a_foreign_array_method_cannot_speak():
    class Chatty:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError(TEXT)

    with pytest.raises(ValueError, match="cannot be read as an array") as caught:
        admit(Flow(), Chatty())
    assert caught.value.__context__ is None


def test_a_list_of_labels_is_read_cell_by_cell():
    for y in (["B", ["A"], ("B",), ["A", "B"]], [["B"], ["A"], ["B"], "C"]):
        source = admit(Flow(), np.zeros((4, 1)), y, domain=(0, 1), target=WARD)
        assert source.target_codes(0, 4, WARD).tolist() == [1, 0, 1, code_of(WARD, "unlisted")]


def test_masked_cells_of_lists_are_missing():
    column = Interval(0, 9, integer=True, nullable=True)
    rows = [[np.ma.masked, 1], np.ma.masked_array([2, 3], mask=[False, True]), [4, None]]
    found = codes(admit(Flow(), rows, domain={"a": column, "b": column}), Domain({"a": column, "b": column}))
    assert found == [[10, 1], [2, 10], [4, 10]]


def test_without_a_target_y_is_not_looked_at():
    assert admit(Flow(), [[0.5]], object()).schema.target_dtype is None


@pytest.mark.parametrize("make", [np.array, pd.DataFrame, lambda y: pl.DataFrame(y, schema=["y"], orient="row")])
def test_a_column_of_targets_is_flattened_with_a_warning(make):
    with pytest.warns(DataConversionWarning, match=r"ravel\(\)"):
        source = admit(Flow(), np.zeros((2, 1)), make([[0], [1]]), target=Categories([0, 1]))
    assert source.target_cells(0, 2).values.tolist() == [0, 1]


def test_the_width_is_checked_against_fit():
    flow = Flow(domain=(0, 1)).fit(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="X has 2 features, but Flow is expecting 3 features as input"):
        flow.score_samples(np.zeros((2, 2)))


# ---------------------------------------------------------------- one cell changes nothing about another row

BIG = 2**53  # beyond it, not every integer is a float


def encoded(X, domain, y=None, target=None):
    source = admit(Flow(), X, y, domain=domain, target=target)
    return (*source.block(0, source.n_rows, source.domain, target), source.schema)


@pytest.mark.parametrize("other", [0, 0.5, True, np.float32(0.5)])
def test_a_cell_of_a_list_changes_no_other_row_and_no_dtype(other):
    domain = Domain({"id": Categories([BIG, BIG + 1]), "share": Interval(0, 1)})
    rows = [[BIG + 1, 0], [BIG, 1]] * 4
    codes, _, schema = encoded(rows, domain)
    more_codes, _, more_schema = encoded([*rows, [BIG, other]], domain)
    assert (more_codes[:-1] == codes).all()
    assert codes[:2, 0].tolist() == [1, 0]
    assert more_schema == schema


@pytest.mark.parametrize("other", [BIG, 0.5, "unheard of", True])
@pytest.mark.parametrize("target", [Categories([BIG, BIG + 1]), Categories()])
def test_a_label_of_a_list_changes_no_other_and_no_dtype(target, other):
    X, y = np.zeros((5, 1)), [BIG + 1, BIG, BIG + 1, BIG, BIG + 1]
    one = admit(Flow(), X[:4], y[:4], domain=(0, 1), target=target)
    more = admit(Flow(), X, [*y[:4], other], domain=(0, 1), target=target)
    assert one.schema == more.schema
    assert levels_of(one.target_cells(0, 4)) == levels_of(more.target_cells(0, 4)) == Counter(y[:4])
    if target.declared:
        codes = more.target_codes(0, 5, target)
        assert codes[:4].tolist() == [1, 0, 1, 0]


def test_the_categories_of_a_categorical_column_change_no_row():
    domain, kept = {"c": Categories([0.5, 0.25])}, np.array([0.5, 0.25] * 3, dtype=np.float32)
    one = pd.DataFrame({"c": pd.Categorical(kept)})
    more = pd.DataFrame({"c": pd.Categorical([*kept, "x"])})
    codes, _, schema = encoded(one, domain)
    more_codes, _, more_schema = encoded(more, domain)
    assert (more_codes[:-1] == codes).all()
    assert codes[:2, 0].tolist() == [0, 1]
    assert more_codes[-1, 0] == 2
    assert more_schema == schema
    flags = pd.Series(pd.Categorical([True, False] * 3))
    labels = admit(Flow(), np.zeros((6, 1)), flags, domain=(0, 1), target=Categories()).target_cells(0, 6)
    assert [type(label) for label in levels_of(labels)] == [int] * 2
