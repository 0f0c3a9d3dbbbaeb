"""Dates and times: how they may be written, and whose midnight a day begins at."""

import datetime as dt
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skdpflow import Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.curator.gate import admit
from skdpflow.domain.codes import code_of
from skdpflow.domain.schema import Schema
from skdpflow.sampling.decode import decode

DAYS = Interval("2024-03-05", "2024-03-15", unit="D", nullable=True)
SECONDS = Interval("2024-03-05", "2024-03-15", unit="s", nullable=True)


def codes_of(table, column):
    source = admit(DPSlicedWassersteinFlow(), table, domain=Domain({"x": column}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return [code for _, codes, _ in source.blocks(source.domain) for code in codes[:, 0].tolist()]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20240105", "2024-01-05"),
        ("2024-01-05", "2024-01-05"),
        ("2024-01-05T23:59:59.999", "2024-01-05"),
        ("20240105T101112", "2024-01-05"),
        (" 2024-01-05 ", "2024-01-05"),
        ("2024-01-05T00:30:00+02:00", "2024-01-05"),
        ("2024-01-05 23:30:00Z", "2024-01-05"),
        ("2024-01", "2024-01-01"),
        ("2024", "2024-01-01"),
    ],
)
def test_iso_text(text, day):
    column = Interval("2023-12-01", "2024-12-31", unit="D")
    code = (dt.date.fromisoformat(day) - dt.date(2023, 12, 1)).days
    assert codes_of([[text]], column) == codes_of(pd.DataFrame({"x": [text]}), column) == [code]
    assert Interval(text, "2025-01-01", unit="D") == Interval(day, "2025-01-01", unit="D")


@pytest.mark.parametrize("text", ["5.1.2024", "19800", "202401", "2024-02-30", "24-01-05", "SECRET", "12024-01-01"])
def test_text_that_is_no_date(text):
    assert codes_of([[text]], DAYS) == [code_of(DAYS, "unreadable")]
    with pytest.raises(ValueError, match="a date in ISO form"):
        Interval(text, "2025-01-01", unit="D")


@pytest.mark.parametrize(
    "bound",
    [dt.date(2024, 1, 5), dt.datetime(2024, 1, 5, 7), np.datetime64("2024-01-05T07"), pd.Timestamp("2024-01-05")],
)
def test_date_objects_are_bounds(bound):
    assert Interval(bound, "2025-01-01", unit="D") == Interval("2024-01-05", "2025-01-01", unit="D")


@pytest.mark.parametrize("bound", [np.datetime64("NaT"), pd.NaT, None, [1], dt.time(3)])
def test_what_is_no_date_is_no_bound(bound):
    with pytest.raises(ValueError, match=r"'lower' parameter of Interval"):
        Interval(bound, "2025-01-01", unit="D")


@pytest.mark.parametrize("unit", ["D", "s"])
@pytest.mark.parametrize(
    "make",
    [
        lambda n: pd.DataFrame({"x": np.full(n, 20240310)}),
        lambda n: pd.DataFrame({"x": np.full(n, 19792.0)}),
        lambda n: pd.DataFrame({"x": pd.array([20240310] * n, dtype="Int32")}),
        lambda n: pl.DataFrame({"x": [1710028800] * n}),
        lambda n: np.full((n, 1), 20240310),
    ],
)
def test_columns_of_numbers_are_no_dates(make, unit):
    column = Interval("2024-03-05", "2024-03-15", unit=unit)
    with pytest.raises(ValueError, match=r"declared as dates.*pandas.to_datetime\(column, unit='D'\)"):
        codes_of(make(3), column)


BERLIN = "Europe/Berlin"
MIDNIGHT = pd.Timestamp("2024-03-10", tz=BERLIN)
LATE = pd.Timestamp("2024-03-10 23:59:59", tz=BERLIN)
SUBCOMPONENTS = [MIDNIGHT, LATE, None, pd.Timestamp("2024-03-11", tz=BERLIN)]
ZONED = {
    "pandas": lambda: pd.DataFrame({"x": pd.Series(SUBCOMPONENTS, dtype=f"datetime64[us, {BERLIN}]")}),
    "arrow": lambda: pd.DataFrame({"x": pd.Series(SUBCOMPONENTS, dtype=pd.ArrowDtype(pa.timestamp("us", BERLIN)))}),
    "polars": lambda: pl.from_pandas(ZONED["pandas"]()),
    "objects": lambda: pd.DataFrame({"x": pd.Series(SUBCOMPONENTS, dtype=object)}),
    "text": lambda: pd.DataFrame({"x": pd.Series([c and c.isoformat() for c in SUBCOMPONENTS], dtype=object)}),
    "offset": lambda: pd.DataFrame({"x": pd.Series(SUBCOMPONENTS[:2]).dt.tz_convert("+01:00").reindex([0, 1, 9, 9])})[
        :3
    ],
}


@pytest.mark.parametrize("name", ZONED)
def test_days_are_those_of_the_zone_and_times_are_in_utc(name):
    table = ZONED[name]()
    days, seconds = [5, 5, 11, 6], [428400, 428400 + 86399, 864001, 514800]
    assert codes_of(table, DAYS) == days[: len(table)]
    assert codes_of(table, SECONDS) == seconds[: len(table)]


@pytest.mark.parametrize("container", ["pandas", "arrow", "polars"])
def test_days_of_a_zone_come_back_as_its_midnights(container):
    table = ZONED[container]()
    source = admit(DPSlicedWassersteinFlow(), table, domain={"x": DAYS})
    back = decode([[5.5], [11.0]], source.domain, source.schema)["x"]
    assert back.dtype == table["x"].dtype
    assert back[0] == MIDNIGHT
    assert back.to_list()[1] is None or pd.isna(back[1])


@pytest.mark.parametrize(
    ("container", "dtype"),
    [
        ("pandas", "datetime64[us, {}]"),
        ("pandas", "timestamp[us, tz={}][pyarrow]"),
        ("polars", "Datetime[us, {}]"),
    ],
)
@pytest.mark.parametrize(
    ("zone", "day", "clock"),
    [
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00"),  # there is no midnight
        ("America/Havana", "2023-11-05", "2023-11-05T00:00"),  # there are two
        ("Pacific/Apia", "2011-12-30", None),  # there is no such day
    ],
)
def test_midnights_when_clocks_are_set(container, dtype, zone, day, clock):
    bound = np.datetime64(day)
    domain = Domain({"x": Interval(bound - 1, bound + 1, unit="D")})
    back = decode([[0.5], [1.5], [2.5]], domain, Schema(container, ("x",), (dtype.format(zone),)))["x"]
    clocks = [pd.Timestamp(cell).tz_localize(None) for cell in back.to_list()]
    assert [str(clocks[0].date()), str(clocks[2].date())] == [str(bound - 1), str(bound + 1)]
    assert clocks[1] == pd.Timestamp(clock) if clock else clocks[0] < clocks[1]
