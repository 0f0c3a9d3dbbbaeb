"""A code is a function of its own cell: whatever other cells there are, in whatever container."""

import csv
import datetime as dt
from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.curator import csv_cells, csv_text
from skdpflow.curator.gate import admit
from skdpflow.files import TableFile

#: Whole numbers that are one and the same, or another, as float64.
LONG = [900000000000000001, 900000000000000003, 2**53 + 1, 2**62 + 3, 7]
SINGLE = [float(np.float32(0.1)), float(np.float32(0.2)), 3.0]
DATES = [dt.date(2001, 2, 3), dt.date(2029, 1, 1), dt.date(2010, 12, 31)]
TIMES = [dt.datetime(2001, 2, 3, 4, 5, 6, 789), dt.datetime(2029, 1, 1), dt.datetime(2010, 12, 31, 23, 59, 59)]
#: What is declared, known cells, the type of the column, and cells that come and go.
COLUMNS = {
    "codes": (Categories(LONG, nullable=True), LONG, pa.int64(), [None, 5, 0]),
    "unsigned codes": (Categories(LONG, nullable=True), LONG, pa.uint64(), [None, 2**64 - 1]),
    "grades": (Categories([1, 2, 3], nullable=True), [1, 2, 3], pa.int8(), [None, 9]),
    "flags": (Categories([False, True], nullable=True), [True, False], pa.bool_(), [None]),
    "words": (Categories(["a", "b", "12"], nullable=True), ["a", "b", "12"], pa.string(), [None, "zz", "3"]),
    "floats": (Categories([0.1, 0.2, 3], nullable=True), [0.1, 0.2, 3.0], pa.float64(), [None, 0.5, 1e300]),
    "single floats": (Categories(SINGLE, nullable=True), SINGLE, pa.float32(), [None, 0.5]),
    "ages": (Interval(0, 99, integer=True, nullable=True), [1, 50, 99], pa.int64(), [None, -7, 2**62 + 3]),
    "long ages": (Interval(2**52, 2**53, integer=True, nullable=True), [2**53 - 1, 2**53 - 3], pa.int64(), [None, -7]),
    "wide": (Interval(0, 2.0**64, nullable=True), LONG, pa.uint64(), [None, 2**63 + 5]),
    "shares": (Interval(0, 1, nullable=True), [0.1, 0.7, 1 / 3], pa.float64(), [None, -1e300, 5e-324]),
    "days": (Interval("2000-01-01", "2030-01-01", unit="D", nullable=True), DATES, pa.date32(), [None]),
    "moments": (Interval("2000-01-01", "2030-01-01", unit="us", nullable=True), TIMES, pa.timestamp("us"), [None]),
}
PANDAS = {pa.int64(): "Int64", pa.uint64(): "UInt64", pa.int8(): "Int8", pa.bool_(): "boolean", pa.string(): "string",
          pa.float64(): "Float64", pa.float32(): "Float32", pa.timestamp("us"): "datetime64[us]"}  # fmt: skip


def objects(cells):
    return np.fromiter(cells, dtype=object, count=len(cells))


def parquet_file(array, folder):
    path = folder / "table.parquet"
    parquet.write_table(pa.table({"x": array}), path)
    return TableFile(path)


def csv_file(cells, folder):
    path = folder / "table.csv"
    pd.DataFrame({"x": pd.Series(cells, dtype=object)}).to_csv(path, index=False, quoting=csv.QUOTE_ALL)
    return TableFile(path)


def dictionary(cells, kind):
    return pa.array(cells, kind).dictionary_encode()


def arrow_frame(array):
    return pd.DataFrame({"x": pd.Series(array, dtype=pd.ArrowDtype(array.type))})


#: Tables of one column whose type does not depend on its cells.
CONTAINERS = {
    "list": lambda cells, kind, _: [[cell] for cell in cells],
    "numpy": lambda cells, kind, _: objects(cells)[:, None],
    "pandas object": lambda cells, kind, _: pd.DataFrame({"x": pd.Series(cells, dtype=object)}),
    "pandas own": lambda cells, kind, _: pd.DataFrame({"x": pd.Series(cells, dtype=PANDAS.get(kind, object))}),
    "pandas arrow": lambda cells, kind, _: arrow_frame(pa.array(cells, kind)),
    "pandas category": lambda cells, kind, _: pd.DataFrame({"x": pd.Series(cells, dtype=object).astype("category")}),
    "pandas dictionary": lambda cells, kind, _: arrow_frame(dictionary(cells, kind)),
    "polars": lambda cells, kind, _: pl.DataFrame({"x": pl.from_arrow(pa.array(cells, kind))}),
    "parquet": lambda cells, kind, folder: parquet_file(pa.array(cells, kind), folder),
    "parquet dictionary": lambda cells, kind, folder: parquet_file(dictionary(cells, kind), folder),
    "csv": lambda cells, kind, folder: csv_file(cells, folder),
}  # fmt: skip


