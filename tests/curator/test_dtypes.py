"""Every dtype against everything that can be declared: refused by public facts, or read cell by cell, in silence."""

import datetime as dt
import warnings
from csv import QUOTE_ALL
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.curator import csv_text
from skdpflow.curator.gate import admit
from skdpflow.domain.codes import n_codes
from skdpflow.files import TableFile

LONG = 2**53 + 1
#: Cells of each family: none is exact in a narrower type than its own, and None comes last.
SUBCOMPONENTS = {
    "float": [0.1, 1 / 3, 3.0, -7.5, 0.2, None],
    "small": [1, 0, 7, 100, 3, None],
    "whole": [LONG, 2**53, 7, 2**62 + 3, 1, None],
    "bool": [True, False, True, None],
    "text": ["a", "0.1", "7", "20240302", "2024-03-10T00:30:00+01:00", "word", None],
    "date": [dt.date(2024, 3, 10), dt.date(2001, 2, 3), dt.date(2024, 2, 29), None],
    "time": [dt.datetime(2024, 3, 9, 23, 30), dt.datetime(2001, 2, 3, 4, 5, 6, 789), dt.datetime(2024, 6, 1), None],
    "decimal": [Decimal("0.10"), Decimal("3.00"), Decimal("7.25"), Decimal("0.33"), None],
    "delta": [dt.timedelta(hours=5), dt.timedelta(seconds=1), None],
    "clock": [dt.time(5, 6), dt.time(0, 0), None],
    "bytes": [b"a", b"7", None],
    "list": [[1, 2], [3, 4], None],
    "null": [None, None],
    "any": [0.1, np.float32(0.1), LONG, "a", Decimal("0.1"), True, dt.date(2024, 3, 10), "20240302", [1, 2], 1j, None],
}
COLUMNS = [
    Interval(0, 10),
    Interval(0, 10, nullable=True),
    Interval(0, 2**53, integer=True),
    Interval(200, 400, integer=True),
    Interval("2000-01-01", "2030-01-01", unit="D", nullable=True),
    Interval("2000-01-01", "2030-01-01", unit="s"),
    Interval("2000-01-01", "2030-01-01", unit="us", nullable=True),
    Categories(["a", "7", "0.1"]),
    Categories(["a", "b"], nullable=True),
    Categories([7, LONG, 1], nullable=True),
    Categories([0.1, 1 / 3, 3.0]),
    Categories([0.5, 0.25]),
    Categories([False, True]),
    Categories([0.1, 7, "a"], nullable=True),
]


def _numpy(family, dtype):
    def make(cells):
        array = np.array([0 if cell is None else cell for cell in cells], dtype=object)
        return array.astype(dtype)[:, None]

    return family, make


def _pandas(family, dtype):
    return family, lambda cells: pd.Series(cells, dtype=object).astype(dtype).to_frame("x")


def _category(family, dtype):
    kinds = pd.Series([cell for cell in SUBCOMPONENTS[family] if cell is not None]).astype(dtype).unique()
    codes = {cell: i for i, cell in enumerate(dict.fromkeys(c for c in SUBCOMPONENTS[family] if c is not None))}

    def make(cells):
        place = [-1 if cell is None else codes[cell] for cell in cells]
        return pd.DataFrame({"x": pd.Categorical.from_codes(place, categories=kinds)})

    return family, make


def _arrow_array(cells, dtype):
    if pa.types.is_dictionary(dtype):
        return pa.array(cells, dtype.value_type).dictionary_encode()
    return pa.array(cells, dtype)


def _arrow(family, dtype):
    def make(cells):
        return pd.DataFrame({"x": pd.Series(pd.arrays.ArrowExtensionArray(_arrow_array(cells, dtype)))})

    return family, make


def _polars(family, dtype):
    if dtype is pl.Object:
        return family, lambda cells: pl.DataFrame({"x": pl.Series(values=cells, dtype=pl.Object)})
    return family, lambda cells: pl.DataFrame({"x": pl.Series(values=cells, strict=False).cast(dtype)})


