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
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow.compose import DPOversampler, GenerativePipeline, TrainOnSynthetic
from skdpflow.domain.schema import Schema, schema_of
from skdpflow.exceptions import PrivacyLeakWarning
from skdpflow.model_selection import DPSearchCV
from skdpflow.preprocessing import DPStandardScaler
from skdpflow.sampling.decode import decode, decode_target
from skdpflow.sampling.writable import check_writable

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


def test_more_than_700_dtypes_are_tried():
    assert len(CASES) > 700


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_arrays_keep_their_dtype():
    for dtype in [
        *INTEGERS,
        *FLOATS,
        "longdouble",
        "bool",
        "object",
        "datetime64[D]",
        "datetime64[s]",
        "datetime64[ns]",
    ]:
        column = COLUMNS["date"][0] if dtype.startswith("date") else Interval(0, 1, integer=True)
        for nullable in (False, True):
            own = dataclasses.replace(column, nullable=nullable)
            schema = schema_of(np.zeros((1, 1), dtype=dtype))
            rows = decode([[0.5], [column.n_values - 0.5], [own.n_levels - 0.5]], Domain({"x0": own}), schema)
            whole = np.dtype(dtype).kind in "iub"
            assert rows.dtype == ("float64" if nullable and whole else np.dtype(dtype))
    for dtype in (np.dtypes.StringDType(), np.dtype("U1"), np.dtype(object)):
        letters = Domain({"x0": Categories(["a", "b"])})
        rows = decode([[0], [1]], letters, schema_of(np.array([["a"], ["b"]], dtype=dtype)))
        assert rows.dtype == dtype
        assert rows.tolist() == [["a"], ["b"]]


# ---------------------------------------------------------------- decimals


def decimals(column, dtype):
    rows = decode(np.linspace(0, column.n_levels - 1e-9, 500)[:, None], Domain({"c": column}), schema_of(dtype))
    return rows["c"].to_list()


@pytest.mark.parametrize(
    ("lower", "upper", "precision", "scale", "least", "most"),
    [
        (0.001, 0.999, 10, 2, "0.01", "0.99"),
        (0.1, 0.3, 10, 2, "0.10", "0.30"),
        (0.1, 0.3, 38, 18, "0.1", "0.3"),
        (-1e6, 1e6, 5, 2, "-999.99", "999.99"),
        (-12.345, 12.345, 20, 3, "-12.345", "12.345"),
        (0, 1e20, 38, 2, "0", "1e20"),
        (0, 9e15, 38, 10, "0", "9e15"),
    ],
)
def test_decimals_are_rounded_inside_their_bounds(lower, upper, precision, scale, least, most):
    column = Interval(lower, upper)
    for dtype in (
        empty("pandas", arrow(pa.decimal128(precision, scale))),
        empty("pandas", arrow(pa.decimal256(precision, scale))),
        empty("polars", pl.Decimal(precision, scale)),
    ):
        cells = decimals(column, dtype)
        assert min(cells) == Decimal(least)
        assert max(cells) == Decimal(most) or float(max(cells)) == pytest.approx(float(most), rel=2e-6)
        assert all(Decimal(repr(lower)) <= cell <= Decimal(repr(upper)) for cell in cells)
        assert all(-cell.as_tuple().exponent == scale for cell in cells)


def test_constraints_hold_for_decimals():
    domain = Domain(
        {"cost": Interval(0, 100), "paid": Interval(0, 100), "due": Interval(0, 100)},
        constraints=["paid + due == cost"],
    )
    rng = np.random.default_rng(0)
    paid, due = rng.integers(0, 4000, (2, 500))
    for dtype in (pl.Decimal(10, 2), pl.Float16, pl.Float32):
        scale = 100 if dtype == pl.Decimal(10, 2) else 64
        rows = pl.DataFrame({"cost": (paid + due) / scale / 2, "paid": paid / scale / 2, "due": due / scale / 2})
        rows = rows.cast(dtype)
        rows = rows.with_columns(cost=pl.col("paid") + pl.col("due")).cast(dtype)
        flow = DPSlicedWassersteinFlow(5.0, domain=domain, noise_random_state=0)
        with pytest.warns(PrivacyLeakWarning):
            sample = flow.fit(rows).sample(500, random_state=0)
        assert sample.schema == rows.schema
        if dtype == pl.Decimal(10, 2):
            assert (sample["paid"] + sample["due"] == sample["cost"]).all()


