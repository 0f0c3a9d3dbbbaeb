"""Private rows in files, cut into parts that are read block by block and never all at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path, PurePath
from typing import IO, Any, NamedTuple, TypeVar

from skdpflow.curator import csv_text
from skdpflow.curator.cells import RawCells, quiet
from skdpflow.curator.csv_cells import declared_dtype, missing_texts, read_binary, read_series, type_of_text
from skdpflow.curator.dtypes import OBJECT, CellType, arrow_type
from skdpflow.curator.engine import check_workers
from skdpflow.curator.parts import Part
from skdpflow.curator.read import read_column
from skdpflow.curator.stores import ArrowStore, LocalStore, UndatedError, found, read_all
from skdpflow.domain import Domain
from skdpflow.domain.measured import is_measured
from skdpflow.files import TableFile

__all__ = ["FileBlock", "FileColumn", "FileTable", "header_of"]

_T = TypeVar("_T")
#: Row groups that are smaller are read together.
_GROUP_ROWS = 2**16
_FORMS = {
    "csv": "CSV in the stated encoding, with one header line and a cell per column in every line",
    "parquet": "Parquet, with columns that are not nested",
}
CHANGED = (
    "A table has changed since the fit began. Nothing is released, and what was debited stays spent: keep "
    "the files as they are during a fit, and fit again."
)


def _safely(read: Callable[[], _T], path: PurePath) -> _T:
    """Read from a file without the reader's own messages, which may show cells or tell the number of rows."""
    try:
        return read()
    except (FileChangedError, UndatedError):
        raise
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        if isinstance(path, Path):  # on this machine; the message of another filesystem may show credentials
            raise
    except Exception:  # the error of a library may show private bytes, so it is not the context of ours
        pass
    form = _FORMS["csv" if ".csv" in path.name.lower() else "parquet"]
    raise ValueError(
        f"The file {path.name!r} cannot be read. It must be {form}, and stay as it is during the fit, and its "
        "filesystem must answer."
    )


class FileChangedError(RuntimeError):
    """A file is not what it was when the fit began."""


class _Stamp(NamedTuple):
    """What tells that a file is as it was: its size, the time of its last change, and the end of a Parquet file."""

    size: int
    changed: int
    footer: bytes

    @classmethod
    def of(cls, store: LocalStore | ArrowStore, path: PurePath, kind: str) -> _Stamp:
        size, changed = store.dated(path)
        footer = b""
        if kind == "parquet" and size >= 8:
            with store.opened(path) as file:
                file.seek(size - 8)
                length = min(int.from_bytes(read_all(file, 4), "little"), size - 8)
                file.seek(size - 8 - length)
                footer = hashlib.sha256(read_all(file, length + 8)).digest()
        return cls(size, changed, footer)


class _Place(NamedTuple):
    """Where a part is: in which file, and which bytes (csv) or row groups (parquet) of it."""

    file: int
    first: int
    last: int


@contextmanager
def _csv(store: LocalStore | ArrowStore, path: PurePath, form: csv_text.Form) -> Iterator[IO[bytes]]:
    """Open a CSV file at its beginning."""
    packed = path.suffix.lower() == ".gz"
    with store.opened(path) as file, csv_text.decoded(file, packed, form) as text:
        yield text


def _csv_header(store: LocalStore | ArrowStore, path: PurePath, form: csv_text.Form) -> tuple[list[str], int]:
    """Return the names in a CSV file, and where its first record begins."""
    with _csv(store, path, form) as file:
        begin = file.tell() if form.single else 0
        first = next(csv_text.records(file, form.separator), b"")
    end = csv_text.header_end(first, form.separator)
    return csv_text.header(form.as_utf8(first[:end]), form.separator), begin + end


def _columns_of(
    store: LocalStore | ArrowStore, paths: Sequence[PurePath], kind: str, form: csv_text.Form
) -> list[tuple[str, Any]]:
    """Return the names of the columns of all files with their Arrow types, which are None in CSV files."""

    def one(path: PurePath) -> list[tuple[str, Any]]:
        if kind == "csv":
            return [(name, None) for name in _csv_header(store, path, form)[0]]
        schema = _parquet_schema(store, path)
        return list(zip(schema.names, schema.types, strict=True))

    columns = _safely(lambda: one(paths[0]), paths[0])
    for path in paths[1:]:
        if _safely(lambda path=path: one(path), path) != columns:  # type: ignore[misc]
            raise ValueError(
                f"The files of a table must have the same columns, with the same types in the same order. Those of "
                f"{path.name!r} are others than those of {paths[0].name!r}. Nothing was spent."
            )
    return columns