ARROW = {
    "small": [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.dictionary(pa.int32(), pa.int8())],
    "whole": [pa.int64(), pa.uint64(), pa.dictionary(pa.int32(), pa.int64())],
    "float": [pa.float16(), pa.float32(), pa.float64(), pa.dictionary(pa.int32(), pa.float32())],
    "bool": [pa.bool_()],
    "text": [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())],
    "date": [pa.date32(), pa.date64()],
    "time": [pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("us", "Europe/Berlin")],
    "decimal": [pa.decimal128(9, 2), pa.decimal256(50, 2)],
    "delta": [pa.duration("us")],
    "clock": [pa.time64("us")],
    "bytes": [pa.binary(), pa.large_binary(), pa.binary_view()],
    "list": [pa.list_(pa.int64()), pa.large_list(pa.int8())],
    "null": [pa.null()],
}
INTEGERS = ("Int8", "UInt8", "Int16", "UInt16", "Int32", "UInt32")
LARGE = ("Int64", "UInt64")
BERLIN = "Europe/Berlin"


def objects(cells):
    return np.fromiter(cells, dtype=object, count=len(cells))


def _frame(family, make):
    return family, lambda cells: pd.DataFrame({"x": make(cells)})


def _sparse(dtype):
    return _frame("float", lambda cells: pd.arrays.SparseArray([c or 0.0 for c in cells], dtype=dtype))


def _csv(family):
    def make(cells):
        return pd.DataFrame({"x": pd.Series(cells, dtype=object)}).to_csv(index=False, quoting=QUOTE_ALL)

    return family, make


def numpy_tables():
    found = {name.lower(): "small" for name in INTEGERS} | {">i4": "small", "bool": "bool", "m8[s]": "delta"}
    found |= dict.fromkeys(["int64", "uint64", ">i8"], "whole")
    found |= dict.fromkeys(["float16", "float32", "float64", "longdouble", "complex128", ">f8"], "float")
    found |= dict.fromkeys(["U30", "S30", np.dtypes.StringDType()], "text")
    found |= {f"M8[{unit}]": "date" for unit in ("Y", "M", "W", "D", "10D", "h", "s", "ms", "us", "ns")}
    tables = {f"numpy {dtype}": _numpy(family, dtype) for dtype, family in found.items()}
    tables["numpy object"] = ("any", lambda cells: objects(cells)[:, None])
    tables["list"] = ("any", lambda cells: [[cell] for cell in cells])
    return tables


def pandas_tables():
    found = dict.fromkeys(INTEGERS, "small") | dict.fromkeys(LARGE, "whole")
    found |= dict.fromkeys(["Float32", "Float64", "float32", "float64"], "float")
    found |= dict.fromkeys(["string[python]", "string[pyarrow]", "str"], "text")
    found |= dict.fromkeys(["M8[s]", "M8[us]", "M8[ns]", "period[D]"], "time")
    found |= {"boolean": "bool", "m8[ns]": "delta", "object": "any"}
    tables = {dtype: _pandas(family, dtype) for dtype, family in found.items()}
    tables["zone"] = _frame("time", lambda cells: pd.Series(cells, dtype=f"datetime64[us, {BERLIN}]"))
    tables["interval"] = _frame(
        "small", lambda cells: pd.arrays.IntervalArray.from_tuples([(0, c or 1) for c in cells])
    )
    tables |= {"Sparse[float32]": _sparse("float32"), "Sparse[float64]": _sparse("float64")}
    kinds = [("text", "str"), ("whole", "int64"), ("float", "float32"), ("float", "float64"), ("bool", "bool")]
    tables |= {f"category of {dtype}": _category(family, dtype) for family, dtype in [*kinds, ("time", "M8[us]")]}
    tables |= {f"{dtype}[pyarrow]": _arrow(family, dtype) for family, dtypes in ARROW.items() for dtype in dtypes}
    return {f"pandas {name}": made for name, made in tables.items()}


def polars_tables():
    wide = [name for name in ("Int128", "UInt128") if hasattr(pl, name)]
    found = dict.fromkeys(INTEGERS, "small") | dict.fromkeys([*LARGE, *wide], "whole")
    found |= dict.fromkeys(["Float32", "Float64"], "float") | dict.fromkeys(["String", "Categorical", "Binary"], "text")
    found |= {"Date": "date", "Boolean": "bool", "Time": "clock", "Null": "null", "Object": "any"}
    kinds = {getattr(pl, name): family for name, family in found.items()}
    kinds |= {pl.Datetime(unit): "time" for unit in ("ms", "us", "ns")} | {pl.Datetime("us", BERLIN): "time"}
    kinds |= {pl.Enum(SUBCOMPONENTS["text"][:-1]): "text", pl.Decimal(9, 2): "decimal", pl.Duration("us"): "delta"}
    kinds |= {pl.List(pl.Int64): "list"}
    return {f"polars {dtype}": _polars(family, dtype) for dtype, family in kinds.items()}


