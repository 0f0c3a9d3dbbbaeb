"""Blocks of columns, read as cells of one fixed type that does not depend on the cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator.cells import RawCells, missing_objects
from skdpflow.curator.dtypes import OBJECT, TEXT, CellType, numpy_type, pandas_type, polars_type

__all__ = ["objects", "read_column", "type_of_column"]

#: From the year 1 to 9999, in seconds since 1970: beyond, no library knows the offset of a time zone.
_FIRST, _LAST = -62_135_596_800 + 2 * 86_400, 253_402_300_799 - 2 * 86_400
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def objects(cells: Sequence[Any]) -> NDArray[Any]:
    """Return cells as an array of objects, none of them converted."""
    return np.fromiter(cells, dtype=object, count=len(cells))


def type_of_column(container: str, dtype: Any, label: str) -> CellType:
    """Return the type of the cells of a column."""
    if container == "numpy":
        return numpy_type(dtype, label)
    return pandas_type(dtype, label) if container == "pandas" else polars_type(dtype, label)


def read_column(data: Any, container: str, found: CellType, local: bool) -> RawCells:
    """Read a block of a column."""
    if container == "numpy":
        raw = _read_array(data, found)
    else:
        raw = (_read_pandas if container == "pandas" else _read_polars)(data, found, local)
    assert raw.values.dtype == found.dtype
    assert raw.values.shape == raw.gaps.shape == (len(data),)
    return raw


def _read_array(array: NDArray[Any], found: CellType) -> RawCells:
    if array.dtype.kind == "O":
        values = objects(array.tolist())
        return RawCells(values, missing_objects(values))
    with np.errstate(all="ignore"):
        values = array.astype(found.dtype)
    if array.dtype.kind == "T":
        return RawCells(values, ~np.fromiter((type(cell) is str for cell in values), dtype=bool, count=len(values)))
    gaps = np.isnan(values) if found.dtype.kind == "f" else np.zeros(len(values), dtype=np.bool_)
    return RawCells(values, np.isnat(values) if found.dtype.kind == "M" else gaps)


def _read_pandas(series: Any, found: CellType, local: bool) -> RawCells:
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return _read_array(series.to_numpy(), found)
    if str(dtype) == "category":
        kinds, codes = series.cat.categories.to_series(), series.cat.codes.to_numpy()
        values, gaps = _read_pandas(kinds, pandas_type(kinds.dtype, ""), local)
        if found.dtype.kind == "O":
            values = objects(values.tolist())
        last = np.array([None if found.dtype.kind == "O" else "NaT"], dtype=found.dtype)  # the code -1 is a gap
        return RawCells(np.append(values, last)[codes], np.append(gaps, True)[codes])
    if hasattr(dtype, "pyarrow_dtype"):
        return _read_arrow(series.array, found, local)
    if found == TEXT:
        return RawCells(series.to_numpy(dtype=object, na_value=None), series.isna().to_numpy(dtype=bool))
    if found.kind == "date":
        moments = series.to_numpy(dtype=found.dtype)  # in UTC
        return RawCells(_on_the_clock(moments, found) if local else moments, np.isnat(moments))
    nothing = np.nan if found.kind == "float" else found.dtype.type(0)
    values = series.to_numpy(dtype=dtype.numpy_dtype, na_value=nothing).astype(found.dtype)
    gaps = series.isna().to_numpy(dtype=bool)
    return RawCells(values, gaps | np.isnan(values) if found.kind == "float" else gaps)


def _in_reach(moments: NDArray[Any], unit: str) -> NDArray[Any]:
    """Bring times into the years whose time zones are known."""
    first, last = (end * _PER_SECOND[unit] for end in (_FIRST, _LAST))
    largest = 2**63 - 1 - 2 * 86_400 * _PER_SECOND[unit]
    return np.clip(moments.astype(np.int64), max(first, -largest), min(last, largest))


def _on_the_clock(moments: NDArray[Any], found: CellType) -> NDArray[Any]:
    """Return times in UTC as the clock of their zone shows them."""
    if found.zone is None:
        return moments
    import pandas as pd

    near = _in_reach(moments, np.datetime_data(found.dtype)[0]).astype(found.dtype)
    clock = pd.Series(near).dt.tz_localize("UTC").dt.tz_convert(found.zone).dt.tz_localize(None)
    return np.where(np.isnat(moments), moments, clock.to_numpy(dtype=found.dtype))


def _read_arrow(array: Any, found: CellType, local: bool) -> RawCells:
    import pyarrow as pa

    cells = pa.array(array)
    if not isinstance(cells, pa.ChunkedArray):
        cells = pa.chunked_array([cells])
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    gaps = cells.is_null().to_numpy()
    if found == TEXT:
        return RawCells(_arrow_text(cells), gaps)
    if found.kind in ("whole", "bool"):
        cells = cells.fill_null(False if found.kind == "bool" else 0)
    values = cells.to_numpy()
    if found.dtype.kind == "O":
        return RawCells(objects(values.tolist()), gaps)
    values = values.astype(found.dtype)
    if found.kind == "float":
        gaps = gaps | np.isnan(values)
    if found.kind == "date":
        gaps = gaps | np.isnat(values)
        values = _on_the_clock(values, found) if local else values
    return RawCells(values, gaps)


def _arrow_text(cells: Any) -> NDArray[Any]:
    try:
        return objects(cells.to_numpy().tolist())
    except Exception:  # columns may hold any bytes, and the errors of Arrow would show them
        pass
    import pyarrow as pa

    raw = cells.cast(pa.large_string()).cast(pa.large_binary()).to_pylist()
    return objects([cell if cell is None else cell.decode(errors="replace") for cell in raw])


def _read_polars(series: Any, found: CellType, local: bool) -> RawCells:
    gaps = series.is_null().to_numpy()
    if found.kind == "text":
        return RawCells(objects(series.to_list()), gaps)
    if found.kind == "date":
        return RawCells(_polars_moments(series, found, local), gaps)
    if found.dtype.kind == "O":
        values = objects(series.to_list())
        return RawCells(values, missing_objects(values) if found == OBJECT else gaps)
    nothing = float("nan") if found.kind == "float" else False if found.kind == "bool" else 0
    values = series.fill_null(nothing).to_numpy().astype(found.dtype)
    return RawCells(values, gaps | np.isnan(values) if found.kind == "float" else gaps)


def _polars_moments(series: Any, found: CellType, local: bool) -> NDArray[Any]:
    counts = series.to_physical().fill_null(0).to_numpy().astype(np.int64)
    if local and found.zone is not None:
        import polars as pl

        unit: Any = np.datetime_data(found.dtype)[0]
        near = pl.Series(values=_in_reach(counts, unit)).cast(pl.Datetime(unit, "UTC"))
        clock = near.dt.convert_time_zone(found.zone).dt.replace_time_zone(None)
        counts = clock.to_physical().to_numpy()
    return counts.astype(found.dtype)
