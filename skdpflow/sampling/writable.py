"""Rows of a schema are tried before anything is measured: made up from public knowledge, and written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Categories, Column, Domain, Interval
from skdpflow.domain.contradictions import check_possible
from skdpflow.domain.measured import measured_domain
from skdpflow.domain.schema import Schema
from skdpflow.domain.unmeasured import Constant, Key, Unmeasured, in_dtype_of_numbers
from skdpflow.sampling.cells import Cells
from skdpflow.sampling.decode import decode, written
from skdpflow.sampling.dtypes import Dtype, dtype_of
from skdpflow.sampling.entries import entries_of

__all__ = ["check_writable"]

#: Levels of a column that are tried at most.
_MOST_LEVELS = 1000

_REMEDY = (
    "convert it to numbers, text, booleans, categories or dates before you fit (with .astype or .cast), or drop it"
)


def check_writable(schema: Schema, domain: Domain | None, target: Column | None) -> None:
    """Refuse dtypes in which no synthetic rows can be given back."""
    domain = None if domain is None else domain.without_grids()
    columns = list(Domain({f"x{j}": Interval(-1, 1) for j in range(schema.n_features)}) if domain is None else domain)
    names = columns if schema.names is None else [str(name) for name in schema.names]
    given: Sequence[Column] = [Interval(-1, 1)] * len(names) if domain is None else domain.columns
    tried = set()
    dtypes = [dtype_of(schema.container, dtype) for dtype in schema.dtypes]
    declared = [_listed(column, dtype) for column, dtype in zip(given, dtypes, strict=True)]
    for name, column, dtype in zip(names, declared, schema.dtypes, strict=True):
        if isinstance(column, Constant | Key):
            _try_unmeasured(f"Column {name!r} of X", column, schema.container, dtype)
        elif (column, dtype) not in tried:
            tried.add((column, dtype))
            _try(f"Column {name!r} of X", column, schema.container, dtype, known=domain is not None)
    if domain is not None:
        check_possible(domain)
        domain = Domain(dict(zip(domain, declared, strict=True)))
        ends = np.array([[0.0, column.n_levels - 0.5] for column in measured_domain(domain).columns]).T
        decode(ends, domain, schema)
    if target is not None and schema.target_container is not None:
        known = isinstance(target, Interval) or target.declared
        column = _listed(target, dtype_of(schema.target_container, schema.target_dtype))
        _try("y", column, schema.target_container, schema.target_dtype, known=known)


def _listed(column: Column, dtype: Dtype | None) -> Column:
    """Return a column with values that a dtype can hold, where its own are yet to be found."""
    if not isinstance(column, Categories) or column.declared:
        return column
    text = dtype is not None and dtype.kind in ("text", "category", "object")
    return column.listing(["a", "b"] if text else [0, 1])


def _try(label: str, column: Column, container: str, name: str | None, *, known: bool) -> None:
    """Write levels of a column: all, or as many as the limit, the first, the last and a gap among them."""
    dtype = dtype_of(container, name)
    if dtype is None:
        raise TypeError(f"{label} has the dtype {name}, in which no synthetic values can be written: {_REMEDY}.")
    if not _holds(dtype, column):
        raise ValueError(
            f"{label} has the dtype {name}, which cannot hold all of {_short(column)}: declare what the column holds, "
            "or convert the column."
        )
    levels = np.unique(np.linspace(0, column.n_levels - 1, min(column.n_levels, _MOST_LEVELS)).round())
    positions = np.append(levels, np.nextafter(float(column.n_values), 0.0))
    inside = failed = False
    try:
        cells = Cells.of(positions, column, container, name)
        written(cells, column, container, name)
        inside = not isinstance(column, Interval) or bool(_inside(cells, column).all())
    except Exception:  # of whichever library writes
        failed = True
    if failed:
        raise TypeError(
            f"{label} has the dtype {name}, in which values of {_short(column)} cannot be written: {_REMEDY}."
        )
    if known and not inside:
        raise ValueError(
            f"{label} has the dtype {name}, which holds no value of {_short(column)}: declare what the column holds, "
            f"or convert the column."
        )


def _try_unmeasured(label: str, column: Unmeasured, container: str, name: str | None) -> None:
    """Write a few cells of a column that is not measured."""
    dtype, categories = dtype_of(container, name), column.cells(2)[0]
    if dtype is not None and dtype.kind in ("number", "decimal"):
        categories = in_dtype_of_numbers(categories) or categories
    _try(label, categories, container, name, known=True)


def _holds(dtype: Dtype, column: Column) -> bool:
    """Say whether a dtype has each of the declared categories; lists of pandas are not public, and hold any."""
    if isinstance(column, Interval) or dtype.kind in ("category", "object"):
        return True
    return entries_of(column, dtype) is not None


def _inside(cells: Cells, column: Interval) -> NDArray[Any]:
    numbers = cells.numbers(column)
    inside = (numbers >= column.lower) & (numbers <= column.upper)
    if column.lattice is not None:  # a dtype may round numbers to its own grain
        near = column.nearest(numbers)
        inside &= (numbers == near) | (numbers == near.astype(np.float32)) | (cells.values.dtype == np.float16)
    return cells.gaps | inside


def _short(column: Column) -> str:
    text = repr(column)
    return text if len(text) <= 80 else f"{text[:77]}..."
