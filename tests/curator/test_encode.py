"""Codes of rows: the right cell, row by row, however the rows are cut, without copying the table."""

import copy
import datetime as dt
import pickle
import tracemalloc
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdpflow import DPSlicedWassersteinFlow
from skdpflow.curator.gate import admit
from skdpflow.curator.labels import levels_of
from skdpflow.curator.source import RowSource
from skdpflow.domain import FINE_LEVELS, Categories, Domain, Interval
from skdpflow.domain.codes import code_of, n_codes
from skdpflow.domain.schema import schema_of


def source_of(X, y=None, domain=None):
    return RowSource(X, y, schema_of(X, y), domain)


def codes_of(X, domain, **kwargs):
    return np.concatenate([codes for _, codes, _ in source_of(X).blocks(domain, **kwargs)])


def encode(values, column):
    """Codes of a series, as a column and as a target."""
    if isinstance(values, list):
        values = np.asarray(values)
    source = source_of(np.zeros((len(values), 1)), values)
    codes = source.target_codes(0, len(values), column).tolist()
    frame = values.to_frame() if hasattr(values, "to_frame") else values[:, None]
    assert codes_of(frame, Domain({"x0": column})).ravel().tolist() == codes
    return codes


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


class Evil:
    """Whatever is done with it raises."""

    def _raise(self, *args):
        raise RuntimeError("SECRET")

    __eq__ = __ne__ = __hash__ = __float__ = __int__ = __index__ = __bool__ = __str__ = __repr__ = __array__ = _raise
    __len__ = __iter__ = __lt__ = __gt__ = __class_getitem__ = _raise


class Same:
    """Claims to be every category and number."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash("a")

    def __float__(self):
        return 0.5


class LateWord(str):
    """Text that hashes as something else."""

    def __hash__(self):
        return hash("b")

    def __eq__(self, other):
        return True


BAD_CELLS = [
    "SECRET",
    "31337",
    b"SECRET",
    31337 + 1j,
    {"SECRET": 31337},
    [1],
    (1, 2),
    np.timedelta64(31337, "s"),
    pd.Timestamp("2031-03-07", tz="UTC"),
    dt.time(3),
    Decimal("sNaN"),
    np.array([1.0, 2.0]),
    Evil(),
    Same(),
    object(),
    float,
]


@pytest.mark.parametrize("cell", BAD_CELLS, ids=lambda cell: type(cell).__name__)
@pytest.mark.parametrize("nullable", [False, True])
def test_cells_that_are_no_numbers_are_outside_and_change_no_other(cell, nullable):
    values = np.empty((4, 1), dtype=object)
    values[:, 0] = [0.5, 1, None, True]
    column = Interval(0, 1, nullable=nullable)
    unreadable = code_of(column, "unreadable")
    before = codes_of(values, Domain({"age": column})).ravel()
    values[1, 0] = cell
    after = codes_of(values, Domain({"age": column})).ravel()
    assert after.tolist() == [before[0], unreadable, before[2], before[3]]
    assert before[2] == (FINE_LEVELS if nullable else unreadable)


@pytest.mark.parametrize("cell", [*BAD_CELLS, 0.5, 1e300, -7], ids=lambda cell: type(cell).__name__)
def test_cells_of_any_class_are_no_category(cell):
    values = np.fromiter(["a", cell, "b"], dtype=object, count=3)
    assert encode(values, Categories(["a", "b"])) == [0, 2, 1]


def test_text_of_a_class_of_ones_own_is_read_as_text():
    values = np.array(["b", LateWord("a"), np.str_("a")], dtype=object)
    assert encode(values, Categories(["a", "b"])) == [1, 0, 0]


@pytest.mark.parametrize("number", [10**400, Fraction(10**400, 3), Decimal("1e400"), np.inf, np.float32("inf")])
def test_numbers_beyond_double_precision_are_above_or_below(number):
    values = np.array([number, -number, 0], dtype=object)
    assert encode(values, Interval(-1, 1, integer=True)) == [4, 3, 1]


def test_masked_cells_are_missing():
    values = np.empty(3, dtype=object)
    values[:] = [1, np.ma.masked, 0]
    assert encode(values, Interval(0, 1, integer=True, nullable=True)) == [1, 2, 0]


def test_decimals_are_meant_as_they_are_written():
    values = np.array([Decimal("0.10"), Decimal(3), Decimal(2**53 + 1), Decimal("NaN"), Decimal("0.5")], dtype=object)
    assert encode(values, Categories([0.1, 3, 2**53 + 1, 2**53], nullable=True)) == [0, 1, 2, 4, 5]


@pytest.mark.parametrize("dtype", ["datetime64[s]", "timedelta64[s]"])
def test_dates_are_no_numbers(dtype):
    with pytest.raises(TypeError, match=r"Turn durations and times|cannot be read as numbers"):
        admit(DPSlicedWassersteinFlow(), np.zeros((2, 1), dtype=dtype), domain={"x0": Interval(0, 1)})


def test_nested_values_are_refused():
    frame = pl.DataFrame({"a": [[1, 2], [3, 4]]}, schema={"a": pl.Array(pl.Int64, 2)})
    with pytest.raises(TypeError, match=r"'a' of X is of dtype Array.* Nested cells"):
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


def test_targets_have_the_same_codes_in_every_container():
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


def test_numbers_do_not_share_memory_with_the_table():
    X = np.arange(6.0).reshape(3, 2)
    source, seen = source_of(X), []
    for span in source.spans(2):
        numbers = source.numbers(*span)
        seen.append((span[0], numbers.tolist()))
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
    found = [next(iter(levels_of(source.target_cells(i, i + 1))), None) for i in range(len(y))]
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


@given(st.lists(st.integers(-5, 300) | st.sampled_from([-(2**63), 2**63 - 1, 2**40]), min_size=1, max_size=20))
def test_whole_numbers_are_encoded_like_single_objects(cells):
    categories = Categories([3, True, -1, 2.0, "7", 255, 2**63 - 1, 0.5], other=None)
    whole = np.array(cells, dtype=np.int64)
    expected = codes_of(np.array(cells, dtype=object)[:, None], Domain({"a": categories}))
    assert (codes_of(whole[:, None], Domain({"a": categories})) == expected).all()
    small = whole.astype(np.uint8)
    expected = codes_of(np.array(small.tolist(), dtype=object)[:, None], Domain({"a": categories}))
    assert (codes_of(small[:, None], Domain({"a": categories})) == expected).all()
    flags = whole % 2 == 0
    expected = codes_of(np.array(flags.tolist(), dtype=object)[:, None], Domain({"a": categories}))
    assert (codes_of(flags[:, None], Domain({"a": categories})) == expected).all()
