"""Codes of rows: the right cell, row by row, however the rows are cut, without copying the table."""

import copy
import pickle
import tracemalloc
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdpflow.codes import code_of, n_codes
from skdpflow.curator.encode import RowSource, encode_values
from skdpflow.domain import FINE_LEVELS, Categories, Domain, Interval
from skdpflow.schema import schema_of


def source_of(X, y=None, domain=None):
    return RowSource(X, y, schema_of(X, y), domain)


def codes_of(X, domain, **kwargs):
    return np.concatenate([codes for _, codes, _ in source_of(X).blocks(domain, **kwargs)])


def encode(values, column):
    return encode_values(np.asarray(values), column, "the column").tolist()


def test_continuous_values_fall_into_equal_cells():
    top = FINE_LEVELS - 1
    assert encode([0.0, 0.25, 0.5, 1.0], Interval(0, 1)) == [0, FINE_LEVELS // 4, FINE_LEVELS // 2, top]
    assert encode([-3.0, np.nextafter(1, 0), 1e300], Interval(0, 1)) == [FINE_LEVELS, top, FINE_LEVELS + 1]


def test_integers_have_a_level_each_and_one_on_either_side():
    assert encode([16, 17, 18, 90, 91], Interval(17, 90, integer=True)) == [74, 0, 1, 73, 75]
    assert encode([np.nan, np.inf, -np.inf], Interval(17, 90, integer=True)) == [76, 75, 74]
    assert encode([17.4, 17.6, -1e300], Interval(17, 90, integer=True)) == [0, 1, 74]


def test_wide_integers_use_the_fine_lattice():
    assert encode([0, 2**29, 2**30], Interval(0, 2**30, integer=True)) == [0, 2**19, FINE_LEVELS - 1]


@pytest.mark.parametrize(
    "values",
    [
        ["b", "?", "a"],
        np.array(["b", "?", "a"], dtype=object),
        np.array(["b", 3, "a"], dtype=object),
        np.array(["b", None, "a"], dtype=object),
        np.array(["b", {"un": "hashable"}, "a"], dtype=object),
        np.array([np.str_("b"), ["unhashable"], "a"], dtype=object),
        np.array(["b", "?", "a"], dtype=np.dtypes.StringDType()),
        pd.Series(["b", "?", "a"]),
        pd.Series(["b", "?", "a"], dtype="string"),
        pd.Series(["b", pd.NA, "a"], dtype="string"),
        pd.Series(["b", "?", "a"], dtype="category"),
        pl.Series(["b", "?", "a"]),
        pl.Series(["b", None, "a"], dtype=pl.Categorical),
    ],
)
def test_text_categories(values):
    assert encode(values, Categories(["a", "b"])) == [1, 2, 0]


@pytest.mark.parametrize(
    "values",
    [
        [1, 7, 0],
        [1.0, 0.5, 0.0],
        np.array([1, 7, 0], dtype=np.uint8),
        np.array([1, "1", 0], dtype=object),
        np.array([True, None, False], dtype=object),
        pd.Series([1, None, 0], dtype="Int64"),
        pd.Series([True, None, False], dtype="boolean"),
        pl.Series([1, None, 0]),
        pl.Series([True, None, False]),
    ],
)
@pytest.mark.parametrize("categories", [[0, 1], [False, True], [0.0, 1.0]])
def test_numbers_and_booleans_match_by_value(values, categories):
    assert encode(values, Categories(categories)) == [1, 2, 0]


def test_float_categories_match_in_single_precision():
    assert encode(np.array([0.1, 0.2, 3.0], dtype=np.float32), Categories([0.1, 3])) == [0, 2, 1]


def test_large_integers_are_told_apart():
    assert encode([2**53 + 1, 2**53], Categories([2**53, 2**53 + 1])) == [1, 0]


def test_text_is_no_number():
    assert encode(["1", "0"], Categories([0, 1])) == [2, 2]


def test_objects_that_are_numbers():
    values = np.array([1, 0.5, np.float32(0.25), Decimal("0.75"), True, None], dtype=object)
    numbers = source_of(values[:, None]).numbers(0, 6)
    np.testing.assert_array_equal(numbers[:, 0], [1, 0.5, 0.25, 0.75, 1, np.nan])


@pytest.mark.parametrize(
    ("cell", "kind", "match"),
    [
        ("SECRET", ValueError, "holds text where numbers are expected"),
        ("31337", ValueError, "holds text"),
        (b"SECRET", ValueError, "holds text"),
        (31337 + 1j, ValueError, "Complex data not supported"),
        ({"SECRET": 31337}, TypeError, "argument must be a string or a real number"),
        (np.timedelta64(31337, "s"), TypeError, "argument must be"),
        (pd.Timestamp("2031-03-07"), TypeError, "argument must be"),
    ],
)
def test_cells_that_are_no_numbers_are_not_shown(cell, kind, match):
    values = np.empty((2, 1), dtype=object)
    values[:, 0] = [0.5, cell]
    with pytest.raises(kind, match=match) as caught:
        codes_of(values, Domain({"age": Interval(0, 1)}))
    assert "'x0'" in str(caught.value)
    assert not any(part in str(caught.value) for part in ("SECRET", "31337", "2031"))
    assert caught.value.__context__ is None


@pytest.mark.parametrize("dtype", ["datetime64[s]", "timedelta64[s]"])
def test_dates_are_no_numbers(dtype):
    with pytest.raises(TypeError, match="Convert durations, times"):
        codes_of(np.zeros((2, 1), dtype=dtype), Domain({"x0": Interval(0, 1)}))


def test_nested_values_are_refused():
    frame = pl.DataFrame({"a": [[1, 2], [3, 4]]}, schema={"a": pl.Array(pl.Int64, 2)})
    with pytest.raises(ValueError, match="'a' of X holds nested values"):
        codes_of(frame, Domain({"a": Interval(0, 1)}))


DOMAIN = Domain(
    {
        "real": Interval(-1, 2.5),
        "count": Interval(0, 9, integer=True),
        "wide": Interval(-(2**40), 2**40, integer=True),
        "label": Categories(["a", "b", "c"]),
        "flag": Categories([False, True]),
    }
)
rows = st.lists(
    st.tuples(
        st.floats(allow_nan=False, allow_infinity=False),
        st.integers(-5, 15),
        st.integers(-(2**50), 2**50),
        st.sampled_from(["a", "b", "c", "other"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


def tables(rows):
    """Yield the same rows as a pandas frame, a polars frame and an array of objects."""
    data = dict(zip(DOMAIN, zip(*rows, strict=True), strict=True))
    yield pd.DataFrame(data)
    yield pl.DataFrame({name: list(column) for name, column in data.items()})
    yield pd.DataFrame(data).to_numpy(dtype=object)


@given(rows, st.integers(1, 31), st.randoms(use_true_random=False))
def test_codes_depend_on_the_row_alone(rows, block_rows, random):
    whole = codes_of(pd.DataFrame(rows, columns=list(DOMAIN)), DOMAIN)
    order = random.sample(range(len(rows)), len(rows))
    for table, shuffled in zip(tables(rows), tables([rows[i] for i in order]), strict=True):
        np.testing.assert_array_equal(codes_of(table, DOMAIN, block_rows=block_rows), whole)
        np.testing.assert_array_equal(codes_of(shuffled, DOMAIN, block_rows=block_rows), whole[order])


@given(rows)
def test_every_cell_has_one_code_of_its_column(rows):
    codes = codes_of(pd.DataFrame(rows, columns=list(DOMAIN)), DOMAIN)
    assert (codes >= 0).all()
    assert (codes < [n_codes(column) for column in DOMAIN.columns]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8", "bool", ">f8", "longdouble"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_dtypes_and_memory_orders_of_arrays(dtype, order):
    X = np.asarray(np.arange(12).reshape(4, 3) % 2, dtype=dtype, order=order)
    expected = (np.arange(12).reshape(4, 3) % 2).tolist()
    domain = Domain({f"x{j}": Interval(0, 1, integer=True) for j in range(3)})
    assert codes_of(X, domain).tolist() == expected
    assert codes_of(pd.DataFrame(X), domain).tolist() == expected


def test_targets():
    X = np.zeros((3, 1))
    domain = Domain({"x0": Interval(0, 1)})
    for y in (
        np.array(["b", "a", "?"]),
        pd.Series(["b", "a", "?"], index=[5, 5, 5]),
        pl.Series(["b", "a", "?"]),
    ):
        blocks = source_of(X, y).blocks(domain, Categories(["a", "b"]), block_rows=2)
        assert [(start, codes.tolist()) for start, _, codes in blocks] == [(0, [1, 0]), (2, [2])]
    (_, _, codes), *_ = source_of(X, np.array([0, 1, 9])).blocks(domain, Interval(0, 3, integer=True))
    assert codes.tolist() == [0, 1, code_of(Interval(0, 3, integer=True), "above")]
    (_, _, codes), *_ = source_of(X).blocks(domain)
    assert codes.tolist() == [0, 0, 0]


def test_raw_blocks_do_not_share_memory_with_the_table():
    X = np.arange(6.0).reshape(3, 2)
    seen = []
    for start, numbers in source_of(X).raw_blocks(block_rows=2):
        seen.append((start, numbers.tolist()))
        assert not np.shares_memory(numbers, X)
    assert seen == [(0, [[0, 1], [2, 3]]), (2, [[4, 5]])]


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([1, 2]), [1, 2]),
        (np.array([True, False]), [True, False]),
        (np.array([1.0, 0.5, np.inf]), [1, 0.5, None]),
        (np.array([True, 1, 1.0, "1", np.int8(2), ("x",)], dtype=object), [1, 1, 1, "1", 2, None]),
        (pd.Series(["a", "b"], dtype="category"), ["a", "b"]),
    ],
)
def test_labels_have_one_spelling(y, labels):
    source = source_of(np.zeros((len(y), 1)), y)
    found = [label for _, block in source.label_blocks(block_rows=1) for label in block]
    assert [(type(label), label) for label in found] == [(type(label), label) for label in labels]


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy, pickle.dumps])
def test_rows_do_not_leave(copier):
    source = source_of(np.full((31, 2), 31337.0))
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        copier(source)
    assert repr(source) == "<RowSource of private rows>"


@pytest.mark.parametrize("container", ["numpy", "pandas", "mixed", "polars"])
def test_memory_is_bounded_by_the_block(container):
    X = np.random.default_rng(0).random((200_000, 20))
    domain = {f"x{j}": Interval(0, 1) for j in range(20)}
    if container != "numpy":
        X = pd.DataFrame(X, columns=list(domain))
    if container == "mixed":
        X["x0"] = pd.Categorical.from_codes(np.zeros(len(X), dtype=int), ["a"])
        domain["x0"] = Categories(["a"])
    if container == "polars":
        X = pl.DataFrame({name: X[name].to_numpy() for name in X})
    source = source_of(X)
    tracemalloc.start()
    n_rows = sum(len(codes) for _, codes, _ in source.blocks(Domain(domain), block_rows=2000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_rows == 200_000
    assert peak < 4e6  # the table has 32e6 bytes