def _parquet_schema(store: LocalStore | ArrowStore, path: PurePath) -> Any:
    from pyarrow import parquet

    with store.parquet(path) as file:
        return parquet.read_schema(file)


def header_of(file: TableFile) -> list[tuple[str, Any]]:
    """Return the names of the columns of a file with their dtypes, which are None in a CSV file."""
    import pandas as pd

    store, paths, kind = found(file)
    columns = _columns_of(store, paths, kind, csv_text.Form(file.separator, file.encoding))
    return [(name, None if own is None else pd.ArrowDtype(own)) for name, own in columns]


def check_names(found: Sequence[str], columns: Domain, what: str, name: str = "", hint: str = "") -> None:
    """Refuse a table that has other columns than the domain."""
    table, which = (f"{what} {name!r}", f" The {what} is {name!r}.") if name else (what, "")
    if missing := [own for own in columns if own not in found]:
        raise ValueError(f"The {table} has no columns {missing}, which the domain names{hint}.")
    if len(set(found)) < len(found):
        twice = sorted({own for own in found if list(found).count(own) > 1})
        raise ValueError(f"The {table} has more than one column of the names {twice}: rename them.")
    if undeclared := [own for own in found if own not in columns]:
        raise ValueError(
            f"Not in the domain: the columns {undeclared} of the {what}; drop them or declare them.{which}"
        )


class FileTable:
    """The rows of files: their shape, types and dtypes, and their parts. It holds no row, and can be pickled.

    Parameters
    ----------
    file : TableFile
        The files.
    columns : Domain
        The columns to read, the target's last.
    """

    def __init__(self, file: TableFile, columns: Domain) -> None:
        import pandas as pd

        self._store, self._paths, self.kind = found(file)
        self._form, self.domain = csv_text.Form(file.separator, file.encoding), columns
        self.shared = file.shared
        self._stamps = [self._stamp(path) for path in self._paths]
        own = _columns_of(self._store, self._paths, self.kind, self._form)
        self._found = [name for name, _ in own]
        # names in the file are not shown: without a header, its first row would stand in their place
        header = ": the first line of a CSV file must hold the names" if self.kind == "csv" else ""
        check_names(self._found, columns, "file", self._paths[0].name, header)
        self._read = [name for name, column in columns.items() if is_measured(column)]
        if self.kind == "csv":
            self.dtypes = [pd.api.types.pandas_dtype(declared_dtype(column)) for column in columns.columns]
            self.types: list[CellType] = [type_of_text(column) for column in columns.columns]
        else:
            kinds = dict(own)
            self.types = [
                arrow_type(kinds[name], f"Column {name!r} of the file") if name in self._read else OBJECT
                for name in columns
            ]
            self.dtypes = _safely(self._empty_dtypes, self._paths[0])
        self.columns = list(columns)
        with quiet():
            self.parts = list(self._cut())
        self.shape = (self.parts[-1].stop if self.parts else 0, len(columns))

    def _empty_dtypes(self) -> list[Any]:
        empty = _parquet_schema(self._store, self._paths[0]).empty_table()
        return list(empty.select(list(self.domain)).to_pandas().dtypes)

    def _cut(self) -> Iterator[Part]:
        """Cut the files into parts, and count the rows of each."""
        number = start = 0
        places = self._csv_places if self.kind == "csv" else self._groups
        for i, path in enumerate(self._paths):
            for place, n_rows in _safely(lambda i=i, path=path: list(places(i, path)), path):  # type: ignore[misc]
                if n_rows:
                    yield Part(number, start, start + n_rows, place)
                    number, start = number + 1, start + n_rows

    def _csv_places(self, i: int, path: PurePath) -> Iterator[tuple[_Place, int]]:
        """Yield the bytes of the parts of a CSV file; what cannot be read from anywhere is one part."""
        begin = _csv_header(self._store, path, self._form)[1]
        counted: dict[str, list[str]] = {self._found[0]: []}
        if not (whole := path.suffix.lower() == ".gz" or not self._form.single):
            with self._store.opened(path) as file:
                file.seek(begin)
                for text in csv_text.records(file, self._form.separator):
                    n_rows = len(csv_text.parse(self._form.as_utf8(text), self._found, counted, self._form.separator))
                    yield _Place(i, begin, begin + len(text)), n_rows
                    begin += len(text)
        if whole:
            place = _Place(i, begin, -1)
            pieces = (csv_text.parse(t, self._found, counted, self._form.separator) for t in self._texts(place))
            yield place, sum(map(len, pieces))

    def _groups(self, i: int, path: PurePath) -> Iterator[tuple[_Place, int]]:
        """Yield the row groups of the parts of a Parquet file."""
        from pyarrow import parquet

        with self._store.parquet(path) as opened, parquet.ParquetFile(opened, pre_buffer=False) as file:
            sizes = [file.metadata.row_group(k).num_rows for k in range(file.metadata.num_row_groups)]
        cuts, rows = [0], 0
        for k, size in enumerate(sizes):
            rows += size
            if rows >= _GROUP_ROWS or k == len(sizes) - 1:
                cuts.append(k + 1)
                rows = 0
        for first, last in pairwise(cuts):
            yield _Place(i, first, last), sum(sizes[first:last])

    def _texts(self, place: _Place) -> Iterator[bytes]:
        """Yield whole records of a CSV file in UTF-8."""
        path = self._paths[place.file]
        if place.last >= 0:
            with self._store.opened(path) as file:
                file.seek(place.first)
                yield self._form.as_utf8(read_all(file, place.last - place.first))
            return
        with _csv(self._store, path, self._form) as file:
            skip = place.first - (file.tell() if self._form.single else 0)
            for text in csv_text.records(file, self._form.separator):
                yield self._form.as_utf8(text[skip:])
                skip = 0

    def _tables(self, place: _Place, block_rows: int) -> Iterator[Any]:
        """Read a part piece by piece, as Arrow tables of bytes or frames."""
        if self.kind == "csv":
            missing = {name: missing_texts(self.domain[name]) for name in self._read}
            for text in self._texts(place):
                yield csv_text.parse(text, self._found, missing, self._form.separator)
            return
        import pandas as pd
        import pyarrow as pa
        from pyarrow import parquet

        # a buffer for each column, rather than all of it
        with (
            self._store.parquet(self._paths[place.file]) as opened,
            parquet.ParquetFile(opened, pre_buffer=False, buffer_size=2**18) as file,
        ):
            groups = range(place.first, place.last)
            for batch in file.iter_batches(block_rows, row_groups=groups, columns=self._read, use_threads=False):
                yield pa.Table.from_batches([batch]).to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)

    def blocks(self, part: Part, block_rows: int) -> Iterator[FileBlock]:
        """Read a part piece by piece."""
        self._check_unchanged(part.place.file)
        tables, path = self._tables(part.place, block_rows), self._paths[part.place.file]
        while (table := _safely(lambda: next(tables, None), path)) is not None:
            if len(table):
                yield FileBlock(self, table)
        self._check_unchanged(part.place.file)

    def check_workers(self, n_jobs: int | None) -> None:
        """Refuse workers that could not answer, if any may."""
        if self.shared:
            check_workers(self, n_jobs)

    def holding(self) -> FileTable:
        """Return the same, where it has arrived: the rows are in the files."""
        return self

    def check_unchanged(self) -> None:
        """Refuse files that are not as they were when this was made."""
        for i in range(len(self._paths)):
            self._check_unchanged(i)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "parts": []}  # a worker is told one part at a time

    def _check_unchanged(self, i: int) -> None:
        try:
            same = self._stamp(self._paths[i]) == self._stamps[i]
        except UndatedError:  # it was dated when the fit began
            same = False
        if not same:
            raise FileChangedError(CHANGED)

    def _stamp(self, path: PurePath) -> _Stamp:
        return _safely(lambda: _Stamp.of(self._store, path, self.kind), path)


