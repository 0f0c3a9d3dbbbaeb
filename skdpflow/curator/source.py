"""Private rows that are read in blocks, wherever they are, and answer queries."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator.cells import RawCells, numbers_of, quiet
from skdpflow.curator.dask_rows import DaskRows
from skdpflow.curator.differences import differences_of
from skdpflow.curator.dtypes import CellType
from skdpflow.curator.encode import bounds_of, counted, encode_cells, interval_codes
from skdpflow.curator.engine import gather
from skdpflow.curator.files import FileBlock, FileColumn, FileTable
from skdpflow.curator.partitions import Partition
from skdpflow.curator.parts import Part, Query, spans_of
from skdpflow.curator.progress import Progress
from skdpflow.curator.read import read_column, type_of_column
from skdpflow.curator.spark_rows import SparkRows
from skdpflow.domain import Column, Domain, Interval
from skdpflow.domain.codes import n_codes
from skdpflow.domain.differences import with_differences
from skdpflow.domain.measured import as_difference, is_measured, measured_domain, measured_places, measured_schema
from skdpflow.domain.schema import Schema

__all__ = ["RowSource"]

#: Tables that are read part by part.
_STORED = (FileTable, DaskRows, SparkRows, Partition)
_BLOCK_ENTRIES = 2**20
_BLOCK_ROWS = 2**15
#: Rows of a block at least: with fewer, going through the columns takes longer than what is done with them.
_LEAST_ROWS = 2**11
#: Codes of a table in memory that are kept from round to round at most: half as many bytes as its cells have.
_KEPT_CODES = 2**25


def _by_the_clock(column: Column | None) -> bool:
    """Say whether times are read as local times of their zone: for days, which begin at local midnight."""
    return isinstance(column, Interval) and column.unit == "D"


class RowSource:
    """Private rows that passed the checks of the gate; they are read in blocks, as often as needed.

    It refers to the user's table and copies a block of it at a time, and the codes of a table in memory. It refuses to
    be pickled or copied, because it must not leave the curator.

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
    table_schema : Schema
        Container, names and dtypes of all columns: public.
    declared : Domain or None
        The declared domain of all columns: public.
    schema, domain : Schema, and Domain or None
        The same of the measured columns. Everything else that this class does, it does with these columns alone: no
        cell of another one is read.
    progress : Progress
        What is told of passes over the rows; silent unless it is replaced.
    """

    def __init__(self, table: Any, target: Any, schema: Schema, domain: Domain | None) -> None:
        self._table = table
        self._target = target
        self.progress = Progress()
        self.table_schema = self.schema = schema
        self.declared = self.domain = domain
        self._places = list(range(schema.n_features))
        if domain is not None:
            self.domain = with_differences(measured_domain(domain))
            if not all(map(is_measured, domain.columns)):
                self._places, self.schema = measured_places(domain), measured_schema(schema, domain)
        self._kept: dict[tuple[int, bool], tuple[tuple[Column, ...], NDArray[np.int32]]] = {}

    @cached_property
    def types(self) -> list[CellType]:
        """The type of the cells of each column: public. A TypeError or ValueError if one cannot be read."""
        if isinstance(self._table, (*_STORED, FileBlock)):
            return [self._table.types[place] for place in self._places]
        if self.schema.container == "numpy":
            return [type_of_column("numpy", self._table.dtype, self.label(0))] * self.n_features
        dtypes = list(self._table.dtypes)
        return [
            type_of_column(self.schema.container, dtypes[place], self.label(j)) for j, place in enumerate(self._places)
        ]

    @cached_property
    def target_type(self) -> CellType:
        """The type of the cells of the target: public."""
        if isinstance(self._target, FileColumn):
            return self._target.type
        assert self.schema.target_container is not None
        return type_of_column(self.schema.target_container, self._target.dtype, "y")

    @cached_property
    def _plain(self) -> bool:
        """Whether the table has numbers only, whose blocks are converted at once: far faster for many columns."""
        if self.schema.container == "polars" or isinstance(self._table, FileBlock):
            return False
        numpy = self.schema.container == "numpy"
        dtypes = [self._table.dtype] if numpy else list(self._table.dtypes.iloc[self._places])
        return all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in dtypes)

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

    def label(self, j: int) -> str:
        """Return what messages say of a column."""
        return f"Column {self.name(j)!r} of X"

    def parts(self, block_rows: int | None = None) -> Sequence[Part]:
        """Cut the rows into parts."""
        if isinstance(self._table, FileTable | DaskRows | SparkRows):
            return self._table.parts
        return spans_of(self.n_rows, block_rows or self._block_rows)

    @property
    def _block_rows(self) -> int:
        return min(_BLOCK_ROWS, max(_LEAST_ROWS, _BLOCK_ENTRIES // self.n_features))

    def opened(self, part: Part, block_rows: int | None = None) -> Iterator[tuple[RowSource, int, int, int]]:
        """Read the rows of a part, block by block; see `skdpflow.curator.parts.Blocks`."""
        if not isinstance(self._table, _STORED):
            yield self, part.start, part.stop, part.start
            return
        place, block_rows = part.start, block_rows or self._block_rows
        for block in self._table.blocks(part, block_rows):
            target = None if self._target is None else FileColumn(block)
            rows = RowSource(block, target, self.table_schema, self.declared)
            for span in spans_of(block.shape[0], block_rows):
                yield rows, span.start, span.stop, place + span.start
            place += block.shape[0]

    def read(self, block_rows: int | None = None) -> Iterator[tuple[RowSource, int, int, int]]:
        """Read all rows, block by block, in their order."""
        for part in self.parts(block_rows):
            yield from self.opened(part, block_rows)

    def answer(
        self, query: Query, rank_key: int, *, n_jobs: int | None = None, block_rows: int | None = None
    ) -> list[Any]:
        """Sum over all rows what a query asks for."""
        return gather(
            self,
            self.parts(block_rows),
            query,
            rank_key,
            n_jobs=n_jobs,
            recipe=self._recipe,
            ask=self._table.ask if isinstance(self._table, DaskRows | SparkRows) else None,
            progress=self.progress,
        )

    def check_workers(self, n_jobs: int | None) -> None:
        """Refuse workers that could not answer, before anything is spent."""
        if isinstance(self._table, FileTable | DaskRows | SparkRows):
            self._table.check_workers(n_jobs)

    @property
    def _recipe(self) -> Recipe | None:
        """What makes this source anew where workers read the rows, if they may; it holds none."""
        if isinstance(self._table, DaskRows | SparkRows):
            table = Partition(self._table.domain, self._table.types)
            return Recipe(table, self._target is not None, self.table_schema, self.declared)
        if isinstance(self._table, FileTable) and self._table.shared:
            return Recipe(self._table, self._target is not None, self.table_schema, self.declared)
        return None

    def spans(self, block_rows: int | None = None) -> Iterator[tuple[int, int]]:
        """Cut rows in memory into blocks."""
        for part in self.parts(block_rows):
            yield part.start, part.stop

    def cells(self, start: int, stop: int, j: int, column: Column | None = None) -> RawCells:
        """Return one column of a block as it is."""
        local, place = _by_the_clock(column), self._places[j]
        if isinstance(self._table, FileBlock):
            return self._table.cells(start, stop, place, local)
        if self.schema.container == "pandas":
            values = self._table.iloc[start:stop, place]
        elif self.schema.container == "polars":
            values = self._table.to_series(place)[start:stop]
        else:
            values = self._table[start:stop, place]
        return read_column(values, self.schema.container, self.types[j], local)

    def numbers(self, start: int, stop: int, columns: Sequence[int] | None = None) -> NDArray[np.float64]:
        """Return columns of a block as numbers."""
        if columns is None:
            columns = range(self.n_features)
        declared = [None if self.domain is None else self.domain.columns[j] for j in columns]
        return self._numbers(start, stop, columns, declared)[0]

    def _numbers(
        self, start: int, stop: int, columns: Sequence[int], declared: Sequence[Column | None]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """Return columns of a block as numbers, and which of them are missing; None for those that are NaN."""
        if self._plain:
            places = [self._places[j] for j in columns]
            every = places == list(range(self._table.shape[1]))
            with np.errstate(over="ignore"):
                if self.schema.container == "pandas":
                    part = self._table.iloc[start:stop] if every else self._table.iloc[start:stop, places]
                    return part.to_numpy(dtype=np.float64), None
                block = self._table[start:stop] if every else self._table[start:stop, places]
                return np.array(block, dtype=np.float64), None
        numbers, gaps = np.empty((stop - start, len(columns))), np.empty((stop - start, len(columns)), dtype=np.bool_)
        for i, (j, column) in enumerate(zip(columns, declared, strict=True)):
            interval = column if isinstance(column, Interval) else None
            numbers[:, i], gaps[:, i] = numbers_of(self.cells(start, stop, j, column), interval)
        return numbers, gaps

    def target_cells(self, start: int, stop: int, target: Column | None = None) -> RawCells:
        """Return the target of a block as it is."""
        local = _by_the_clock(target)
        if isinstance(self._target, FileColumn):
            return self._target.cells(start, stop, local)
        assert self.schema.target_container is not None
        pandas = self.schema.target_container == "pandas"
        values = self._target.iloc[start:stop] if pandas else self._target[start:stop]
        return read_column(values, self.schema.target_container, self.target_type, local)

    def target_codes(self, start: int, stop: int, target: Column) -> NDArray[np.int64]:
        """Encode the target of a block."""
        return encode_cells(self.target_cells(start, stop, target), self.target_type, target)

    def counts(
        self, start: int, stop: int, columns: Sequence[int], declared: Sequence[Column], target: Column | None
    ) -> NDArray[np.float64]:
        """Return columns of a block as they are measured, the target as the one after the last."""
        own = [j for j in columns if j < self.n_features]
        if declared:
            numbers, _ = self._measured_numbers(start, stop, own, [declared[j] for j in own])
            declared = [as_difference(column) for column in declared]
        else:
            numbers = self.numbers(start, stop, own)
        types = [self.types[j] for j in own]
        if len(own) < len(columns):
            numbers = np.column_stack([numbers, self.target_numbers(start, stop, target)])
            types.append(self.target_type)
        return counted(numbers, [declared[j] for j in columns], types) if declared else numbers

    def target_numbers(self, start: int, stop: int, target: Column | None) -> NDArray[np.float64]:
        """Return a numeric target of a block as numbers."""
        interval = target if isinstance(target, Interval) else None
        return numbers_of(self.target_cells(start, stop, target), interval)[0]

    def block(
        self, start: int, stop: int, domain: Domain, target: Column | None = None, *, again: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Encode the rows from `start` up to `stop`; keep their codes if they are wanted again."""
        codes = self._codes(start, stop, domain.columns) if again else self._encoded(start, stop, domain.columns)
        if target is None:
            return codes, np.zeros(stop - start, dtype=np.int64)
        if not again:
            return codes, self.target_codes(start, stop, target)
        return codes, self._codes(start, stop, (target,), of_target=True)[:, 0]

    def _codes(
        self, start: int, stop: int, columns: tuple[Column, ...], *, of_target: bool = False
    ) -> NDArray[np.int64]:
        """Return kept codes while the columns are the same, which they are in most rounds; otherwise encode."""
        columns_then, kept = self._kept.get((start, of_target), ((), None))
        same = len(columns) == len(columns_then) and all(map(operator.is_, columns, columns_then))
        if kept is not None and same and len(kept) == stop - start:
            return kept.astype(np.int64)
        codes = (
            self.target_codes(start, stop, columns[0])[:, None] if of_target else self._encoded(start, stop, columns)
        )
        small = self.n_rows * self.n_features <= _KEPT_CODES and not isinstance(self._table, FileBlock)
        if small and all(n_codes(column) < 2**31 for column in columns):
            self._kept[start, of_target] = columns, codes.astype(np.int32)
        return codes

    def _encoded(self, start: int, stop: int, columns: tuple[Column, ...]) -> NDArray[np.int64]:
        codes = np.empty((stop - start, self.n_features), dtype=np.int64, order="F")  # statistics go through columns
        numeric, intervals = [], []
        for j, column in enumerate(columns):
            if isinstance(column, Interval):
                numeric.append(j)
                intervals.append(column)
            else:
                codes[:, j] = encode_cells(self.cells(start, stop, j, column), self.types[j], column)
        if intervals:
            types = [self.types[j] for j in numeric]
            numbers, gaps = self._measured_numbers(start, stop, numeric, intervals)
            intervals = [column.difference or column for column in intervals]
            codes[:, numeric] = interval_codes(numbers, gaps, intervals, types)
        return codes

    def _measured_numbers(
        self, start: int, stop: int, places: Sequence[int], columns: Sequence[Column]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """Return columns of a block as numbers or as differences, and which are missing; None for those that are NaN.

        A difference is one of two cells of a row, so it depends on that row alone.
        """
        since = [column.since if isinstance(column, Interval) else None for column in columns]
        if not any(since):
            return self._numbers(start, stop, places, columns)
        assert self.domain is not None
        names = self.domain.names
        first = {own.name: names.index(own.name) for own in since if own is not None}
        read = [*places, *(j for j in first.values() if j not in places)]
        declared = [*columns, *(self.domain.columns[j] for j in read[len(places) :])]
        x, gaps = self._numbers(start, stop, read, declared)
        gaps = np.isnan(x) if gaps is None else gaps
        numbers = x[:, : len(places)].copy()
        for i, (column, own) in enumerate(zip(columns, since, strict=True)):
            if own is not None:
                assert isinstance(column, Interval)
                low, k = self.domain[own.name], read.index(first[own.name])
                assert isinstance(low, Interval)
                numbers[:, i] = differences_of(x[:, i], column, bounds_of(column, self.types[places[i]]), x[:, k], low)
        return numbers, gaps[:, : len(places)]

    def blocks(
        self, domain: Domain, target: Column | None = None, *, block_rows: int | None = None
    ) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
        """Iterate over the rows as codes; the codes do not depend on how the rows are cut."""
        for rows, start, stop, place in self.read(block_rows):
            with quiet():
                block = rows.block(start, stop, domain, target)
            yield place, *block

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A RowSource holds private rows and cannot be pickled or copied.")

    def __repr__(self) -> str:
        return "<RowSource of private rows>"


@dataclass(frozen=True)
class Recipe:
    """What makes a source anew in a worker: where its rows are, and what their columns are."""

    table: FileTable | Partition
    with_target: bool
    schema: Schema
    declared: Domain | None

    def __call__(self, *rows: Any) -> RowSource:
        """Return the source, of the rows of a frame if they are given."""
        table = self.table.holding(*rows)
        return RowSource(table, FileColumn(table) if self.with_target else None, self.schema, self.declared)
