"""Every dtype that a table can have comes back from a fit as it was, or is refused before anything is spent."""

import dataclasses
import io
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.exceptions import PrivacyLeakWarning
from skdpflow.schema import Schema, schema_of
from skdpflow.transport.decode import decode, decode_target
from skdpflow.transport.writable import check_writable

arrow = pd.ArrowDtype
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "float32", "float64"]

PANDAS = {
    "number": [
        *INTEGERS,
        *FLOATS,
        *(name.replace("i", "I").replace("u", "U") for name in INTEGERS),
        "Float32",
        "Float64",
        *map(arrow, (getattr(pa, name)() for name in INTEGERS)),
        *map(arrow, (pa.float16(), pa.float32(), pa.float64())),
        *map(arrow, (pa.decimal32(5, 1), pa.decimal64(12, 2), pa.decimal128(10, 2), pa.decimal128(38, 18))),
        *map(arrow, (pa.decimal256(50, 3), pa.dictionary(pa.int32(), pa.int64()))),
        *map(arrow, (pa.dictionary(pa.int32(), pa.float64()), pa.dictionary(pa.int32(), pa.decimal128(10, 2)))),
        "object",
    ],
    "boolean": [
        "bool",
        "boolean",
        arrow(pa.bool_()),
        "object",
        "category",
        arrow(pa.dictionary(pa.int8(), pa.bool_())),
    ],
    "text": [
        *("str", "string", "object", "category", pd.CategoricalDtype(ordered=True)),
        *(pd.StringDtype("python"), pd.StringDtype("pyarrow"), pd.StringDtype("python", na_value=np.nan)),
        *map(arrow, (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()))),
        *map(
            arrow, (pa.dictionary(pa.int8(), pa.large_string()), pa.dictionary(pa.int32(), pa.string(), ordered=True))
        ),
    ],
    "date": [
        *("datetime64[s]", "datetime64[ms]", "datetime64[us]", "datetime64[ns]", "datetime64[us, Europe/Berlin]"),
        *("datetime64[s, America/Sao_Paulo]", "datetime64[ns, UTC]", "datetime64[ns, UTC+01:00]"),
        *map(arrow, (pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us"))),
        *map(arrow, (pa.timestamp("ns"), pa.timestamp("us", tz="Europe/Berlin"), pa.timestamp("ms", tz="UTC"))),
        *("object", "str", arrow(pa.string())),
    ],
}
POLARS = {
    "number": [
        *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.UInt128),
        *(pl.Float16, pl.Float32, pl.Float64, pl.Decimal(10, 2), pl.Decimal(38, 18), pl.Decimal(4, 1)),
    ],
    "boolean": [pl.Boolean],
    "text": [
        *(pl.String, pl.Categorical(), pl.Categorical(pl.Categories("wards", "hospital", pl.UInt8))),
        *(pl.Enum(["b", "a"]), pl.Enum(["z", "b", "y", "a"])),
    ],
    "date": [
        *(pl.Date, pl.Datetime("ms"), pl.Datetime("us"), pl.Datetime("ns"), pl.Datetime("us", "Europe/Berlin")),
        *(pl.Datetime("ms", "America/Sao_Paulo"), pl.Datetime("us", "UTC"), pl.String),
    ],
}
COLUMNS = {
    "number": [
        Interval(0, 100),
        Interval(0.1, 1.9),
        Interval(1, 60, integer=True),
        Interval(0, 10_000_000, integer=True),
        Categories([3, 0, 1]),
    ],
    "boolean": [Categories([False, True]), Categories([1, 0])],
    "text": [Categories(["a", "b"])],
    "date": [
        Interval("2017-10-01", "2018-12-31", unit="D"),
        Interval("2018-01-01T00:30", "2018-03-31T12:00", unit="s"),
        Interval("2018-01-01T00:30", "2018-03-31T12:00", unit="h"),
    ],
}


def triples():
    """Every (container, dtype, column): what a column may be, nullable or not, in every dtype that could hold it."""
    for container, dtypes in (("pandas", PANDAS), ("polars", POLARS)):
        for kind, columns in COLUMNS.items():
            for dtype in dtypes[kind]:
                for column in columns:
                    if isinstance(column, Categories):
                        gaps = Categories(column.categories, nullable=True)
                    else:
                        gaps = dataclasses.replace(column, nullable=True)
                    yield container, dtype, column
                    yield container, dtype, gaps


CASES = list(triples())


def empty(container, dtype):
    if container == "polars":
        return pl.DataFrame({"c": pl.Series([], dtype=dtype)})
    if isinstance(dtype, pd.ArrowDtype):
        return pd.DataFrame({"c": pd.Series(pd.arrays.ArrowExtensionArray(pa.nulls(0, dtype.pyarrow_dtype)))})
    return pd.DataFrame({"c": pd.Series([], dtype=dtype)})


