"""Cells of one column as a series of polars, in the recorded dtype or in the nearest one that can hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Categories, Column
from skdpflow.sampling.cells import Cells, as_dates, decimal_grid
from skdpflow.sampling.dtypes import Dtype, library_of
from skdpflow.sampling.entries import entries_of, natural_entries

__all__ = ["polars_series"]


def polars_series(cells: Cells, column: Column, dtype: Dtype | None) -> Any:
    """Write cells as a series."""
    pl = library_of("polars")
    if as_dates(column, dtype):
        return _dates(cells.values, column, dtype)
    if isinstance(column, Categories):
        return _categories(cells, column, dtype)
    if dtype is not None and dtype.kind == "object":
        return _objects(cells.values, cells.gaps)
    series = pl.Series(values=cells.values)
    if dtype is not None and dtype.digits is not None:
        # by way of the scale on which they were computed, so that none is rounded again
        series = series.cast(pl.Decimal(38, max(decimal_grid(column, dtype.digits)[2], 0)))
    if dtype is not None and dtype.kind in ("number", "decimal"):
        series = series.cast(dtype.own)
    return series.set(pl.Series(cells.gaps), None) if column.nullable else series


def _objects(values: NDArray[Any], gaps: NDArray[np.bool_]) -> Any:
    pl = library_of("polars")
    objects = values.astype(object)
    objects[gaps] = None
    return pl.Series(values=objects.tolist(), dtype=pl.Object)


def _categories(cells: Cells, column: Categories, dtype: Dtype | None) -> Any:
    pl = library_of("polars")
    entries = entries_of(column, dtype)
    if dtype is not None and dtype.kind == "object":
        return _objects(natural_entries(column).astype(object)[cells.values], cells.gaps)
    if entries is not None and dtype is not None:
        table = pl.Series(values=entries, dtype=dtype.own if isinstance(entries, list) else None).cast(dtype.own)
    else:
        entries = natural_entries(column)
        if entries.dtype.kind == "O":
            return _objects(entries[cells.values], cells.gaps)
        table = pl.Series(values=entries.tolist())
    codes = pl.Series(values=cells.values)
    return table.gather(codes.set(pl.Series(cells.gaps), None) if column.nullable else codes)


def _dates(moments: NDArray[np.datetime64], column: Column, dtype: Dtype | None) -> Any:
    pl = library_of("polars")
    unit = getattr(column, "unit", None)
    if dtype is not None and dtype.kind == "text":
        text = pl.Series(values=np.datetime_as_string(moments).tolist()).set(pl.Series(np.isnat(moments)), None)
        return text if dtype.listed is not None else text.cast(dtype.own)
    recorded = dtype.unit if dtype is not None and dtype.kind == "date" else None
    if recorded == "D":
        return pl.Series(values=moments.astype("datetime64[D]"))
    own = pl.Datetime(recorded or "us")
    series = pl.Series(values=moments.astype(f"datetime64[{recorded or 'us'}]"), dtype=own)
    if dtype is None or dtype.zone is None:
        return series
    if unit != "D":
        return series.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.zone)
    midnights = series.dt.replace_time_zone(dtype.zone, ambiguous="earliest", non_existent="null")
    if midnights.null_count() == series.null_count():
        return midnights
    # clocks are put forward at some midnights: then the moment twelve hours after the noon before
    noons = series.dt.offset_by("-12h").dt.replace_time_zone(dtype.zone, ambiguous="earliest", non_existent="null")
    return midnights.zip_with(midnights.is_not_null(), noons.dt.offset_by("12h"))
