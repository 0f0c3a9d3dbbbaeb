"""From positions on the lattice back to the container, names and dtypes that the user knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdpflow.domain import Categories, Column, Domain
from skdpflow.domain.measured import measured_domain, measured_schema
from skdpflow.domain.schema import Name, Schema
from skdpflow.domain.unmeasured import Constant, Key, Unmeasured, constant_date, in_dtype_of_numbers
from skdpflow.sampling.cells import Cells, as_dates, cells_of
from skdpflow.sampling.dtypes import Dtype, dtype_of, library_of
from skdpflow.sampling.entries import entries_of, natural_entries
from skdpflow.sampling.to_pandas import pandas_series
from skdpflow.sampling.to_polars import polars_series

__all__ = ["class_labels", "decode", "decode_target", "rows_of", "to_container", "unmeasured_cells", "written"]


def _array(cells: Cells, column: Column, dtype: Dtype | None) -> NDArray[Any]:
    """Write cells as an array."""
    values, gaps = cells.values, cells.gaps
    kind = None if dtype is None else dtype.kind
    if as_dates(column, dtype):
        if kind in ("text", "object"):
            text = np.datetime_as_string(values).astype(object)
            text[gaps] = None
            return text
        return values.astype(dtype.own) if dtype is not None and kind == "date" else values
    if isinstance(column, Categories):
        entries = entries_of(column, dtype)
        if isinstance(entries, list) and dtype is not None:
            entries = np.array(entries, dtype=dtype.own)
        values = (natural_entries(column) if entries is None else entries)[values]
    if column.nullable and values.dtype.kind in "biuf" and kind != "object":
        return np.where(gaps, np.nan, values.astype(values.dtype if values.dtype.kind == "f" else np.float64))
    if kind == "object" or column.nullable:
        values = values.astype(object)
        values[gaps] = None
    return values


def written(cells: Cells, column: Column, container: str, dtype: str | None) -> Any:
    """Write the cells of one column as an array or as a series of the container."""
    known = dtype_of(container, dtype)
    if container == "pandas":
        return pandas_series(cells, column, known)
    return polars_series(cells, column, known) if container == "polars" else _array(cells, column, known)


def to_container(columns: Sequence[Any], schema: Schema) -> Any:
    """Put columns together into a table of the recorded container."""
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

    Notes
    -----
    A position p of a continuous interval means ``lower + p / n_values * (upper - lower)``; of a discrete one,
    and of categories, the level ``floor(p)``. Positions from ``n_values`` on are missing values of nullable columns:
    NaN, None, NA, NaT or null, as the dtype has it.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.domain import Domain, Interval
    >>> from skdpflow.domain.schema import Schema
    >>> from skdpflow.sampling.decode import decode
    >>> domain = Domain({"x0": Interval(0, 1), "x1": Interval(1, 6, integer=True)})
    >>> decode([[2**19, 0.5], [2**18, 5.9]], domain, Schema("numpy", None, ("float64", "float64")))
    array([[0.5 , 1.  ],
           [0.25, 6.  ]])
    """
    cells = cells_of(positions, measured_domain(domain), measured_schema(schema, domain))
    return rows_of(cells, domain, schema)


def rows_of(cells: Sequence[Cells], domain: Domain, schema: Schema) -> Any:
    """Turn cells into rows like those that were given."""
    measured, n = iter(cells), len(cells[0].gaps)
    columns = [
        unmeasured_cells(column, n, schema.container, dtype)
        if isinstance(column, Constant | Key)
        else written(next(measured), column, schema.container, dtype)
        for column, dtype in zip(domain.columns, schema.dtypes, strict=True)
    ]
    return to_container(columns, schema)


def unmeasured_cells(column: Unmeasured, n: int, container: str, dtype: str | None, first: int = 0) -> Any:
    """Write the cells of a column that is not measured, for rows that are numbered from `first`."""
    known, (categories, codes) = dtype_of(container, dtype), column.cells(n, first)
    if known is not None and known.kind == "date" and (day := constant_date(column)) is not None:
        return written(Cells.of(np.zeros(n), day, container, dtype), day, container, dtype)
    if known is not None and known.kind in ("number", "decimal"):
        categories = in_dtype_of_numbers(categories) or categories
    return written(Cells(codes, np.zeros(n, dtype=np.bool_)), categories, container, dtype)


def decode_target(positions: ArrayLike, target: Column, schema: Schema) -> Any:
    """Turn codes or positions of a target into labels or values like those that were given.

    Examples
    --------
    >>> from skdpflow.domain import Categories
    >>> from skdpflow.domain.schema import Schema
    >>> from skdpflow.sampling.decode import decode_target
    >>> schema = Schema("numpy", None, ("float64",), "numpy", None, "str")
    >>> decode_target([1, 0], Categories(["no", "yes"]), schema).tolist()
    ['yes', 'no']
    """
    container = schema.target_container or "numpy"
    cells = Cells.of(np.asarray(positions, dtype=np.float64), target, container, schema.target_dtype)
    values = written(cells, target, container, schema.target_dtype)
    if container == "numpy" or schema.target_name is None:
        return values
    return values.rename(schema.target_name if container == "pandas" else str(schema.target_name))


def class_labels(target: Categories, schema: Schema) -> NDArray[Any]:
    """Return the classes as scikit-learn has them: an array, also where the labels are a series."""
    container = schema.target_container or "numpy"
    dtype = dtype_of(container, schema.target_dtype)
    if container != "numpy" and dtype is not None and dtype.kind in ("number", "decimal"):
        entries = entries_of(target, dtype) if dtype.kind == "number" else None
        return natural_entries(target) if entries is None else np.asarray(entries)
    return np.asarray(decode_target(np.arange(target.n_values), target, schema))
