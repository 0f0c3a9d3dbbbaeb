"""Checks of raw input, before anything is spent; no message shows a cell or a number of rows."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.validation import validate_data

from skdpflow._callers import caller_level
from skdpflow._validation import invalid
from skdpflow.curator.cells import RawCells, numbers_of, quiet, to_float
from skdpflow.curator.dask_rows import DaskRows
from skdpflow.curator.dtypes import check_declared
from skdpflow.curator.files import FileColumn, FileTable
from skdpflow.curator.read import objects
from skdpflow.curator.source import RowSource
from skdpflow.curator.spark_rows import SparkRows
from skdpflow.domain import Categories, Column, Domain, Interval
from skdpflow.domain.categories import is_undeclared
from skdpflow.domain.resolve import resolve_domain
from skdpflow.domain.schema import Name, Schema, container_of, dtypes_of, schema_of
from skdpflow.domain.unmeasured import Constant, Key
from skdpflow.files import TableFile
from skdpflow.frames import ELSEWHERE, DaskTable, SparkTable

__all__ = ["admit", "as_table", "as_target", "declared_dtype", "declared_schema"]


#: Attributes by which tables and columns of libraries other than numpy, pandas and polars are recognised.
_FOREIGN = ("__dataframe__", "__arrow_c_stream__", "__arrow_c_array__")
_FLAT = "y should be a 1d array with one entry per row of X."
_DECLARE = ", or give a Domain that declares the column, with nullable=True if cells may be missing"


def _refuse_forms(data: Any, what: str, owner: str) -> None:
    """Refuse containers whose cells would be misread."""
    if sparse.issparse(data):
        raise TypeError(f"Sparse data was passed for {what}, but {owner} needs dense data: use '.toarray()'.")
    if isinstance(data, np.ma.MaskedArray):
        raise TypeError(
            f"{what} is a masked array, whose mask scikit-learn's tools drop. Mark missing cells in place: "
            f"{what}.filled(numpy.nan), or {what}.astype(object).filled(None) for whole numbers and text."
        )
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(data, polars.LazyFrame):
        raise TypeError(f"{what} is a polars LazyFrame. Collect it first: frame.collect().")


def _typed(data: Any) -> bool:
    """Say whether an array-like has a dtype of its own, which does not depend on its cells."""
    return isinstance(getattr(data, "dtype", None), np.dtype)


def _as_array(data: Any, what: str) -> NDArray[Any]:
    """Convert an array-like as `numpy.asarray` does, without its messages.

    The dtype that numpy would infer for a list depends on all its cells, and it can change the value of each. So the
    cells of input without a dtype stay objects.
    """
    if any(hasattr(type(data), name) for name in _FOREIGN):
        raise TypeError(
            f"{what} is a table or column of {type(data).__module__.partition('.')[0]}, which would convert cells for "
            "the sake of others, such as whole numbers beside a gap. Pass a frame of polars (polars.from_arrow) or "
            "pandas (to_pandas(types_mapper=pandas.ArrowDtype)), or a list of rows."
        )
    array = None
    try:
        with quiet():
            array = _array_of_list(data) if isinstance(data, list | tuple) else np.asarray(data, _dtype_for(data))
    except Exception:  # numpy, and any foreign __array__ method, may show cells in its message
        pass
    if array is None:
        raise ValueError(f"{what} cannot be read as an array: it must be rectangular, with one scalar per cell.")
    return array


def _dtype_for(data: Any) -> np.dtype[Any] | None:
    return None if _typed(data) else np.dtype(object)


def _is_row(data: Any) -> bool:
    return isinstance(data, list | tuple) or (isinstance(data, np.ndarray) and data.ndim > 0)


def _array_of_list(data: Sequence[Any]) -> NDArray[Any]:
    """Return a list of cells, or of rows if the first is one, as an array of objects."""
    if not data or not _is_row(data[0]):
        return objects(data)
    rows = [list(row) if _is_row(row) else [] for row in data]
    if len(set(map(len, rows))) > 1:
        raise ValueError
    return objects([cell for row in rows for cell in row]).reshape(len(rows), len(rows[0]))


def as_table(X: Any, owner: str) -> Any:
    """Return X as a two-dimensional array or frame with rows and columns."""
    _refuse_forms(X, "X", owner)
    table = _as_array(X, "X") if container_of(X) == "numpy" else X
    n_dimensions = len(table.shape)
    if n_dimensions != 2:
        got = {0: "scalar array", 1: "1D array"}.get(n_dimensions, f"{n_dimensions}D array")
        raise ValueError(
            f"Expected 2D array, got {got} instead. Reshape your data either using array.reshape(-1, 1) if "
            "your data has a single feature or array.reshape(1, -1) if it contains a single sample."
        )
    n_rows, n_features = table.shape
    _refuse_empty(n_rows, n_features, owner)
    return table


def _refuse_empty(n_rows: int, n_features: int, owner: str) -> None:
    needed = f"while a minimum of 1 is required by {owner}."
    if n_rows == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape=(0, {n_features})) {needed}")
    if n_features == 0:  # the number of rows is private, so the shape leaves it out
        raise ValueError(f"Found array with 0 feature(s) (shape=(, 0)) {needed}")


def _check_names(table: Any) -> None:
    names = list(table.columns) if container_of(table) != "numpy" else []
    if not all(isinstance(name, str | int | np.integer) and not isinstance(name, bool) for name in names):
        raise ValueError("The column names of X must be str or int: X.columns.map(str) makes them so.")
    if len(set(names)) < len(names):
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        raise ValueError(f"The column names of X must be unique. Got more than once: {', '.join(twice)}.")


def _label(cell: Any) -> Any:
    """Return the only entry of a row, so that a column of lists is read cell by cell."""
    return cell[0] if _is_row(cell) and len(cell) == 1 else cell


def _check_order(known: Sequence[str], schema: Schema) -> None:
    """Refuse other orders of names that are whole numbers, which scikit-learn does not compare."""
    names = tuple(map(str, schema.names or ()))
    if names != known and set(names) == set(known):
        raise ValueError("Feature names must be in the same order as they were in fit: reorder the columns of X.")


def as_target(y: Any, owner: str) -> Any:
    """Return y as a one-dimensional array or series."""
    if y is None:
        raise ValueError(
            f"This {owner} estimator requires y to be passed, but the target y is None. Pass y, or set "
            "target=None to leave it out."
        )
    _refuse_forms(y, "y", owner)
    container = container_of(y)
    if isinstance(y, list | tuple):
        return objects([_label(cell) for cell in y])
    labels: Any = _as_array(y, "y") if container == "numpy" else y
    if len(labels.shape) == 2 and labels.shape[1] == 1:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape of y to "
            "(n_samples,), for example using ravel().",
            DataConversionWarning,
            stacklevel=caller_level(),
        )
        if container == "pandas":
            return labels.iloc[:, 0]
        return labels.to_series(0) if container == "polars" else labels[:, 0]
    if len(labels.shape) != 1:
        raise ValueError(_FLAT)
    return labels


def declared_dtype(columns: Sequence[Column | None]) -> str:
    """Name a dtype that follows from what is declared, for cells that come without one."""
    kinds: set[str] = set()
    for column in columns:
        if isinstance(column, Constant | Key):
            column = column.cells(1)[0]
        if isinstance(column, Categories):
            values = {type(value) for value in column.values} if column.declared else {object}
            names = {int: "int64", float: "float64", bool: "bool"}
            kinds.add(names.get(next(iter(values)), "object") if len(values) == 1 else "object")
        else:
            kinds.add("int64" if column is not None and column.integer else "float64")
    if kinds == {"int64", "float64"}:
        return "float64"
    return kinds.pop() if len(kinds) == 1 else "object"


def _with_declared_dtypes(schema: Schema, X: Any, y: Any, domain: Domain | None, target: Column | None) -> Schema:
    """Return a schema in which lists and the like have the declared, data-independent dtypes."""
    if schema.container == "numpy" and not _typed(X):
        columns: Sequence[Column | None] = [None] if domain is None else domain.columns
        schema = replace(schema, dtypes=(declared_dtype(columns),) * schema.n_features)
    if target is not None and schema.target_container == "numpy" and not _typed(y):
        schema = replace(schema, target_dtype=declared_dtype([target]))
    return schema


def declared_schema(X: Any, y: Any, domain: Domain, target: Column | None, owner: str) -> Schema:
    """Return the schema of rows that are not read, where the columns are known from a Release."""
    table = as_table(X, owner)
    return _with_declared_dtypes(schema_of(table, as_target(y, owner)), X, y, domain, target)


def _contains(what: str, column: Name | None, owner: str) -> ValueError:
    """Build the error for a bad cell in a column of X, or in y if there is no column."""
    where = "Input y contains" if column is None else "Input X contains"
    which = "" if column is None else f" in column {column!r}"
    remedy = "" if column is None else _DECLARE
    return ValueError(f"{where} {what}{which}. {owner} needs finite values: drop such rows, or fill them{remedy}.")


def _check_numbers(numbers: NDArray[np.float64], columns: Sequence[Name | None], owner: str) -> None:
    """Refuse NaN and infinity."""
    if np.isfinite(numbers).all():
        return
    nan = np.isnan(numbers).any(axis=0)
    if nan.any():
        raise _contains("NaN", columns[int(nan.argmax())], owner)
    infinite = np.isinf(numbers).any(axis=0)
    raise _contains("infinity or a value too large for float64", columns[int(infinite.argmax())], owner)


def _check_types(source: RowSource, target: Column | None) -> None:
    """Refuse columns whose dtypes cannot hold the declared values, before a cell is read."""
    columns = [None] * source.n_features if source.domain is None else source.domain.columns
    for j, (found, column) in enumerate(zip(source.types, columns, strict=True)):
        check_declared(found, column, source.label(j), source.schema.dtypes[j])
    if target is not None:
        check_declared(source.target_type, target, "y", source.schema.target_dtype)


def _strict_numbers(raw: RawCells, label: str) -> NDArray[np.float64]:
    """Return cells as numbers, where each must be one."""
    if raw.values.dtype.kind == "O":
        return to_float(raw.values, label)
    return numbers_of(raw, None)[0]


def _check_cells(source: RowSource, target: Column | None, owner: str) -> None:
    """Refuse cells that are no finite numbers: without a domain, scikit-learn's conventions ask for it."""
    names = [source.name(j) for j in range(source.n_features)]
    for start, stop in source.spans():
        if all(found.kind != "object" for found in source.types):
            numbers = source.numbers(start, stop)
        else:
            cells = [_strict_numbers(source.cells(start, stop, j), source.label(j)) for j in range(source.n_features)]
            numbers = np.column_stack(cells)
        _check_numbers(numbers, names, owner)
        if target is not None:
            _check_target(source.target_cells(start, stop, target), target, owner)