def nearest(container, dtype, column):
    """What the guide says comes out where a dtype cannot hold gaps."""
    if container == "pandas" and isinstance(dtype, str) and column.nullable:
        if dtype in INTEGERS:
            return dtype.replace("i", "I").replace("u", "U")
        return "boolean" if dtype == "bool" else dtype
    return dtype


def same(dtype, expected):
    if str(expected) == "category":
        return str(dtype) == "category" and dtype.ordered == bool(getattr(expected, "ordered", False))
    return dtype == expected


def numbers_of(series, column):
    """Values that are there as numbers, dates in units since 1970: days of the column's own zone."""
    values = [v for v in series.to_list() if not (v is None or v is pd.NA or v is pd.NaT or v != v)]
    if column.unit is None or (values and isinstance(values[0], int | float | Decimal)):
        return np.array([float(v) for v in values])
    moments = pd.to_datetime(pd.Series(values)) if values else pd.Series([], dtype="datetime64[s]")
    if moments.dt.tz is not None:
        moments = (
            moments.dt.tz_localize(None) if column.unit == "D" else moments.dt.tz_convert("UTC").dt.tz_localize(None)
        )
    return moments.to_numpy().astype(f"datetime64[{column.unit}]").astype(np.int64).astype(float)


def check_inside(series, column):
    if isinstance(column, Interval):
        numbers = numbers_of(series, column)
        assert ((numbers >= column.lower) & (numbers <= column.upper)).all()
        assert not column.integer or (numbers == np.rint(numbers)).all()
        return len(numbers)
    values = [v for v in series.to_list() if not (v is None or v is pd.NA or v != v)]
    assert {float(v) if isinstance(v, Decimal) else v for v in values} <= set(column.values)
    return len(values)


def test_the_list_is_long():
    assert len(CASES) > 700


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_every_dtype_is_written_as_it_was_given(container):
    for _, dtype, column in (case for case in CASES if case[0] == container):
        frame = empty(container, dtype)
        schema = Schema.from_dict(schema_of(frame).to_dict())
        n = min(column.n_levels, 200)
        positions = np.append(np.linspace(0, column.n_levels - 1, n), column.n_values - 1e-7)[:, None]
        check_writable(schema, Domain({"c": column}), None)
        rows = decode(positions, Domain({"c": column}), schema)
        assert same(rows["c"].dtype, nearest(container, dtype, column)), (dtype, column, rows["c"].dtype)
        there = check_inside(rows["c"], column)
        assert there == len(rows) - column.nullable, (dtype, column)
        if str(dtype) != "category":
            both = pd.concat([frame, rows]) if container == "pandas" else pl.concat([frame, rows])
            assert both["c"].dtype == rows["c"].dtype, (dtype, column)
        target = decode_target(positions[:, 0], column, schema_of(frame, frame["c"]))
        assert target.equals(rows["c"])


@pytest.fixture(scope="module", params=["pandas", "polars"])
def fitted(request):
    """A flow that is fitted to one table of every dtype, each as every column that it can hold."""
    cases = [case for case in CASES if case[0] == request.param]
    domain = Domain({f"c{j}": column for j, (_, _, column) in enumerate(cases)})
    dtypes = tuple(schema_of(empty(*case[:2])).dtypes[0] for case in cases)
    rng = np.random.default_rng(0)
    positions = np.column_stack([rng.uniform(0, column.n_levels, 300) for column in domain.columns])
    rows = decode(positions, domain, Schema(request.param, tuple(domain), dtypes))
    flow = DPSlicedWassersteinFlow(50.0, domain=domain, random_state=0, noise_random_state=0)
    with pytest.warns(PrivacyLeakWarning):
        return cases, rows, flow.fit(rows)


def test_a_fit_gives_back_every_dtype(fitted):
    cases, rows, flow = fitted
    sample = flow.sample(500, random_state=0)
    for (container, dtype, column), name in zip(cases, flow.domain, strict=True):
        assert same(sample[name].dtype, nearest(container, dtype, column)), (dtype, column)
        check_inside(sample[name], column)
    if isinstance(rows, pd.DataFrame):
        assert pd.concat([rows, sample]).dtypes.equals(rows.dtypes)
    else:
        assert pl.concat([rows, sample]).schema == rows.schema


def test_a_saved_flow_gives_back_the_same(fitted):
    _, _, flow = fitted
    sample = flow.sample(50, random_state=0)
    file = io.BytesIO()
    flow.save(file)
    file.seek(0)
    for again in (
        DPSlicedWassersteinFlow.load(file),
        DPSlicedWassersteinFlow.from_release(flow.release_),
        pickle.loads(pickle.dumps(flow)),
    ):
        assert again.sample(50, random_state=0).equals(sample)
    assert pickle.loads(pickle.dumps(sample)).equals(sample)
