"""Rows come back in the container, with the names, dtypes and values that the user knows."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdpflow import DPSlicedWassersteinFlow
from skdpflow.curator.source import RowSource
from skdpflow.domain import FINE_LEVELS, Categories, Domain, Interval
from skdpflow.domain.codes import clipped
from skdpflow.domain.schema import Schema, schema_of
from skdpflow.sampling.decode import decode, decode_target

finite = st.floats(-1e12, 1e12, allow_nan=False)
reals = st.tuples(finite, finite).filter(lambda b: b[0] < b[1]).map(lambda b: Interval(*b))
integers = st.tuples(st.integers(-(2**40), 2**40), st.integers(1, 2**30)).map(
    lambda b: Interval(b[0], b[0] + b[1], integer=True)
)


def round_trip(X, domain, where=0.5):
    """Encode rows and decode a point of the cells that they fall into."""
    schema = schema_of(X)
    codes, _ = RowSource(X, None, schema, domain).block(0, len(X), domain)
    return decode(clipped(codes, domain.columns) + where, domain, schema)


@given(st.one_of(reals, integers), st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 0.999))
def test_numbers_come_back_within_one_cell(interval, shares, where):
    X = interval.lower + np.array(shares)[:, None] * (interval.upper - interval.lower)
    if interval.integer:
        X = np.clip(np.rint(X), interval.lower, interval.upper)
    back = round_trip(X, Domain({"x0": interval}), where)
    assert (back >= interval.lower).all()
    assert (back <= interval.upper).all()
    if interval.discrete:
        np.testing.assert_array_equal(back, X)
    else:
        width = (interval.upper - interval.lower) / FINE_LEVELS
        rounding = 0.5 * interval.integer + 4 * np.spacing(max(abs(interval.lower), abs(interval.upper)))
        np.testing.assert_allclose(back, X, rtol=0, atol=width + rounding)


@given(st.floats(0, 0.999))
def test_values_outside_come_back_clipped(where):
    X = np.array([[-5, -5, -5], [500, 500, 500]])
    domain = Domain({"a": Interval(0, 9, integer=True), "b": Interval(0.5, 9.5), "c": Interval(0, 2)})
    back = round_trip(X, domain, where)
    assert back.dtype == X.dtype
    assert back[0].tolist() == [0, 1, 0]
    assert back[1].tolist() == [9, 9, 2]


def test_positions_are_shares_of_the_interval():
    domain = Domain({"a": Interval(-1, 3), "b": Interval(5, 8, integer=True), "c": Categories(["x", "y"])})
    schema = Schema("pandas", ("a", "b", "c"), ("float64", "int64", "object"))
    back = decode([[0, 0, 0], [FINE_LEVELS / 4, 1.99, 0.99], [FINE_LEVELS, 4, 2]], domain, schema)
    assert back["a"].tolist() == [-1, 0, 3]
    assert back["b"].tolist() == [5, 6, 8]
    assert back["c"].tolist() == ["x", "x", "y"]


UGLY = {
    "int8": (pd.Series([1, 5], dtype="int8"), Interval(0, 500)),
    "uint8": (pd.Series([1, 5], dtype="uint8"), Interval(-5, 5, integer=True)),
    "int64": (pd.Series([1, 5], dtype="int64"), Interval(0, 5, integer=True)),
    "float32": (pd.Series([0.0, 0.1], dtype="float32"), Interval(0, 0.1)),
    "bool": (pd.Series([True, False]), Categories([False, True])),
    "flag": (pd.Series([True, False]), Interval(0, 1, integer=True)),
    "Int64": (pd.Series([1, 5], dtype="Int64"), Interval(0, 5)),
    "Float64": (pd.Series([1, 5], dtype="Float64"), Interval(0, 5)),
    "boolean": (pd.Series([True, False], dtype="boolean"), Categories([True, False])),
    "arrow": (pd.Series([1, 5], dtype="int16[pyarrow]"), Interval(0, 5, integer=True)),
    "text": (pd.Series(["a", "b"]), Categories(["a", "b"])),
    "object": (pd.Series(["a", 1], dtype=object), Categories(["a", 1])),
    "string": (pd.Series(["a", "b"], dtype="string"), Categories(["b", "a"])),
    "category": (pd.Series(["a", "b"], dtype="category"), Categories(["b", "a"])),
    "codes": (pd.Series([3, 7], dtype="category"), Categories([7, 3])),
    "grade": (pd.Series([3, 7], dtype="int32"), Categories([7, 3])),
    "half": (pd.Series([0.5, 1], dtype="float64"), Categories([1, 0.5])),
}


def test_an_ugly_pandas_frame_comes_back():
    X = pd.DataFrame({name: column for name, (column, _) in UGLY.items()})
    back = round_trip(X, Domain({name: column for name, (_, column) in UGLY.items()}))
    assert list(back.columns) == list(X.columns)
    for name in set(X) - {"category", "codes"}:
        assert back[name].dtype == X[name].dtype, name
        if X[name].dtype.kind not in "fiu":
            assert back[name].tolist() == X[name].tolist(), name
    for name in ("category", "codes"):
        assert back[name].astype(object).tolist() == X[name].astype(object).tolist()
        assert back[name].cat.categories.tolist() == list(UGLY[name][1].values)
    assert back["object"].tolist() == ["a", 1]
    assert back["grade"].tolist() == [3, 7]
    assert back["half"].tolist() == [0.5, 1]
    assert (back["float32"].to_numpy(dtype=float) <= 0.1).all()


def test_a_polars_frame_comes_back():
    X = pl.DataFrame(
        {
            "age": pl.Series([17, 90], dtype=pl.Int16),
            "bmi": pl.Series([10.0, 70.0], dtype=pl.Float32),
            "ward": pl.Series(["A", "B"], dtype=pl.String),
            "unit": pl.Series(["A", "B"], dtype=pl.Categorical),
            "site": pl.Series(["A", "B"], dtype=pl.Enum(["A", "B"])),
            "flag": pl.Series([True, False], dtype=pl.Boolean),
            "grade": pl.Series([7, 3], dtype=pl.UInt8),
        }
    )
    ward = Categories(["A", "B"])
    domain = Domain(
        {
            "age": Interval(17, 90, integer=True),
            "bmi": Interval(10, 70),
            "ward": ward,
            "unit": ward,
            "site": ward,
            "flag": Categories([False, True]),
            "grade": Categories([3, 7]),
        }
    )
    back = round_trip(X, domain)
    assert back.schema == X.schema
    assert back.drop("bmi").equals(X.drop("bmi"))


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("float32", "float32"),
        ("int64", "int64"),
        ("bool", "bool"),
        ("float16", "float16"),
        ("object", "object"),
    ],
)
def test_arrays_keep_their_dtype(dtype, expected):
    domain = Domain({"x0": Interval(0, 1, integer=True), "x1": Categories([0, 1])})
    X = np.array([[0, 1], [1, 0]], dtype=dtype)
    back = round_trip(X, domain)
    assert back.dtype == expected
    assert back.tolist() == X.tolist()


def test_arrays_of_text_and_of_anything():
    text = np.array([["a", "c"], ["b", "a"]])
    letters = Categories(["a", "b", "c"])
    back = round_trip(text, Domain({"x0": letters, "x1": letters}))
    assert back.dtype.kind == "U"
    assert back.tolist() == text.tolist()
    mixed = np.array([["a", 3], ["b", 5]], dtype=object)
    back = round_trip(mixed, Domain({"x0": letters, "x1": Interval(0, 5, integer=True)}))
    assert back.tolist() == mixed.tolist()
    assert type(back[0, 1]) is int


@pytest.mark.parametrize("dtype", ["int64", "bool", "float32", "datetime64[ns]", "no dtype", "str"])
@pytest.mark.parametrize("categories", [["a", "b"], ["a", 2], [0.5, 7]])
@pytest.mark.parametrize("container", ["numpy", "pandas", "polars"])
def test_only_declared_values_come_out_whatever_the_dtype(container, categories, dtype):
    schema = Schema(container, None if container == "numpy" else ("a",), (dtype,))
    back = np.asarray(decode([[0], [1]], Domain({"a": Categories(categories)}), schema))
    assert back[:, 0].tolist() == categories


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int8", "float16", "float32"])
def test_wide_intervals_fit_narrow_dtypes(dtype):
    domain = Domain({"x0": Interval(-1e30, 1e30)})
    back = decode([[0], [FINE_LEVELS]], domain, Schema("numpy", None, (dtype,)))
    assert back.dtype == dtype
    limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else np.finfo(dtype)
    assert float(back[0, 0]) == pytest.approx(max(float(limits.min), -1e30), rel=1e-6)
    assert float(back[1, 0]) == pytest.approx(min(float(limits.max), 1e30), rel=1e-6)


def test_no_rows_are_decoded_to_no_rows():
    domain = Domain({"a": Interval(0, 1), "b": Categories(["x"])})
    for container in ("pandas", "polars"):
        back = decode(np.empty((0, 2)), domain, Schema(container, ("a", "b"), ("float64", "object")))
        assert back.shape == (0, 2)
    assert decode(np.empty((0, 1)), Domain({"a": Interval(0, 1)}), Schema("numpy", None, ("float32",))).shape == (0, 1)


def test_names_that_are_integers_come_back():
    X = pd.DataFrame([[0.5, 0.25]], columns=[3, 1])
    back = round_trip(X, Domain({"x0": Interval(0, 1), "x1": Interval(0, 1)}))
    assert back.columns.tolist() == [3, 1]


@pytest.mark.parametrize(
    ("y", "target", "codes"),
    [
        (np.array(["no", "yes"]), Categories(["no", "yes"]), [0, 1]),
        (np.array([1.0, 0.0]), Categories([0, 1]), [1, 0]),
        (np.array([True, False]), Categories([0, 1]), [1, 0]),
        (np.array([3, 5]), Interval(0, 5, integer=True), [3.2, 5.9]),
        (pd.Series(["no", "yes"], name="income", dtype="category"), Categories(["no", "yes"]), [0, 1]),
        (pd.Series([0.0, 1.0], dtype="float32"), Interval(0, 1), [0, FINE_LEVELS]),
        (pl.Series("income", ["no", "yes"]), Categories(["no", "yes"]), [0, 1]),
        (pl.Series("rings", [3, 5], dtype=pl.Int8), Interval(0, 5, integer=True), [3, 5]),
    ],
)
def test_targets_come_back(y, target, codes):
    back = decode_target(codes, target, schema_of(np.zeros((2, 1)), y))
    assert type(back) is type(y)
    assert back.dtype == y.dtype
    assert list(back) == list(y)
    assert getattr(back, "name", None) == getattr(y, "name", None)


@pytest.mark.parametrize("names", [["", "b"], ["b", ""], ["", " "], ["nan", "None"], [""]])
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_names_come_back_as_they_are(frame, names):
    X = frame({name: [0.25, 0.5] for name in names})
    back = round_trip(X, Domain({name: Interval(0, 1) for name in names}))
    assert list(back.columns) == names
    y = pd.Series([0, 1], name="") if frame is pd.DataFrame else pl.Series("", [0, 1])
    flow = DPSlicedWassersteinFlow(5.0, domain=(0, 1), target=Categories([0, 1])).fit(X, y)
    assert list(flow.sample(2).columns) == names
    assert flow.sample_labeled(2)[1].name == ""


@pytest.mark.parametrize("names", [[1, 0], [np.int64(7), np.int64(-3)]])
def test_numbers_as_names_come_back(names):
    X = pd.DataFrame(np.linspace(0, 1, 40).reshape(20, 2), columns=pd.Index(names, dtype=object))
    domain = {str(name): Interval(0, 1) for name in sorted(names)}
    assert list(DPSlicedWassersteinFlow(5.0, domain=domain).fit(X).sample(2).columns) == names


def test_labels_without_a_recorded_target():
    assert decode_target([1, 0], Categories(["no", "yes"]), Schema("numpy", None, ("float64",))).tolist() == [
        "yes",
        "no",
    ]


def test_widths_must_agree():
    with pytest.raises(ValueError, match="same number of columns"):
        decode(np.zeros((1, 2)), Domain({"a": Interval(0, 1)}), Schema("numpy", None, ("float64",)))


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_a_missing_library_is_named(container, monkeypatch):
    monkeypatch.setitem(sys.modules, container, None)
    with pytest.raises(ImportError, match=f"pip install {container}"):
        decode([[0]], Domain({"a": Interval(0, 1)}), Schema(container, ("a",), ("Float64",)))