def _check_target(raw: RawCells, target: Column, owner: str) -> None:
    kinds = set(map(type, raw.values.tolist())) if raw.values.dtype.kind == "O" else set()
    if any(issubclass(kind, list | tuple | np.ndarray) for kind in kinds):
        raise ValueError(_FLAT)
    if isinstance(target, Interval) and target.unit is None:
        _check_numbers(_strict_numbers(raw, "y")[:, None], [None], owner)
        return
    if raw.gaps.any():
        raise _contains("NaN", None, owner)
    if any(issubclass(kind, complex | np.complexfloating) for kind in kinds):
        raise ValueError("Complex data not supported: columns must hold real numbers, text or booleans.")


def _rows_of(table: TableFile | DaskTable | SparkTable, columns: Domain) -> FileTable | DaskRows | SparkRows:
    if isinstance(table, TableFile):
        return FileTable(table, columns)
    return DaskRows(table, columns) if isinstance(table, DaskTable) else SparkRows(table, columns)


def _source_elsewhere(
    file: TableFile | DaskTable | SparkTable, domain: object, target: Column | None, owner: str
) -> RowSource:
    """Return the rows of a file, whose columns the domain has to name."""
    if not isinstance(domain, Mapping):
        raise invalid(owner, "domain", "a Domain, or a dict of Interval and Categories, to read a file", domain)
    if (file.target is None) != (target is None):
        raise ValueError(
            f"A {type(file).__name__} with a target needs the 'target' parameter of {owner}, and the other way round."
        )
    names = [name for name in domain if name != file.target]
    columns = resolve_domain(domain, names, len(names), owner=owner, target=target, target_name=file.target)
    assert columns is not None
    if file.target is None or target is None:
        rows = _rows_of(file, columns)
        return RowSource(rows, None, Schema("pandas", tuple(columns), dtypes_of(rows.dtypes)), columns)
    if is_undeclared(target):
        raise ValueError("The classes of a target in a file must be declared: target=Categories([...]).")
    rows = _rows_of(file, Domain({**columns, file.target: target}))
    *dtypes, target_dtype = dtypes_of(rows.dtypes)
    schema = Schema("pandas", tuple(columns), tuple(dtypes), "pandas", file.target, target_dtype)
    return RowSource(rows, FileColumn(rows), schema, columns)


