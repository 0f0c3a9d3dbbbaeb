"""Public maps of private rows, applied to each row by itself."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator.alone import check_row_alone, fresh_copies, global_generators_kept
from skdpflow.curator.cells import missing_type, numbers_of_objects, quiet
from skdpflow.curator.gate import as_table
from skdpflow.curator.read import objects
from skdpflow.domain.schema import container_of

__all__ = ["fit_without_rows", "map_rows", "repeated", "try_public_rows"]

#: Container, columns (their number, in an array) and cells of a table of one row.
Outcome = tuple[str, Any, Any]


def map_rows(step: Any, X: Any, name: str) -> Any:
    """Transform each row by itself, so that no row affects the result of another.

    What is measured afterwards has the sensitivity that is stated only if a transformed row is a function of that row,
    to the bit. A step may compute with whole columns, and even a product of matrices gives a row other bits beside
    other rows; so each row is passed alone. It may draw random numbers or remember rows: so each row is passed to a
    fresh copy of the step, with the random generators set back, see `skdpflow.curator.alone`.

    The same holds for what is public about the result. Its container and columns are those that the step makes of a
    public row; if it cannot do with such a row, those that it makes of all private ones, or these are refused. A column
    holds numbers, as float64, or objects, which is decided before any row is seen: by what the step makes of a public
    row, and by the dtype that a column of the same name had before. No library chooses a dtype by all of its cells.

    That a step cannot do with a private row is no error, as it tells of the row: a row on which it fails, or of which
    it makes other columns, becomes one of missing cells, and what is no number where numbers are expected becomes a
    missing one. Whoever measures the rows then counts them as outside.
    """
    rows = as_table(X, name)
    made = list[Outcome | None]()
    copies, pandas, numpy = fresh_copies(step, name), _is_pandas(rows), container_of(rows) == "numpy"
    with global_generators_kept() as rewind, quiet():
        check_row_alone(step, name, _public_rows(rows), _one_row)
        public = _outcome(copies(), _public_row(rows))
        for i in range(len(rows)):
            rewind()
            row = rows.iloc[i : i + 1] if pandas else rows[i : i + 1]
            made.append(_outcome(copies(), row.copy() if pandas or numpy else row))
    known = {outcome[:2] for outcome in (made if public is None else [public]) if outcome is not None}
    if len(known) != 1:
        problem = "must give one row for one row, always with the same columns in the same order" if known else "fails"
        raise ValueError(f"The step {name!r} {problem}{'' if known else ' on all rows, also on made-up ones'}.")
    (kind, names) = layout = known.pop()
    missing = [None] * (names if kind == "numpy" else len(names))
    cells = [missing if outcome is None or outcome[:2] != layout else outcome[2] for outcome in made]
    if kind == "numpy":
        return np.stack([numbers_of_objects(objects(list(row))) for row in cells])
    library, columns, numeric = importlib.import_module(kind), list[Any](), _numeric_columns(public, rows)
    for j, column in enumerate(names):
        own = objects([row[j] for row in cells])
        if column in numeric:
            columns.append(library.Series(numbers_of_objects(own)))
        else:  # without a dtype, the library would choose one by all cells
            columns.append(library.Series(own, dtype=object) if kind == "pandas" else _polars_objects(own))
    if kind == "polars":
        return library.DataFrame(dict(zip(names, columns, strict=True)))
    frame = library.DataFrame(dict(enumerate(columns)))
    frame.columns = list(names)
    return frame


def _is_pandas(X: Any) -> bool:
    return container_of(X) == "pandas"


def _polars_objects(cells: NDArray[Any]) -> Any:
    import polars as pl

    return pl.Series(values=cells.tolist(), dtype=pl.Object)


def _outcome(step: Any, row: Any) -> Outcome | None:
    """Return what a step makes of one row; None if it raises an error."""
    try:
        return _one_row(step.transform(row))
    except MemoryError:
        raise
    except Exception:  # its message may show a cell
        return None


def _one_row(table: Any) -> Outcome:
    """Return container, columns and cells of a table of one row; anything else has no columns."""
    kind = container_of(table)
    if kind == "numpy":
        table = np.asarray(table)
    if len(table.shape) != 2 or table.shape[0] != 1:
        raise TypeError
    if kind == "numpy":
        return kind, table.shape[1], table.ravel()
    cells = table.row(0) if kind == "polars" else table.to_numpy(dtype=object)[0]
    return kind, tuple(table.columns), cells


def _kinds(X: Any) -> list[str]:
    """Say of each column of a frame whether it has numbers ("f"), booleans ("b") or anything else ("O")."""
    if _is_pandas(X):
        kinds = [getattr(dtype, "kind", "O") for dtype in X.dtypes]
    else:
        kinds = ["f" if dtype.is_numeric() else "b" if str(dtype) == "Boolean" else "O" for dtype in X.dtypes]
    return ["f" if kind in "iuf" else "b" if kind == "b" else "O" for kind in kinds]


def _public_row(X: Any, number: float = 1.0, *, flag: bool = True, text: str = "") -> Any:
    """Return a row that looks like those of a table: of ones, and without text where there is text."""
    if container_of(X) == "numpy":
        return np.full((1, X.shape[1]), number)
    cells, names = [{"f": number, "b": flag, "O": text}[kind] for kind in _kinds(X)], list(X.columns)
    if _is_pandas(X):
        return importlib.import_module("pandas").DataFrame([cells], columns=names)
    return importlib.import_module("polars").DataFrame({name: [cell] for name, cell in zip(names, cells, strict=True)})


def _public_rows(X: Any) -> list[Any]:
    """Return two different rows that look like those of a table."""
    return [_public_row(X), _public_row(X, 0.5, flag=False, text="a")]


def _numeric_columns(public: Outcome | None, X: Any) -> set[Any]:
    """Name the columns of a frame that hold numbers after a step, by what it made of a public row."""
    numeric = (
        set[Any]() if container_of(X) == "numpy" else {n for n, k in zip(X.columns, _kinds(X), strict=True) if k == "f"}
    )
    for column, cell in () if public is None else zip(*public[1:], strict=True):
        if isinstance(cell, Real) and not isinstance(cell, bool | np.bool_):
            if cell == cell:  # a missing number is none, and says nothing
                numeric.add(column)
        elif not missing_type(type(cell)):
            numeric.discard(column)
    return numeric


def fit_without_rows(step: Any, X: Any) -> Any:
    """Fit a step that learns nothing to a made-up row with the public width, names and types of a table."""
    table = as_table(X, type(step).__name__)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that row may lie outside of the domain of its function
        try:
            step.fit(_public_row(table))
        except Exception:  # a step that learns nothing needs no fit
            pass
    return step


def try_public_rows(steps: Iterable[tuple[str, Any]], X: Any) -> list[Any]:
    """Refuse steps that are no functions of the row alone, before anything is spent; returns what they are given."""
    table = as_table(X, "GenerativePipeline")
    rows: list[Any] | None = _public_rows(table)
    tables = [rows]
    for name, step in steps:
        if isinstance(step, int) or (step is None and rows is not None):
            width = rows[0].shape[1] if step is None and rows is not None else step
            rows = [np.full((1, width), number) for number in (1.0, 0.5)]
        elif rows is not None and step is not None:
            rows = _tried_step(step, name, rows)
        tables.append(rows)
    return [None if pair is None else pair[0] for pair in tables]


def _tried_step(step: Any, name: str, rows: list[Any]) -> list[Any] | None:
    """Return what a step makes of two public rows; None if it raises an error."""
    with global_generators_kept(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ready = fit_without_rows(fresh_copies(step, name)(), rows[0])
    for pair in (rows, _public_rows(rows[0])):  # the latter is what private rows are preceded by
        check_row_alone(ready, name, pair, _one_row)
    try:
        return [map_rows(ready, row, name) for row in rows]
    except ValueError:
        return None


def repeated(row: Any, n_rows: int) -> Any:
    """Return a table in which one row is repeated, for what looks at its width, names, types and length alone."""
    if container_of(row) == "numpy":
        return np.broadcast_to(row, (n_rows, row.shape[1]))
    return row.iloc[np.zeros(n_rows, dtype=np.intp)] if _is_pandas(row) else row[np.zeros(n_rows, dtype=np.intp)]