def _parquet(family, dtype):
    return family, lambda cells: pa.table({"x": _arrow_array(cells, dtype)})


TABLES = {
    **numpy_tables(),
    **pandas_tables(),
    **polars_tables(),
    **{f"parquet {dtype}": _parquet(family, dtype) for family, dtypes in ARROW.items() for dtype in dtypes},
    **{f"csv {f}": _csv(f) for f in ("float", "small", "whole", "bool", "text", "date", "time", "decimal")},
}
TRIPLES = [(name, column) for name in TABLES for column in COLUMNS]


def table_of(made, folder):
    """Return what `fit` takes; files are written first."""
    if isinstance(made, pa.Table):
        parquet.write_table(made, folder / "table.parquet")
        return TableFile(folder / "table.parquet")
    if isinstance(made, str):
        (folder / "table.csv").write_text(made)
        return TableFile(folder / "table.csv")
    return made


def codes_of(table, column, block_rows=None):
    """Return the codes of a table of one column, or the message of its refusal."""
    try:
        source = admit(DPSlicedWassersteinFlow(), table, domain=Domain({"x": column}))
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    blocks = source.blocks(source.domain, block_rows=block_rows)
    return [code for _, codes, _ in blocks for code in codes[:, 0].tolist()]


def target_codes_of(table, column):
    """Return the codes of the column as a target, or the message of its refusal."""
    y = (
        table["x"]
        if hasattr(table, "columns")
        else [row[0] for row in table]
        if isinstance(table, list)
        else table[:, 0]
    )
    try:
        source = admit(DPSlicedWassersteinFlow(), np.zeros((len(y), 1)), y, domain=(0, 1), target=column)
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return source.target_codes(0, len(y), column).tolist()


def test_every_table_meets_every_column():
    assert len(TRIPLES) == len(TABLES) * len(COLUMNS) >= 1900
    assert len({name.partition(" ")[0] for name in TABLES}) == 6


@pytest.mark.parametrize("name", TABLES)
def test_a_column_is_refused_whatever_its_cells_or_read_cell_by_cell(name, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_text, "_CHUNK", 16)
    family, make = TABLES[name]
    cells = SUBCOMPONENTS[family]
    in_file = name.startswith(("csv", "parquet"))
    singles = [0, len(cells) - 1] if in_file else range(len(cells))  # each is a file to write
    for column in COLUMNS:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            whole = codes_of(table_of(make(cells), tmp_path), column)
            alone = [codes_of(table_of(make([cells[i]]), tmp_path), column) for i in singles]
            if isinstance(whole, str):
                assert set(alone) == {whole}
                assert "x" in whole
            else:
                assert alone == [[whole[i]] for i in singles]
                assert min(whole) >= 0
                assert max(whole) < n_codes(column)
                if None in cells and "numpy" not in name.replace("numpy object", ""):
                    assert whole[-1] == (column.n_values if column.nullable else n_codes(column) - 1)
                for block_rows in (1, 3):
                    assert codes_of(table_of(make(cells[::-1]), tmp_path), column, block_rows)[::-1] == whole
            if not column.nullable and not in_file:
                as_target = target_codes_of(make(cells), column)
                assert isinstance(as_target, str) == isinstance(whole, str)
                assert isinstance(whole, str) or as_target == whole
                assert isinstance(whole, str) or target_codes_of(make(cells[:1]), column) == whole[:1]


def test_what_is_read_is_what_is_meant():
    """The same cells have the same codes in every container whose dtype can hold them."""
    for family, column in (("whole", COLUMNS[9]), ("text", COLUMNS[7]), ("date", COLUMNS[4]), ("decimal", COLUMNS[10])):
        found = {}
        for name, (own, make) in TABLES.items():
            if own == family and not name.startswith(("csv", "parquet", "numpy M8[")):
                codes = codes_of(make(SUBCOMPONENTS[family][:-1]), column)
                if not isinstance(codes, str):
                    found[name] = tuple(codes)
        assert len(set(found.values())) == 1, found
        assert len(found) >= 2