def admit(
    estimator: BaseEstimator,
    X: Any,
    y: Any = None,
    *,
    domain: object = None,
    target: object = None,
    reset: bool = True,
    finite: bool = False,
) -> RowSource:
    """Check raw input and give access to it, block by block.

    Notes
    -----
    With a domain, whatever a cell holds is no error: a number beyond the bounds, an unlisted category, and what cannot
    be read or is missing where it must not be are outside. Without one, missing, infinite and non-numeric cells raise,
    as scikit-learn demands, which the privacy guarantee does not cover. That a table is empty raises in any case. What
    no cell of a dtype could be is refused before a cell is read.
    """
    owner = type(estimator).__name__
    if not isinstance(target, Interval | Categories | None):
        raise invalid(owner, "target", "an Interval, a Categories or None", target)
    if target is not None and target.nullable:
        raise ValueError(f"The 'target' parameter of {owner} must not be nullable: rows need a target to learn it.")
    if isinstance(X, ELSEWHERE):
        source = _source_elsewhere(X, domain, target, owner)
        _refuse_empty(source.n_rows, source.n_features, owner)
        _check_types(source, target)
        return source
    table = as_table(X, owner)
    _check_names(table)
    validate_data(estimator, table, reset=reset, skip_check_array=True)
    labels = None if target is None else as_target(y, owner)
    if labels is not None and labels.shape[0] != table.shape[0]:
        raise ValueError("Found input variables with inconsistent numbers of samples: y needs one entry per row of X.")
    schema = schema_of(table, labels)
    name_of_y = schema.target_name if target is not None else getattr(y, "name", None)
    resolved = resolve_domain(
        domain, schema.names if reset else None, schema.n_features, owner=owner, target=target, target_name=name_of_y
    )
    if not reset and resolved is not None:
        _check_order(resolved.names, schema)
    schema = _with_declared_dtypes(schema, X, y, resolved, target)
    source = RowSource(table, labels, schema, resolved)
    _check_types(source, target)
    if finite or resolved is None:
        with quiet():
            _check_cells(source, target, owner)
    return source
