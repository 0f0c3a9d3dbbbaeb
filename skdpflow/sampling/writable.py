"""Rows of a schema are tried before anything is measured: made up from public knowledge, and written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Categories, Column, Domain, Interval
from skdpflow.domain.contradictions import check_possible
from skdpflow.domain.measured import measured_domain
from skdpflow.domain.schema import Schema
from skdpflow.domain.unmeasured import Constant, Key, Unmeasured, constant_date, in_dtype_of_numbers
from skdpflow.sampling.cells import Cells
from skdpflow.sampling.decode import decode, decode_target, written
from skdpflow.sampling.dtypes import Dtype, dtype_of
from skdpflow.sampling.entries import entries_of

__all__ = ["check_writable", "made_up"]

#: Levels of a column that are tried at most.
_MOST_LEVELS = 1000

_REMEDY = (
    "convert it to numbers, text, booleans, categories or dates before you fit (with .astype or .cast), or drop it"
)


def check_writable(schema: Schema, domain: Domain | None, target: Column | None) -> None:
    """Refuse dtypes in which no synthetic rows can be given back."""
    listed = _all_listed(schema, domain)
    names = list(listed) if schema.names is None else [str(name) for name in schema.names]
    tried = set()
    for name, column, dtype in zip(names, listed.columns, schema.dtypes, strict=True):
        if isinstance(column, Constant | Key):
            _try_unmeasured(f"Column {name!r} of X", column, schema.container, dtype)
        elif (column, dtype) not in tried:
            tried.add((column, dtype))
            _try(f"Column {name!r} of X", column, schema.container, dtype, known=domain is not None)
    if domain is not None:
        check_possible(domain)
        ends = np.array([[0.0, column.n_levels - 0.5] for column in measured_domain(listed).columns]).T
        decode(ends, listed, schema)
    if target is not None and schema.target_container is not None:
        known = isinstance(target, Interval) or target.declared
        column = _listed(target, dtype_of(schema.target_container, schema.target_dtype))
        _try("y", column, schema.target_container, schema.target_dtype, known=known)


def made_up(schema: Schema, domain: Domain | None, target: Column | None, n: int) -> tuple[Any, Any]:
    """Write rows whose cells are spread over the declared columns, and each declared label as often as another."""
    rng = np.random.default_rng(0)
    listed = _all_listed(schema, domain)
    sizes = np.array([column.n_levels for column in measured_domain(listed).columns], dtype=np.float64)
    rows = decode(rng.uniform(size=(n, len(sizes))) * sizes, listed, schema)
    if target is None or schema.target_container is None:
        return rows, None
    own = _listed(target, dtype_of(schema.target_container, schema.target_dtype)).without_gaps()
    places = np.arange(n) % own.n_levels if isinstance(own, Categories) else rng.uniform(size=n) * own.n_levels
    return rows, decode_target(places, own, schema)


def _all_listed(schema: Schema, domain: Domain | None) -> Domain:
    """Return the columns as they are tried: of a domain, or where there is none, between arbitrary bounds."""
    if domain is None:
        return Domain({f"x{j}": Interval(-1, 1) for j in range(schema.n_features)})
    domain, dtypes = domain.without_grids(), [dtype_of(schema.container, dtype) for dtype in schema.dtypes]
    return Domain({name: _listed(domain[name], dtype) for name, dtype in zip(domain, dtypes, strict=True)})


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
    day = constant_date(column) if dtype is not None and dtype.kind == "date" else None
    _try(label, categories if day is None else day, container, name, known=True)


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