class FileBlock:
    """Some rows of a file, in memory.

    Parameters
    ----------
    table : FileTable, or the like
        What they are of.
    cells : pandas.DataFrame or pyarrow.Table
        As they were read.
    """

    def __init__(self, table: Any, cells: Any) -> None:
        self._of, self._cells = table, cells
        self.types = table.types
        self.shape = (len(cells), len(table.columns))

    def cells(self, start: int, stop: int, j: int, local: bool = False) -> RawCells:
        """Return one column of a block."""
        name = self._of.columns[j]
        if self._of.kind != "csv":
            return read_column(self._cells[name].iloc[start:stop], "pandas", self.types[j], local)
        column = self._of.domain.columns[j]
        if hasattr(self._cells, "combine_chunks"):
            return read_binary(self._cells[name].slice(start, stop - start).combine_chunks(), column)
        return read_series(self._cells[name].iloc[start:stop], column)


class FileColumn:
    """As much of a series as a RowSource reads of a target.

    Parameters
    ----------
    rows : FileTable, FileBlock, or the like
        The rows, whose last column it is.
    """

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        self.type = rows.types[-1]

    def cells(self, start: int, stop: int, local: bool = False) -> RawCells:
        """Return a block of it; see `FileBlock.cells`."""
        cells: RawCells = self._rows.cells(start, stop, len(self._rows.types) - 1, local)
        return cells
