"""Private rows in files, read block by block and never all at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from skdpflow.curator.cells import RawCells, quiet
from skdpflow.curator.dtypes import FLOAT, OBJECT, TEXT, CellType, arrow_type
from skdpflow.curator.read import objects, read_column
from skdpflow.domain import Categories, Column, Constant, Domain, Interval, Key
from skdpflow.domain.measured import is_measured
from skdpflow.domain.unmeasured import Unmeasured
from skdpflow.files import TableFile, kind_of

__all__ = ["FileColumn", "FileRows", "header_of"]

_CHUNK = 2**14
_T = TypeVar("_T")
#: Spellings of a missing cell in a CSV file, except where the domain declares one as a category.
_MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "<NA>")
_FORMS = {
    "csv": "CSV in UTF-8, with one header line and a cell per column in every line",
    "parquet": "Parquet, with columns that are not nested",
}


def _safely(read: Callable[[], _T], path: Any) -> _T:
    """Read from a file without the reader's own messages, which may show cells or tell the number of rows."""
    try:
        return read()
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception:  # the error of a library may show private bytes, so it is not the context of ours
        pass
    name, form = Path(path).name, _FORMS[kind_of(path)]
    raise ValueError(f"The file {name!r} cannot be read. It must be {form}, and stay as it is during the fit.")


def _declared(column: Column | Unmeasured) -> str:
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


def _csv_type(column: Column | Unmeasured) -> CellType:
    """Return the type of cells of text once they are read as declared."""
    if isinstance(column, Constant | Key):
        return OBJECT
    if isinstance(column, Categories):
        return OBJECT if column.declared else TEXT
    return FLOAT if column.unit is None else TEXT


def _read(text: Any, column: Column) -> RawCells:
    """Read a column of text cells as declared, each cell by itself."""
    gaps = text.isna().to_numpy(dtype=bool)
    cells = [None if gap else cell for cell, gap in zip(text.tolist(), gaps.tolist(), strict=True)]
    if isinstance(column, Categories):
        if not column.declared:
            return RawCells(objects(cells), gaps)
        known = _Spellings(column)
        meant = {cell: known.value(cell) for cell in set(cells)}
        return RawCells(objects([meant[cell] for cell in cells]), gaps)
    if column.unit is not None:
        return RawCells(objects(cells), gaps)
    return RawCells(np.fromiter(map(_number, cells), dtype=np.float64, count=len(cells)), gaps)


def _number(cell: str | None) -> float:
    """Read a cell of text; NaN if it is no number. Python's underscores are no part of one here."""
    try:
        return math.nan if cell is None or "_" in cell else float(cell)
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

    def value(self, cell: str | None) -> Any:
        """Return the category, or the text of what is none."""
        if cell is None or cell in self._literal:
            return self._literal.get(cell or "")
        number = _number(cell)
        if math.isnan(number):
            return self._flags.get(cell.strip().lower(), cell)
        # whole numbers exactly, also beyond 2**53
        exact = Decimal(cell.strip()) if math.isfinite(number) else None
        return self._exact.get(exact, self._floats.get(number, cell))


def _header(path: Any) -> list[str]:
    """Names in a CSV file, as they stand there: pandas gives others to empty and repeated ones."""
    import pandas as pd

    form: Any = {"header": None, "nrows": 1, "dtype": str, "keep_default_na": False, "encoding_errors": "replace"}
    return list(pd.read_csv(path, **form).iloc[0])


def header_of(file: TableFile) -> list[tuple[str, Any]]:
    """Return the names of the columns of a file with their dtypes, which are None in a CSV file."""
    import pandas as pd

    if kind_of(file.path) == "csv":
        return [(name, None) for name in _safely(lambda: _header(file.path), file.path)]
    from pyarrow import parquet

    schema = _safely(lambda: parquet.read_schema(file.path), file.path)
    return [(name, pd.ArrowDtype(schema.field(name).type)) for name in schema.names]


