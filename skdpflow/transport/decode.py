"""From positions on the lattice back to the container, names and dtypes that the user knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdpflow.domain import Categories, Column, Domain, Interval
from skdpflow.schema import Name, Schema
from skdpflow.transport.cells import POLARS_NUMBERS, Cells, as_dates, cells_of, library_of, plain_dtype

__all__ = ["decode", "decode_target", "rows_of", "to_container"]

_POLARS_TEXT = ("String", "Categorical", "Enum")


def _category_table(categories: Categories, dtype: np.dtype[Any] | None) -> NDArray[Any]:
    """Return the categories as an array of the dtype, or of their own where they do not fit it."""
    values = categories.values
    if dtype is not None and not any(isinstance(value, str) for value in values):
        info = np.iinfo(dtype) if dtype.kind in "iu" else None
        fits = dtype.kind == "f"
        if info is not None:
            fits = all(value == int(value) and info.min <= value <= info.max for value in values)
        elif dtype.kind == "b":
            fits = all(value in (0, 1) for value in values)
        if fits:
            return np.array(values, dtype=dtype)
    kinds = set(map(type, values))
    return np.array(values, dtype=None if len(kinds) == 1 else object)


def _entries(cells: Cells, column: Column, dtype: np.dtype[Any] | None) -> NDArray[Any]:
    """Return values, whatever they are where the cell is a gap."""
    return cells.values if isinstance(column, Interval) else _category_table(column, dtype)[cells.values]


def _pandas_series(cells: Cells, column: Column, dtype: str | None) -> Any:
    pd = library_of("pandas")
    if dtype == "category" and isinstance(column, Categories):
        codes = np.where(cells.gaps, -1, cells.values)
        kind = pd.Categorical.from_codes(codes, categories=list(column.values), ordered=column.ordered)
        return pd.Series(kind)
    plain = plain_dtype("pandas", dtype)
    if as_dates(column, plain):
        return _pandas_dates(cells.values, column, dtype)
    values = _entries(cells, column, plain)
    if column.nullable:
        return _pandas_with_gaps(values, cells.gaps, dtype)
    if dtype == "object":
        return pd.Series(values.astype(object), dtype=object)
    text = plain is None and dtype is not None and values.dtype.kind == "U"
    if text or (plain is not None and values.dtype == plain):
        series = None
        try:
            series = pd.Series(values.astype(object) if text else values).astype(dtype)
        except (TypeError, ValueError):
            pass  # not a dtype of text, or unknown to this version of pandas: the column's own dtype
        if series is not None:
            return series
    return pd.Series(values)


def _pandas_dates(moments: NDArray[np.datetime64], column: Column, dtype: str | None) -> Any:
    pd = library_of("pandas")
    unit = getattr(column, "unit", None)
    series = pd.Series(moments.astype(f"datetime64[{unit if unit in ('s', 'ms', 'us') else 's'}]"))
    if dtype == "object":
        cells = series.dt.date if unit == "D" else series
        return cells.astype(object).where(series.notna(), None)
    recorded = pd.api.types.pandas_dtype(dtype)
    if str(recorded) in ("str", "string"):
        return pd.Series(np.datetime_as_string(moments).astype(object)).where(series.notna(), None).astype(dtype)
    zone = getattr(recorded, "tz", None) or getattr(getattr(recorded, "pyarrow_dtype", None), "tz", None)
    if zone is not None:
        if unit != "D":
            return series.dt.tz_localize("UTC").astype(recorded)
        # midnights of the zone; where clocks are set at midnight, the next time that there is
        first = np.ones(len(series), dtype=np.bool_)
        return series.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward").astype(recorded)
    return series.astype(recorded) if getattr(recorded, "kind", "") == "M" else series


def _pandas_with_gaps(values: NDArray[Any], gaps: NDArray[np.bool_], dtype: str | None) -> Any:
    """Return a series with gaps, of the dtype or of the nearest one that can hold them."""
    pd = library_of("pandas")
    cells = values.astype(object)
    cells[gaps] = None
    recorded = pd.api.types.pandas_dtype(dtype)
    if dtype == "object" or (values.dtype.kind in "UO" and isinstance(recorded, np.dtype)):
        return pd.Series(cells, dtype=object)
    if values.dtype.kind == "f" and isinstance(recorded, np.dtype):
        return pd.Series(np.where(gaps, np.nan, values).astype(values.dtype))
    if isinstance(recorded, np.dtype):
        name = {"b": "boolean", "i": f"Int{8 * values.itemsize}", "u": f"UInt{8 * values.itemsize}"}[values.dtype.kind]
        return pd.Series(cells, dtype=name)
    series = None
    try:
        series = pd.Series(cells, dtype=recorded)
    except (TypeError, ValueError):
        pass  # text declared for a column of numbers: the column's own dtype
    return pd.Series(cells) if series is None else series


def _polars_series(cells: Cells, column: Column, dtype: str | None) -> Any:
    pl = library_of("polars")
    plain = plain_dtype("polars", dtype)
    if as_dates(column, plain):
        return _polars_dates(cells.values, column, dtype)
    if column.nullable:
        return _polars_series(cells, column.without_gaps(), dtype).set(pl.Series(cells.gaps), None)
    values = _entries(cells, column, plain)
    if values.dtype.kind == "O":
        return pl.Series(values=values.tolist(), dtype=pl.Object)
    series = pl.Series(values=values.tolist() if values.dtype.kind == "U" else values)
    if dtype in POLARS_NUMBERS and values.dtype == POLARS_NUMBERS[dtype]:
        return series.cast(getattr(pl, dtype))
    if dtype in _POLARS_TEXT and isinstance(column, Categories) and values.dtype.kind == "U":
        return series.cast(pl.Enum(list(column.values)) if dtype == "Enum" else getattr(pl, dtype))
    return series


def _polars_dates(moments: NDArray[np.datetime64], column: Column, dtype: str | None) -> Any:
    pl = library_of("polars")
    series = pl.Series(values=moments.astype("datetime64[us]"))
    if dtype == "Date":
        return series.cast(pl.Date)
    if dtype == "String":
        return pl.Series(values=np.datetime_as_string(moments).tolist()).set(series.is_null(), None)
    if dtype is not None and dtype.startswith("Datetime["):
        unit, _, zone = dtype[len("Datetime[") : -1].partition(", ")
        series = series.cast(pl.Datetime(unit))
        if not zone:
            return series
        in_utc = series.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
        return _polars_midnights(series, zone, in_utc) if getattr(column, "unit", None) == "D" else in_utc
    return series


def _polars_midnights(days: Any, zone: str, otherwise: Any) -> Any:
    """Return midnights of a zone; where clocks are set at midnight, an hour later."""
    midnights, later = (
        series.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        for series in (days, days.dt.offset_by("1h"))
    )
    return midnights.fill_null(later).fill_null(otherwise)


def _series(cells: Cells, column: Column, container: str, dtype: str | None) -> Any:
    """Return one column as an array or as a series of the container."""
    if container == "pandas":
        return _pandas_series(cells, column, dtype)
    if container == "polars":
        return _polars_series(cells, column, dtype)
    plain = plain_dtype(container, dtype)
    if as_dates(column, plain):
        moments = cells.values
        if dtype in ("str", "object"):
            text = np.datetime_as_string(moments).astype(object)
            text[np.isnat(moments)] = None
            return text
        return moments if dtype is None or not dtype.startswith("datetime64[") else moments.astype(dtype)
    values, gaps = _entries(cells, column, plain), cells.gaps
    if column.nullable and (values.dtype.kind in "biuf" and dtype != "object"):
        return np.where(gaps, np.nan, values.astype(values.dtype if values.dtype.kind == "f" else np.float64))
    if dtype == "object" or column.nullable:
        values = values.astype(object)
        values[gaps] = None
    return values


def to_container(columns: Sequence[Any], schema: Schema) -> Any:
    """Put columns together into a table of the recorded container.

    Parameters
    ----------
    columns : sequence of ndarray, pandas.Series or polars.Series
        The columns, of the schema's container, in its order.
    schema : Schema
        Container and names.

    Returns
    -------
    ndarray, pandas.DataFrame or polars.DataFrame
        The table.

    Raises
    ------
    ImportError
        If the library of the container is not installed.
    """
    if schema.container == "pandas":
        names: Sequence[Name] = schema.names or ()
        return library_of("pandas").DataFrame(dict(zip(names, columns, strict=True)))
    if schema.container == "polars":
        names = schema.names or ()
        # a dict: polars takes the empty name of a series for none
        return library_of("polars").DataFrame({str(name): own for name, own in zip(names, columns, strict=True)})
    kinds = {column.dtype.kind for column in columns}
    if "O" in kinds or (kinds & set("UM") and len(kinds) > 1):
        table = np.empty((len(columns[0]), len(columns)), dtype=object)
    else:
        table = np.empty((len(columns[0]), len(columns)), dtype=np.result_type(*columns))
    for j, column in enumerate(columns):
        table[:, j] = column
    return table


def decode(positions: ArrayLike, domain: Domain, schema: Schema) -> Any:
    """Turn positions on the lattice into rows like those that were given.

    Parameters
    ----------
    positions : array-like of float, of shape (n_samples, n_features)
        Positions in [0, n_levels) of each column, in levels.
    domain : Domain
        The columns.
    schema : Schema
        Container, names and dtypes of the rows.

    Returns
    -------
    ndarray, pandas.DataFrame or polars.DataFrame of shape (n_samples, n_features)
        Rows inside the domain. A column keeps its own natural dtype where the recorded one cannot hold its
        declared values, as with text categories declared for a column of numbers.

    Raises
    ------
    ValueError
        If positions, domain and schema differ in their number of columns.
    ImportError
        If the library of the container is not installed.

    Notes
    -----
    A position p of a continuous interval means ``lower + p / n_values * (upper - lower)``; of a discrete one,
    and of categories, the level ``floor(p)``. Positions from ``n_values`` on are missing values of nullable columns:
    NaN, None, NA, NaT or null, as the dtype has it.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.domain import Domain, Interval
    >>> from skdpflow.schema import Schema
    >>> from skdpflow.transport.decode import decode
    >>> domain = Domain({"x0": Interval(0, 1), "x1": Interval(1, 6, integer=True)})
    >>> decode([[2**19, 0.5], [2**18, 5.9]], domain, Schema("numpy", None, ("float64", "float64")))
    array([[0.5 , 1.  ],
           [0.25, 6.  ]])
    """
    return rows_of(cells_of(positions, domain, schema), domain, schema)


def rows_of(cells: Sequence[Cells], domain: Domain, schema: Schema) -> Any:
    """Turn cells into rows like those that were given.

    Parameters
    ----------
    cells : sequence of Cells
        One entry per column, as `cells_of` gives them.
    domain : Domain
        The columns.
    schema : Schema
        Container, names and dtypes of the rows.

    Returns
    -------
    ndarray, pandas.DataFrame or polars.DataFrame of shape (n_samples, n_features)
        Rows, as `decode` gives them.

    Raises
    ------
    ImportError
        If the library of the container is not installed.
    """
    columns = [
        _series(own, column, schema.container, dtype)
        for own, column, dtype in zip(cells, domain.columns, schema.dtypes, strict=True)
    ]
    return to_container(columns, schema)


def decode_target(positions: ArrayLike, target: Column, schema: Schema) -> Any:
    """Turn codes or positions of a target into labels or values like those that were given.

    Parameters
    ----------
    positions : array-like of shape (n_samples,)
        Codes, or positions in [0, n_levels).
    target : Interval or Categories
        What the target is; categories must be known by now.
    schema : Schema
        Container, name and dtype of the target.

    Returns
    -------
    ndarray, pandas.Series or polars.Series of shape (n_samples,)
        The target.

    Raises
    ------
    ImportError
        If the library of the container is not installed.

    Examples
    --------
    >>> from skdpflow.domain import Categories
    >>> from skdpflow.schema import Schema
    >>> from skdpflow.transport.decode import decode_target
    >>> schema = Schema("numpy", None, ("float64",), "numpy", None, "str")
    >>> decode_target([1, 0], Categories(["no", "yes"]), schema).tolist()
    ['yes', 'no']
    """
    container = schema.target_container or "numpy"
    cells = Cells.of(np.asarray(positions, dtype=np.float64), target, container, schema.target_dtype)
    values = _series(cells, target, container, schema.target_dtype)
    if container == "numpy" or schema.target_name is None:
        return values
    return values.rename(schema.target_name if container == "pandas" else str(schema.target_name))
