"""Cells of one column as a series of pandas, in the recorded dtype or in the nearest one that can hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Categories, Column, Interval
from skdpflow.sampling.cells import Cells, as_dates, decimal_grid
from skdpflow.sampling.dtypes import Dtype, library_of
from skdpflow.sampling.entries import entries_of, natural_entries

__all__ = ["pandas_series"]


def pandas_series(cells: Cells, column: Column, dtype: Dtype | None) -> Any:
    """Write cells as a series."""
    pd = library_of("pandas")
    kind = None if dtype is None else dtype.kind
    arrow = getattr(dtype.own, "pyarrow_dtype", None) if dtype is not None else None
    if as_dates(column, dtype):
        return _dates(cells.values, column, dtype, arrow)
    if isinstance(column, Categories):
        return _categories(cells, column, dtype, arrow)
    if arrow is not None and kind in ("number", "decimal"):
        return _arrow_series(_arrow_numbers(cells, column, dtype), column, arrow)
    if kind == "object":
        return _objects(cells.values, cells.gaps)
    if kind == "number" and dtype is not None and not dtype.is_numpy:
        return pd.Series(_masked(cells.values, cells.gaps))
    return _numbers(cells.values, cells.gaps, column.nullable)


def _objects(values: NDArray[Any], gaps: NDArray[np.bool_]) -> Any:
    objects = values.astype(object)
    objects[gaps] = None
    return library_of("pandas").Series(objects, dtype=object)


def _masked(values: NDArray[Any], gaps: NDArray[np.bool_]) -> Any:
    """Return numbers or booleans in the dtype of pandas that has gaps."""
    arrays = library_of("pandas").arrays
    kinds = {"b": arrays.BooleanArray, "f": arrays.FloatingArray}
    return kinds.get(values.dtype.kind, arrays.IntegerArray)(values, gaps.copy())


def _numbers(values: NDArray[Any], gaps: NDArray[np.bool_], nullable: bool) -> Any:
    """Write numbers in their dtype of numpy, or in that of pandas beside it where they may be missing and cannot be."""
    pd = library_of("pandas")
    if nullable and values.dtype.kind != "f":
        return pd.Series(_masked(values, gaps))
    return pd.Series(np.where(gaps, values.dtype.type(np.nan), values) if nullable else values)


def _categories(cells: Cells, column: Categories, dtype: Dtype | None, arrow: Any) -> Any:
    pd = library_of("pandas")
    codes = np.where(cells.gaps, -1, cells.values)
    if dtype is not None and dtype.kind == "category":
        ordered = dtype.ordered or column.ordered
        return pd.Series(pd.Categorical.from_codes(codes, categories=list(column.values), ordered=ordered))
    entries = entries_of(column, dtype)
    if entries is not None and dtype is not None:
        if arrow is not None:
            return _arrow_series(_arrow_entries(cells, entries, arrow), column, arrow)
        if dtype.kind == "text":
            return pd.Series(pd.array(entries, dtype=dtype.own).take(codes, allow_fill=True))
        if not dtype.is_numpy:
            return pd.Series(_masked(entries[cells.values], cells.gaps))
    entries = natural_entries(column) if entries is None else entries
    objects = dtype is not None and dtype.kind == "object"
    if entries.dtype.kind in "biuf" and not objects:
        return _numbers(entries[cells.values], cells.gaps, column.nullable)
    if entries.dtype.kind == "U" and not objects and not column.nullable:
        return pd.Series(entries.astype(object)[cells.values])  # the dtype that pandas gives text
    return _objects(entries.astype(object)[cells.values], cells.gaps)


def _arrow_entries(cells: Cells, entries: Any, kind: Any) -> Any:
    """Write categories, as a dictionary or as plain values, in a type whose values Arrow can pick."""
    import pyarrow as pa

    values = kind.value_type if pa.types.is_dictionary(kind) else kind
    table = pa.array(entries, values if isinstance(entries, list) and not isinstance(entries[0], str) else None)
    return pa.DictionaryArray.from_arrays(pa.array(cells.values, mask=cells.gaps), table)


def _arrow_numbers(cells: Cells, column: Interval, dtype: Any) -> Any:
    """Write numbers; decimals by way of the scale on which they were computed, so that none is rounded again."""
    import pyarrow as pa

    array = pa.array(cells.values, mask=cells.gaps)
    if dtype.digits is not None:
        scale = decimal_grid(column, dtype.digits)[2]
        array = array.cast(pa.decimal256(76, scale) if dtype.digits[0] > 38 else pa.decimal128(38, scale))
    return array


def _arrow_series(array: Any, column: Column, kind: Any) -> Any:
    """Return a series of a type of Arrow; of its values alone where they may be more than a dictionary can number."""
    import pyarrow as pa

    pd = library_of("pandas")
    if not pa.types.is_dictionary(kind):
        array = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
        return pd.Series(pd.arrays.ArrowExtensionArray(array.cast(kind)))
    index = np.iinfo(kind.index_type.to_pandas_dtype())
    if column.n_values > index.max:
        return _arrow_series(array, column, kind.value_type)
    if not pa.types.is_dictionary(array.type):
        array = array.cast(kind.value_type).dictionary_encode()
    indices = array.indices.cast(kind.index_type)
    array = pa.DictionaryArray.from_arrays(indices, array.dictionary.cast(kind.value_type), ordered=kind.ordered)
    return pd.Series(pd.arrays.ArrowExtensionArray(array))


def _dates(moments: NDArray[np.datetime64], column: Column, dtype: Dtype | None, arrow: Any) -> Any:
    pd = library_of("pandas")
    unit = getattr(column, "unit", None)
    kind = None if dtype is None else dtype.kind
    if kind == "text" and dtype is not None:
        text = _objects(np.datetime_as_string(moments), np.isnat(moments))
        return text.astype(dtype.own) if arrow is None else _arrow_series(_arrow_array(text), column, arrow)
    series = pd.Series(moments.astype(f"datetime64[{unit if unit in ('s', 'ms', 'us') else 's'}]"))
    if kind == "object":
        cells = series.dt.date if unit == "D" else series
        return cells.astype(object).where(series.notna(), None)
    if kind != "date" or dtype is None:
        return series
    if dtype.zone is not None:
        if unit == "D":  # midnights of that zone; where there is none, the first moment of the day
            first = np.ones(len(series), dtype=np.bool_)
            series = series.dt.tz_localize(dtype.zone, ambiguous=first, nonexistent="shift_forward")
        else:
            series = series.dt.tz_localize("UTC").dt.tz_convert(dtype.zone)
    if arrow is None:
        return series.astype(dtype.own)
    return _arrow_series(_arrow_array(series), column, arrow)


def _arrow_array(series: Any) -> Any:
    import pyarrow as pa

    return pa.array(series)