class FileRows:
    """The rows of a file: their shape, types and dtypes, and blocks of columns.

    Parameters
    ----------
    file : TableFile
        The file.
    columns : Domain
        The columns to read, the target's last.
    """

    def __init__(self, file: TableFile, columns: Domain) -> None:
        import pandas as pd

        self._path, self._kind, self._columns = file.path, kind_of(file.path), columns
        self._lock, self._next, self._block = Lock(), 0, (0, 0, pd.DataFrame())
        if self._kind == "csv":
            found = _safely(lambda: _header(self._path), self._path)
        else:
            from pyarrow import parquet

            schema = _safely(lambda: parquet.read_schema(self._path), self._path)
            found = list(schema.names)
        self._found, name = found, Path(self._path).name
        missing = [own for own in columns if own not in found]
        if missing:
            # names in the file are not shown: without a header, its first row would stand in their place
            header = ": the first line of a CSV file must hold the names" if self._kind == "csv" else ""
            raise ValueError(f"The file {name!r} has no columns {missing}, which the domain names{header}.")
        if len(set(found)) < len(found):
            twice = sorted({own for own in found if found.count(own) > 1})
            raise ValueError(f"The file {name!r} has more than one column of the names {twice}: rename them.")
        if undeclared := [own for own in found if own not in columns]:
            raise ValueError(
                f"Not in the domain: the columns {undeclared} of the file; drop them or declare them. The file is "
                f"{name!r}."
            )
        self._read = [name for name, column in columns.items() if is_measured(column)]
        if self._kind == "csv":
            self.dtypes = [pd.api.types.pandas_dtype(_declared(column)) for column in columns.columns]
            self.types = [_csv_type(column) for column in columns.columns]
        else:
            self.types = [
                arrow_type(schema.field(name).type, f"Column {name!r} of the file") if name in self._read else OBJECT
                for name in columns
            ]
            empty = _safely(lambda: schema.empty_table().select(list(columns)).to_pandas(), self._path)
            self.dtypes = list(empty.dtypes)
        self.columns = list(columns)
        with quiet():
            n_rows = _safely(lambda: sum(len(chunk) for chunk in self._chunks()), self._path)
        self.shape = (n_rows, len(columns))
        self._reader = self._chunks()
        self._rest = pd.DataFrame()

    def _chunks(self) -> Iterator[Any]:
        import pandas as pd

        names = self._read
        if self._kind == "csv":
            missing = {}
            for name in names:
                column = self._columns[name]
                values = column.values if isinstance(column, Categories) and column.declared else ()
                missing[name] = [text for text in _MISSING if text not in set(map(str, values))]
            # index_col: a comma at the end of lines must not shift the columns
            yield from pd.read_csv(
                self._path,
                header=0,
                names=self._found,
                usecols=names,
                dtype=str,
                chunksize=_CHUNK,
                index_col=False,
                na_values=missing,
                keep_default_na=False,
                encoding_errors="replace",
            )
            return
        import pyarrow as pa
        from pyarrow import parquet

        with parquet.ParquetFile(self._path) as opened:
            for batch in opened.iter_batches(batch_size=_CHUNK, columns=names):
                yield pa.Table.from_batches([batch]).to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)

    def _rows(self, start: int, stop: int) -> Any:
        import pandas as pd

        if self._block[:2] == (start, stop):
            return self._block[2]
        if start < self._next:  # another pass
            self._reader, self._rest, self._next = self._chunks(), pd.DataFrame(), 0
        parts, have = [self._rest], len(self._rest)
        while have < stop - self._next:
            chunk = _safely(lambda: next(self._reader), self._path)[self._read]
            if self._next + have + len(chunk) <= start:
                self._next, parts, have = self._next + have + len(chunk), [], 0
                continue
            parts.append(chunk)
            have += len(chunk)
        frame = pd.concat([part for part in parts if len(part)], ignore_index=True)
        block = frame.iloc[start - self._next : stop - self._next].reset_index(drop=True)
        self._rest, self._next = frame.iloc[stop - self._next :], stop
        self._block = (start, stop, block)
        return block

    def cells(self, start: int, stop: int, j: int, local: bool = False) -> RawCells:
        """Return one column of a block."""
        with self._lock:
            series = self._rows(start, stop)[self.columns[j]]
        if self._kind == "csv":
            return _read(series, self._columns.columns[j])
        return read_column(series, "pandas", self.types[j], local)


class FileColumn:
    """As much of a series as a RowSource reads of a target.

    Parameters
    ----------
    rows : FileRows
        The rows, whose last column it is.
    """

    def __init__(self, rows: FileRows) -> None:
        self._rows = rows
        self.type = rows.types[-1]

    def cells(self, start: int, stop: int, local: bool = False) -> RawCells:
        """Return a block of it; see `FileRows.cells`."""
        return self._rows.cells(start, stop, len(self._rows.columns) - 1, local)
