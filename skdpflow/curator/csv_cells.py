"""Cells of text read as declared, each by itself; pyarrow reads plain numbers, and the same rule all others."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from skdpflow.curator.cells import RawCells
from skdpflow.curator.dtypes import FLOAT, OBJECT, TEXT, CellType
from skdpflow.curator.read import objects
from skdpflow.domain import Categories, Column, Constant, Interval, Key
from skdpflow.domain.unmeasured import Unmeasured

#: Spellings of a missing cell, except where the domain declares one as a category.
_MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "<NA>")
#: Numbers that every parser reads alike: each rounds correctly. All other spellings are left to Python.
_PLAIN = r"^-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"


def declared_dtype(column: Column | Unmeasured) -> str:
    """Name the dtype that a column of text cells is read as."""
    if isinstance(column, Constant | Key):
        column = column.cells(1)[0]
    if isinstance(column, Interval):
        if column.unit is not None:
            return "object"
        return ("Int64" if column.nullable else "int64") if column.integer else "float64"
    kinds = {type(value) for value in column.categories or ()}
    names = {int: "Int64" if column.nullable else "int64", bool: "boolean" if column.nullable else "bool"}
    return names.get(next(iter(kinds)), "object") if len(kinds) == 1 else "object"


def type_of_text(column: Column | Unmeasured) -> CellType:
    """Return the type of cells of text once they are read as declared."""
    if isinstance(column, Constant | Key):
        return OBJECT
    if isinstance(column, Categories):
        return OBJECT if column.declared else TEXT
    return FLOAT if column.unit is None else TEXT


def missing_texts(column: Column | Unmeasured) -> list[str]:
    """Return what stands for a missing cell of a column."""
    values = column.values if isinstance(column, Categories) and column.declared else ()
    return [text for text in _MISSING if text not in set(map(str, values))]


def _meaning(column: Column) -> Callable[[str], Any]:
    """Return what a cell of text, which is not missing, stands for."""
    if isinstance(column, Categories):
        return _Spellings(column).value if column.declared else str
    return _number if column.unit is None else str


def read_series(text: Any, column: Column) -> RawCells:
    """Read a pandas column of text cells as declared, each cell by itself."""
    gaps = text.isna().to_numpy(dtype=bool)
    cells, meaning = text.tolist(), _meaning(column)
    meant = {cell: meaning(cell) for cell in {cell for cell, gap in zip(cells, gaps.tolist(), strict=True) if not gap}}
    if type_of_text(column) == FLOAT:
        numbers = (math.nan if gap else meant[cell] for cell, gap in zip(cells, gaps.tolist(), strict=True))
        return RawCells(np.fromiter(numbers, dtype=np.float64, count=len(cells)), gaps)
    return RawCells(
        objects([None if gap else meant[cell] for cell, gap in zip(cells, gaps.tolist(), strict=True)]), gaps
    )


def read_binary(text: Any, column: Column) -> RawCells:
    """Read an Arrow column of bytes as `read_series` reads their text."""
    if type_of_text(column) == FLOAT:
        return _numbers(text, missing_texts(column))
    encoded, meaning = text.dictionary_encode(), _meaning(column)
    levels = [level.decode(errors="replace") for level in encoded.dictionary.to_pylist()]
    missing = set(missing_texts(column))
    own = np.array([level in missing for level in levels], dtype=bool)
    meant = objects([None if gap else meaning(level) for level, gap in zip(levels, own, strict=True)])
    codes = encoded.indices.to_numpy()
    return RawCells(meant[codes], own[codes])


def _numbers(text: Any, missing: Sequence[str]) -> RawCells:
    """Read bytes as numbers."""
    import pyarrow as pa
    from pyarrow import compute

    out, others = np.full(len(text), np.nan), np.ones(len(text), dtype=bool)
    try:
        cells = text.cast(pa.string())
        plain = compute.match_substring_regex(cells, _PLAIN)
        if compute.all(plain).as_py() is True:  # none of them stands for a missing cell
            return RawCells(cells.cast(pa.float64()).to_numpy(), ~others)
        where = plain.to_numpy(zero_copy_only=False)
        out[where] = compute.filter(cells, plain).cast(pa.float64()).to_numpy()
        others = ~where
    except pa.ArrowInvalid:  # bytes that are no text, or a number beyond double precision
        pass
    places = np.flatnonzero(others)
    rest = text.take(pa.array(places)).to_pylist()
    decoded = {cell: cell.decode(errors="replace") for cell in set(rest)}
    known = {cell: (math.nan if own in missing else _number(own), own in missing) for cell, own in decoded.items()}
    gaps = np.zeros(len(text), dtype=bool)
    out[places], gaps[places] = [known[cell][0] for cell in rest], [known[cell][1] for cell in rest]
    return RawCells(out, gaps)


def _number(cell: str) -> float:
    """Read a cell of text; NaN if it is no number. Python's underscores are no part of one here."""
    try:
        return math.nan if "_" in cell else float(cell)
    except ValueError:
        return math.nan


class _Spellings:
    """What a cell of text means as one of the categories: its own text first, then a boolean or number.

    Excel writes TRUE, pandas 1.0 for a whole number beside a gap, and a database 1 for true or for 1.0.
    """

    def __init__(self, categories: Categories) -> None:
        self._literal: dict[str, Any] = {}
        self._exact: Mapping[Any, Any] = {v: v for v in categories.values if isinstance(v, bool | int)}
        self._floats = {v: v for v in categories.values if isinstance(v, float)}
        self._flags = {str(v).lower(): v for v in categories.values if isinstance(v, bool)}
        for value in sorted(categories.values, key=lambda value: not isinstance(value, str)):
            self._literal.setdefault(str(value), value)

    def value(self, cell: str) -> Any:
        """Return the category, or the text of what is none."""
        if cell in self._literal:
            return self._literal[cell]
        number = _number(cell)
        if math.isnan(number):
            return self._flags.get(cell.strip().lower(), cell)
        # whole numbers exactly, also beyond 2**53
        exact = _exactly(cell) if math.isfinite(number) else None
        return self._exact.get(exact, self._floats.get(number, cell))


def _exactly(cell: str) -> Decimal | None:
    """Return a finite number as it is written; None if its exponent is beyond what a Decimal can have."""
    try:
        return Decimal(cell.strip())
    except InvalidOperation:
        return None
