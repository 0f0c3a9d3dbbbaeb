"""Rows as integer codes: one code per cell, a function of that cell and of the public domain alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from skdpflow.codes import code_of
from skdpflow.curator.cells import missing_cells, to_float, to_moments
from skdpflow.curator.files import FileRows
from skdpflow.domain import FINE_LEVELS, Categories, Column, Domain, Interval
from skdpflow.schema import Schema

__all__ = ["RowSource", "encode_values"]

_BLOCK_CELLS = 2**20
_BLOCK_ROWS = 2**16


def _interval_codes(x: NDArray[np.float64], intervals: Sequence[Interval]) -> NDArray[np.int64]:
    """Encode columns of numbers, (n, k) for k intervals; every operation is exact or correctly rounded.

    Each cell has one code, also one that is missing or lies outside of the bounds, as every sensitivity assumes.
    """
    lower = np.array([interval.lower for interval in intervals], dtype=np.float64)
    upper = np.array([interval.upper for interval in intervals], dtype=np.float64)
    inside = (x >= lower) & (x <= upper)
    if inside.all():
        return _value_codes(x, lower, upper, intervals)
    codes = _value_codes(np.where(inside, x, lower), lower, upper, intervals)
    for i in np.flatnonzero(~inside.all(axis=0)).tolist():
        own, interval = x[:, i], intervals[i]
        codes[own < interval.lower, i] = code_of(interval, "below")
        codes[own > interval.upper, i] = code_of(interval, "above")
        codes[np.isnan(own), i] = interval.n_values if interval.nullable else code_of(interval, "unreadable")
    return codes


def _value_codes(
    x: NDArray[np.float64], lower: NDArray[np.float64], upper: NDArray[np.float64], intervals: Sequence[Interval]
) -> NDArray[np.int64]:
    discrete = np.array([interval.discrete for interval in intervals])
    if discrete.all():
        return (np.rint(x) - lower).astype(np.int64)
    cells = np.minimum(np.floor((x - lower) / (upper - lower) * FINE_LEVELS), FINE_LEVELS - 1)
    if discrete.any():
        cells[:, discrete] = np.rint(x[:, discrete]) - lower[discrete]
    return cells.astype(np.int64)


def _pandas_cells(series: Any) -> NDArray[Any]:
    """Return the cells of a pandas series, none of them converted for the sake of another.

    Beside a gap, pandas would turn whole numbers into floats, which from 2**53 on are other numbers.
    """
    if getattr(series.dtype, "tz", None) is not None:
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    if str(series.dtype) == "category":
        objects = np.fromiter([*series.cat.categories, None], dtype=object)  # the last is that of the code -1
        return objects[series.cat.codes.to_numpy()]
    plain = getattr(series.dtype, "numpy_dtype", None)  # of pandas' own dtypes and of Arrow's
    if plain is None or plain.kind not in "iuf":
        return np.asarray(series)
    cells: NDArray[Any] = series.to_numpy(dtype=plain, na_value=np.nan if plain.kind == "f" else 0)
    return cells if plain.kind == "f" else _with_gaps(cells, series.isna().to_numpy(dtype=bool))


def _polars_cells(series: Any) -> NDArray[Any]:
    """Return the cells of a polars series, none of them converted for the sake of another."""
    if not series.dtype.is_integer():
        return np.asarray(series.to_numpy())
    return _with_gaps(series.fill_null(0).to_numpy(), series.is_null().to_numpy())


def _with_gaps(cells: NDArray[Any], gaps: NDArray[np.bool_]) -> NDArray[Any]:
    """Return whole numbers with None in place of those that are missing."""
    if not gaps.any():
        return cells
    objects = cells.astype(object)
    objects[gaps] = None
    return objects


def _category_codes(values: NDArray[Any], categories: Categories) -> NDArray[np.int64]:
    """Encode one column of categories; whatever is not among them is unlisted."""
    index: dict[Any, int] = {}
    for code, category in enumerate(categories.values):
        if isinstance(category, float) and values.dtype.kind == "f":
            category = values.dtype.type(category).item()  # 0.1 is another number in a column of float32
        index.setdefault(category, code)
    cells, unlisted = values.tolist(), code_of(categories, "unlisted")
    codes = None
    try:
        codes = np.fromiter(map(index.get, cells, repeat(unlisted)), dtype=np.int64, count=len(cells))
    except Exception:  # cells may be objects of any class: unhashable ones, or worse
        pass
    if codes is None:  # cell by cell, so that one bad cell changes the code of no other
        codes = np.array([_category_code(index, cell, unlisted) for cell in cells], dtype=np.int64)
    if categories.nullable:
        codes[missing_cells(values)] = categories.n_values
    return codes


def _category_code(index: dict[Any, int], cell: Any, unlisted: int) -> int:
    try:
        return index.get(cell, unlisted)
    except Exception:
        return unlisted


def encode_values(values: NDArray[Any], column: Column, label: str) -> NDArray[np.int64]:
    """Encode the cells of one column.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Cells of any dtype.
    column : Interval or Categories
        What is public about the column.
    label : str
        Which column it is, as messages should say it.

    Returns
    -------
    ndarray of int64, of shape (n,)
        Codes as `skdpflow.codes` lays them out.
    """
    if isinstance(column, Categories):
        return _category_codes(values, column)
    return _interval_codes(_numbers(values, column, label)[:, None], [column])[:, 0]


def _numbers(values: NDArray[Any], column: Column | None, label: str) -> NDArray[np.float64]:
    if isinstance(column, Interval) and column.unit is not None:
        return to_moments(values, column.unit, label)
    return to_float(values, label)


class RowSource:
    """Private rows that passed the gate, to be read in blocks as often as needed.

    It refers to the user's table and never copies more of it than a block. It refuses to be pickled or
    copied, because it must not leave the curator.

    Parameters
    ----------
    table : ndarray, pandas.DataFrame or polars.DataFrame of shape (n_rows, n_features)
        The rows, as admitted by :func:`skdpflow.curator.gate.admit`.
    target : ndarray, pandas.Series or polars.Series of shape (n_rows,), or None
        The target.
    schema : Schema
        Container, names and dtypes.
    domain : Domain or None
        What the user declared about the columns, in the order of the table.

    Attributes
    ----------
    schema : Schema
        Container, names and dtypes: public.
    domain : Domain or None
        The declared domain: public.
    """

    def __init__(self, table: Any, target: Any, schema: Schema, domain: Domain | None) -> None:
        self._table = table
        self._target = target
        self.schema = schema
        self.domain = domain
        dtypes = [table.dtype] if schema.container == "numpy" else list(table.dtypes)
        # Tables of plain numbers are converted block by block, which for many columns is far faster.
        # Files are not: their cells are text until they are read one column at a time.
        self._plain = (
            schema.container != "polars"
            and not isinstance(table, FileRows)
            and all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in dtypes)
        )

    @property
    def n_rows(self) -> int:
        """Number of rows: private, never to be shown."""
        return int(self._table.shape[0])

    @property
    def n_features(self) -> int:
        """Number of columns: public."""
        return self.schema.n_features

    def name(self, j: int) -> str | int:
        """Return the name by which messages call a column."""
        if self.schema.names is not None:
            return self.schema.names[j]
        return f"x{j}" if self.domain is None else self.domain.names[j]

    def spans(self, block_rows: int | None = None) -> Iterator[tuple[int, int]]:
        """Cut the rows into blocks.

        Parameters
        ----------
        block_rows : int, default=None
            Rows per block; by default about 2**20 cells, and at most 2**16 rows.

        Yields
        ------
        start, stop : int
            First row of the block, and the one after its last.
        """
        if block_rows is None:
            block_rows = min(_BLOCK_ROWS, max(1, _BLOCK_CELLS // self.n_features))
        for start in range(0, self.n_rows, block_rows):
            yield start, min(start + block_rows, self.n_rows)

    def cells(self, start: int, stop: int, j: int) -> NDArray[Any]:
        """Return one column of a block as it is.

        Parameters
        ----------
        start, stop : int
            The rows.
        j : int
            Position of the column.

        Returns
        -------
        ndarray of shape (stop - start,)
            Its cells, of any dtype.
        """
        if self.schema.container == "pandas":
            values = _pandas_cells(self._table.iloc[start:stop, j])
        elif self.schema.container == "polars":
            values = _polars_cells(self._table.to_series(j)[start:stop])
        else:
            values = self._table[start:stop, j]
        if values.ndim != 1:
            raise ValueError(f"Column {self.name(j)!r} of X holds nested values, not one scalar per cell.")
        return values

    def numbers(self, start: int, stop: int, columns: Sequence[int] | None = None) -> NDArray[np.float64]:
        """Return columns of a block as numbers.

        Parameters
        ----------
        start, stop : int
            The rows.
        columns : sequence of int, default=None
            Which columns; by default all.

        Returns
        -------
        ndarray of float64, of shape (stop - start, n_columns)
            The numbers; dates are in their declared unit since 1970, missing cells are NaN.
        """
        if columns is None:
            columns = range(self.n_features)
        if self._plain:
            with np.errstate(over="ignore"):
                if self.schema.container == "pandas":
                    block = self._table.iloc[start:stop].to_numpy(dtype=np.float64)
                else:
                    block = np.array(self._table[start:stop], dtype=np.float64)
            return block if len(columns) == self.n_features else block[:, columns]
        numbers = np.empty((stop - start, len(columns)))
        for i, j in enumerate(columns):
            column = None if self.domain is None else self.domain.columns[j]
            numbers[:, i] = _numbers(self.cells(start, stop, j), column, f"Column {self.name(j)!r} of X")
        return numbers

    def target_cells(self, start: int, stop: int) -> NDArray[Any]:
        """Return the target of a block as it is, an array of any dtype."""
        if self.schema.target_container == "pandas":
            return _pandas_cells(self._target.iloc[start:stop])
        if self.schema.target_container == "polars":
            return _polars_cells(self._target[start:stop])
        return np.asarray(self._target[start:stop])

    def block(
        self, start: int, stop: int, domain: Domain, target: Column | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Encode the rows from `start` up to `stop`.

        Parameters
        ----------
        start, stop : int
            The rows.
        domain : Domain
            The columns, in the order of the table.
        target : Interval, Categories or None, default=None
            What the target is; None ignores it.

        Returns
        -------
        codes : ndarray of int64, of shape (stop - start, n_features)
            Codes as `skdpflow.codes` lays them out.
        target_codes : ndarray of int64, of shape (stop - start,)
            The same for the target; zeros without a target.
        """
        codes = np.empty((stop - start, self.n_features), dtype=np.int64)
        numeric, intervals = [], []
        for j, column in enumerate(domain.columns):
            if isinstance(column, Interval):
                numeric.append(j)
                intervals.append(column)
            else:
                codes[:, j] = _category_codes(self.cells(start, stop, j), column)
        if intervals:
            codes[:, numeric] = _interval_codes(self.numbers(start, stop, numeric), intervals)
        if target is None:
            return codes, np.zeros(stop - start, dtype=np.int64)
        return codes, encode_values(self.target_cells(start, stop), target, "y")

    def blocks(
        self, domain: Domain, target: Column | None = None, *, block_rows: int | None = None
    ) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
        """Iterate over the rows as codes; the codes do not depend on how the rows are cut.

        Parameters
        ----------
        domain : Domain
            The columns, in the order of the table.
        target : Interval, Categories or None, default=None
            What the target is; None ignores it.
        block_rows : int, default=None
            Rows per block; by default as :meth:`spans` says.

        Yields
        ------
        start : int
            First row of the block.
        codes : ndarray of int64, of shape (n_block, n_features)
            Codes as `skdpflow.codes` lays them out.
        target_codes : ndarray of int64, of shape (n_block,)
            The same for the target; zeros without a target.
        """
        for start, stop in self.spans(block_rows):
            yield start, *self.block(start, stop, domain, target)

    def raw_blocks(self, *, block_rows: int | None = None) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Iterate over the rows as numbers, for finding bounds privately.

        Parameters
        ----------
        block_rows : int, default=None
            Rows per block; by default as :meth:`spans` says.

        Yields
        ------
        start : int
            First row of the block.
        numbers : ndarray of float64, of shape (n_block, n_features)
            The cells.
        """
        for start, stop in self.spans(block_rows):
            yield start, self.numbers(start, stop)

    def label_blocks(self, *, block_rows: int | None = None) -> Iterator[tuple[int, list[Any]]]:
        """Iterate over the labels, for finding them privately.

        Parameters
        ----------
        block_rows : int, default=None
            Rows per block; by default as :meth:`spans` says.

        Yields
        ------
        start : int
            First row of the block.
        labels : list of str, int, float, bool or None
            One per row, made of that row alone; None for what cannot be a category. Whole numbers come as
            int, and so do booleans in columns of objects: labels that Python holds to be equal have one
            spelling, which then tells nothing about the row that came first.
        """
        for start, stop in self.spans(block_rows):
            cells = self.target_cells(start, stop)
            labels = cells.tolist()
            yield start, labels if cells.dtype.kind in "biuU" else list(map(_label, labels))

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A RowSource holds private rows and cannot be pickled or copied.")

    def __repr__(self) -> str:
        return "<RowSource of private rows>"


def _label(cell: Any) -> Any:
    """Return a label as a plain scalar, or None."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, str):
        return str.__str__(cell)
    if isinstance(cell, int):
        return int(cell)
    if isinstance(cell, float) and math.isfinite(cell):
        return int(cell) if cell.is_integer() else float(cell)
    return None