def codes_of(table, column, block_rows=None):
    domain = Domain({"x": column})
    source = admit(DPSlicedWassersteinFlow(), table, domain=domain)
    blocks = source.blocks(domain, block_rows=block_rows)
    return [code for _, codes, _ in blocks for code in codes[:, 0].tolist()]


@pytest.mark.parametrize(
    ("name", "container"),
    # pandas cannot convert dictionaries of dates
    [(n, c) for n in COLUMNS for c in CONTAINERS if (n, c) not in product(["days", "moments"], ["pandas dictionary"])],
)
def test_one_more_cell_changes_no_other_code(name, container, tmp_path, monkeypatch):
    """In a block of its own, in one with others, and in a file with other pieces beside its own."""
    monkeypatch.setattr(csv_text, "_CHUNK", 16)
    column, known, kind, extra = COLUMNS[name]
    cells, make = known * 3, CONTAINERS[container]
    before = codes_of(make(cells, kind, tmp_path), column)
    if container != "csv" or name != "floats":  # text is an integer or a float as the category is spelled
        assert set(before) == set(codes_of(CONTAINERS["numpy"](cells, kind, tmp_path), column))
    for cell in extra:
        for place in (0, 5, len(cells)):
            for block_rows in (None, 2):
                after = codes_of(make([*cells[:place], cell, *cells[place:]], kind, tmp_path), column, block_rows)
                own = after.pop(place)
                assert after == before, (cell, place)
                assert cell is not None or own == column.n_values


@pytest.mark.parametrize("container", CONTAINERS)
@given(
    before=st.lists(st.integers(0, 2**63 - 1) | st.sampled_from(LONG), min_size=1, max_size=4),
    after=st.lists(st.none() | st.integers(0, 2**63 - 1) | st.sampled_from(LONG), max_size=3),
)
@example(before=LONG, after=[None])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_cells_beside_each_other(container, tmp_path, before, after):
    make = CONTAINERS[container]
    for column in (Categories(LONG, nullable=True), Interval(0, 2.0**63, nullable=True)):
        alone = [codes_of(make([cell], pa.int64(), tmp_path), column)[0] for cell in before]
        assert codes_of(make([*before, *after], pa.int64(), tmp_path), column)[: len(before)] == alone


@given(st.lists(st.integers(10**16, 10**19).map(str) | st.floats(0, 1e19).map(repr), min_size=1, max_size=20))
@settings(max_examples=50)
def test_numbers_in_text_are_read_one_by_one(cells):
    read = csv_cells.read_series(pd.Series(cells, dtype=str), Interval(0, 1e19))
    assert read.values.tolist() == [float(cell) for cell in cells]


@pytest.mark.parametrize("cell", ["SECRET", "1_000", "1,5", "0x10", "", "1e", "NaNs"])
def test_text_that_is_no_number_is_outside(cell):
    read = csv_cells.read_series(
        pd.Series(["1", cell, None], dtype=object).astype(str if cell else object), Interval(0, 1)
    )
    assert read.values[0] == 1.0
    assert np.isnan(read.values[1:]).all()
    assert read.gaps.tolist()[:2] == [False, False]


@pytest.mark.parametrize("container", ["pandas own", "pandas arrow", "polars"])
def test_a_target_may_have_long_labels(container):
    make = CONTAINERS[container]
    y = make(LONG * 4, pa.int64(), None)["x"]
    source = admit(DPSlicedWassersteinFlow(), np.zeros((len(y), 1)), y, domain=(0, 1), target=Categories(LONG))
    ((_, _, codes),) = source.blocks(source.domain, Categories(LONG))
    assert codes.tolist() == list(range(len(LONG))) * 4


@pytest.mark.parametrize("cells", [LONG, [*LONG, None]])
def test_tables_that_would_convert_cells_themselves_are_refused(cells):
    table = pa.table({"x": pa.array(cells, pa.int64())})
    with pytest.raises(TypeError, match="X is a table or column of pyarrow"):
        codes_of(table, Categories(LONG, nullable=True))
    with pytest.raises(TypeError, match="y is a table or column of pyarrow"):
        admit(DPSlicedWassersteinFlow(), np.zeros((len(cells), 1)), table["x"], target=Categories(LONG))
    for passed in (pl.from_arrow(table), table.to_pandas(types_mapper=pd.ArrowDtype)):
        assert codes_of(passed, Categories(LONG, nullable=True)) == list(range(len(cells)))