# ---------------------------------------------------------------- days of a zone

#: Zones in which some midnights do not exist (first), or exist twice.
ZONES = ["Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Asia/Tokyo", "UTC"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_days_are_midnights_of_their_zone(zone, unit):
    column = Interval("2017-10-01", "2018-12-31", unit="D", nullable=True)
    n = column.n_values
    days = np.arange("2017-10-01", "2019-01-01", dtype="datetime64[D]")
    schemas = [
        Schema("pandas", ("d",), (f"datetime64[{unit}, {zone}]",)),
        Schema("pandas", ("d",), (f"timestamp[{unit}, tz={zone}][pyarrow]",)),
    ]
    if unit != "s":
        schemas.append(Schema("polars", ("d",), (f"Datetime[{unit}, {zone}]",)))
    for schema in schemas:
        rows = decode(np.arange(n + 1)[:, None], Domain({"d": column}), schema)["d"]
        assert schema_of(rows.to_frame("d")) == schema
        moments = pd.to_datetime(pd.Series(rows.to_list()[:n]))
        assert str(moments.dt.tz) == zone
        assert (moments.dt.tz_localize(None).to_numpy().astype("datetime64[D]") == days).all()
        at_midnight = moments.dt.hour == 0
        assert at_midnight.sum() >= n - 3  # but for days that begin at one
        assert (moments.dt.hour[~at_midnight] == 1).all()
        assert pd.isna(rows.to_list()[n])


def test_moments_are_in_utc():
    column = Interval("2024-03-30T00:00", "2024-04-01T00:00", unit="h")
    hours = np.datetime64("2024-03-30", "h") + np.arange(column.n_values)
    for schema in (
        Schema("pandas", ("d",), ("datetime64[us, Europe/Berlin]",)),
        Schema("pandas", ("d",), ("timestamp[us, tz=Europe/Berlin][pyarrow]",)),
        Schema("polars", ("d",), ("Datetime[us, Europe/Berlin]",)),
    ):
        rows = decode(np.arange(column.n_values)[:, None], Domain({"d": column}), schema)["d"]
        moments = pd.to_datetime(pd.Series(rows.to_list())).dt.tz_convert("UTC").dt.tz_localize(None)
        assert (moments.to_numpy().astype("datetime64[h]") == hours).all()


def test_dates_stay_inside_their_bounds_whatever_the_resolution():
    column = Interval("2024-01-01T12:00", "2024-01-09T12:00", unit="h")
    for frame in (empty("pandas", arrow(pa.date32())), empty("polars", pl.Date)):
        rows = decode(np.arange(column.n_values)[:, None], Domain({"c": column}), schema_of(frame))["c"].to_list()
        assert str(min(rows)) == "2024-01-02"
        assert str(max(rows)) == "2024-01-09"
    wide = Interval("1500-01-01", "2500-12-31", unit="D")  # beyond what nanoseconds can hold
    for container, dtype in (
        ("pandas", "datetime64[ns]"),
        ("pandas", arrow(pa.timestamp("ns"))),
        ("polars", pl.Datetime("ns")),
    ):
        rows = decode([[0], [wide.n_values - 1]], Domain({"c": wide}), schema_of(empty(container, dtype)))[
            "c"
        ].to_list()
        assert [str(moment)[:4] for moment in rows] == ["1677", "2262"]
    rows = decode([[0], [wide.n_values - 1]], Domain({"c": wide}), Schema("numpy", None, ("datetime64[ns]",)))
    assert rows.astype("datetime64[Y]").astype(str).ravel().tolist() == ["1677", "2262"]


# ---------------------------------------------------------------- refused before anything is spent

REFUSED = {
    "null": (pd.DataFrame({"c": pd.Series([None] * 40, dtype=arrow(pa.null()))}), Categories(["a"], nullable=True)),
    "duration": (pd.DataFrame({"c": pd.to_timedelta(np.arange(40), unit="s")}), Interval(0, 40)),
    "period": (pd.DataFrame({"c": pd.period_range("2024-01-01", periods=40)}), Categories(["a"])),
    "bytes": (pd.DataFrame({"c": pd.Series([b"a"] * 40, dtype=arrow(pa.binary()))}), Categories(["a"])),
    "list": (
        pd.DataFrame({"c": pd.Series([{"a": 1}] * 40, dtype=arrow(pa.struct({"a": pa.int8()})))}),
        Categories(["a"]),
    ),
    "time": (pl.DataFrame({"c": pl.Series([0] * 40).cast(pl.Time)}), Categories(["a"])),
    "polars null": (pl.DataFrame({"c": [None] * 40}), Interval(0, 1, nullable=True)),
    "binary": (pl.DataFrame({"c": [b"a"] * 40}), Categories(["a"])),
    "no such value": (pl.DataFrame({"c": ["a"] * 40}, schema={"c": pl.Enum(["a", "b"])}), Categories(["a", "c"])),
    "too large": (pd.DataFrame({"c": pd.Series([1] * 40, dtype="int8")}), Categories([1, 300])),
    "no fractions": (pd.DataFrame({"c": [1] * 40}), Categories([0.5, 1])),
    "no whole number": (pd.DataFrame({"c": [1] * 40}), Interval(0.2, 0.8)),
    "no cent": (pl.DataFrame({"c": pl.Series([0.0] * 40).cast(pl.Decimal(10, 2))}), Interval(0.001, 0.009)),
    "out of range": (pd.DataFrame({"c": pd.Series([1] * 40, dtype="uint8")}), Interval(300, 400)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_given_back_is_refused_before_anything_is_spent(name):
    X, column = REFUSED[name]
    ledger = PrivacyLedger(epsilon=10.0, delta=1e-3)
    flow = DPSlicedWassersteinFlow(1.0, domain={"c": column}, ledger=ledger)
    with pytest.raises((ValueError, TypeError)) as refused:
        flow.fit(X)
    assert "Column 'c' of X" in str(refused.value)
    labels = X["c"]
    if not column.nullable:
        with pytest.raises((ValueError, TypeError), match=r"\by\b"):
            DPSlicedWassersteinFlow(1.0, domain=(0, 1), target=column, ledger=ledger).fit(np.zeros((40, 1)), labels)
    y = np.repeat([0, 1], [30, 10])
    flow = DPSlicedWassersteinFlow(1.0, domain={"c": column}, target=Categories([0, 1]), ledger=ledger)
    for keep, wanted in ((True, "auto"), (False, {1: 5})):
        with pytest.raises((ValueError, TypeError), match="'c' of X"):
            DPOversampler(flow, wanted, keep_original=keep).fit_resample(X, y)
    assert ledger.spent() == 0
    if not column.nullable and isinstance(column, Interval):
        with pytest.raises((ValueError, TypeError), match="'c' of X"):
            DPStandardScaler(1.0, domain={"c": column}, ledger=ledger).fit(X)
    assert ledger.spent() == 0


def test_pipelines_and_searches_try_dtypes_before_they_spend():
    X = pd.DataFrame({"c": pd.to_timedelta(np.arange(40), unit="s"), "d": np.linspace(0, 1, 40)})
    y = np.repeat([0, 1], 20)
    column, classes = {"c": Categories(["a"]), "d": Interval(0, 1)}, Categories([0, 1])
    ledger = PrivacyLedger(epsilon=10.0, delta=1e-3)
    renyi = PrivacyLedger(epsilon=10.0, delta=1e-3, accountant="rdp")
    flow = DPSlicedWassersteinFlow(domain=column, target=classes)
    pipeline = GenerativePipeline([("flow", flow)], ledger=ledger)
    scaled = GenerativePipeline(
        [
            ("scale", DPStandardScaler(domain={"c": Interval(0, 1), "d": Interval(0, 1)})),
            ("flow", DPSlicedWassersteinFlow()),
        ],
        ledger=ledger,
    )
    search = DPSearchCV(TrainOnSynthetic(LogisticRegression(), flow), {"estimator__C": [0.1, 1.0]}, ledger=renyi)
    for estimator in (
        pipeline,
        scaled,
        search,
        TrainOnSynthetic(LogisticRegression(), clone(flow).set_params(ledger=ledger)),
    ):
        with pytest.raises((ValueError, TypeError), match="'c' of X"):
            estimator.fit(X, y)
    assert ledger.spent() == renyi.spent() == 0


def test_a_dtype_is_tried_where_bounds_or_labels_are_yet_to_be_found():
    ledger = PrivacyLedger(epsilon=10.0, delta=1e-3)
    X = pd.DataFrame({"c": pd.to_timedelta(np.arange(40), unit="s")})
    with pytest.raises(TypeError, match="'c' of X"):
        DPSlicedWassersteinFlow(1.0, ledger=ledger).fit(X)
    flow = DPSlicedWassersteinFlow(1.0, domain=(0, 1), target=Categories(), ledger=ledger)
    with pytest.raises(TypeError, match=r"^y "):
        flow.fit(np.zeros((40, 1)), pd.Series([b"a"] * 40, dtype=arrow(pa.binary())))
    assert ledger.spent() == 0


def test_found_bounds_come_out_in_any_dtype_of_numbers():
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 9, 400)
    for dtype in (pl.Decimal(4, 2), pl.Float16, pl.UInt8):
        X = pl.DataFrame({"c": pl.Series(numbers).cast(dtype)})
        with pytest.warns(PrivacyLeakWarning):
            flow = DPSlicedWassersteinFlow(5.0, noise_random_state=0).fit(X)
        assert flow.sample(100, random_state=0).schema == X.schema


@pytest.mark.parametrize(
    "y",
    [
        pl.Series("y", ["b", "a"] * 50, dtype=pl.Enum(["b", "z", "a"])),
        pl.Series("y", ["b", "a"] * 50, dtype=pl.Categorical),
        pl.Series("y", [1, 0] * 50).cast(pl.Decimal(4, 1)),
        pl.Series("y", [1, 0] * 50).cast(pl.Int8),
        pd.Series([Decimal(1), Decimal(0)] * 50, dtype=arrow(pa.decimal128(5, 1)), name="y"),
        pd.Series(["b", "a"] * 50, dtype=arrow(pa.large_string()), name="y"),
        pd.Series([True, False] * 50, dtype=arrow(pa.bool_()), name="y"),
    ],
    ids=lambda y: str(y.dtype),
)
def test_labels_of_every_dtype(y):
    values = y.to_list()[:2]
    classes = [int(v) if isinstance(v, Decimal) else v for v in values]
    flow = DPSlicedWassersteinFlow(9.0, domain=(0, 1), target=Categories(classes), noise_random_state=0)
    with pytest.warns(PrivacyLeakWarning):
        flow.fit(np.linspace(0, 1, 100)[:, None], y)
    assert isinstance(flow.classes_, np.ndarray)
    assert flow.classes_.tolist() == classes
    labels = flow.sample_labeled(20, random_state=0)[1]
    assert labels.dtype == y.dtype
    assert labels.name == y.name
    assert set(flow.sample_labeled(20, proportions={classes[0]: 1.0})[1].to_list()) == {values[0]}
