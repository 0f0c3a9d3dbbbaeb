"""Private rows in files, read block by block and never all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from skdpflow.domain import Categories, Column, Domain, Interval
from skdpflow.files import TableFile, kind_of

__all__ = ["FileColumn", "FileRows"]

_CHUNK = 2**14
_T = TypeVar("_T")
#: Spellings of a missing cell in a CSV file, except where the domain declares one as a category.
_MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "<NA>")
_FORMS = {
    "csv": "CSV in UTF-8, with one header line and a cell per column in every line",
    "parquet": "Parquet, with columns that are not nested",
}


def _safely(read: Callable[[], _T], kind: str) -> _T:
    """Read from a file without the reader's own messages, which may show cells or tell the number of rows."""
    try:
        return read()
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception:  # foreign code on private bytes; the error is raised outside, without this one as its context
        pass
    raise ValueError(f"The file cannot be read. It must be {_FORMS[kind]}, and stay as it is during the fit.")


def _declared(column: Column) -> str:
    """Name the dtype that a column of text cells is read as."""
    if isinstance(column, Interval):
        if column.unit is not None:
            return "object"
        return ("Int64" if column.nullable else "int64") if column.integer else "float64"
    kinds = {type(value) for value in column.values}
    names = {int: "Int64" if column.nullable else "int64", bool: "boolean" if column.nullable else "bool"}
    return names.get(next(iter(kinds)), "object") if len(kinds) == 1 else "object"


def _read(text: Any, column: Column, name: str) -> Any:
    """Read a column of text cells as declared."""
    import pandas as pd

    if isinstance(column, Categories):
        known: dict[str, Any] = {}
        for value in column.values:
            for spelling in {str(value), str(value).lower() if isinstance(value, bool) else str(value)}:
                known[spelling] = value
        # unknown text stays as it is, and is an unknown category
        return pd.Series([known.get(cell, cell) for cell in text], dtype=object)
    if column.unit is not None:
        return text.astype(object)
    numbers = None
    try:  # each cell by itself: pandas may round whole numbers otherwise beside a fraction
        numbers = np.array([_number(cell) for cell in text.astype(object)], dtype=np.float64)
    except ValueError:
        pass  # the message shows the cell
    if numbers is None:
        raise ValueError(f"Column {name!r} of the file holds cells that are no numbers, as its domain declares.")
    return pd.Series(numbers)


def _number(cell: Any) -> float:
    """Read a cell of text, or NaN; Python's underscores are no part of a number here."""
    return float(cell if isinstance(cell, float) else cell.replace("_", "?"))


def _plain_batch(batch: Any) -> Any:
    """Return a batch of a Parquet file as a pandas frame, whose types do not depend on the cells of the batch."""
    import pandas as pd
    import pyarrow as pa

    table = pa.Table.from_batches([batch])
    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type) and not pa.types.is_string(field.type.value_type):
            table = table.set_column(i, field.name, table.column(i).cast(field.type.value_type))
    # beside a gap, plain whole numbers would become floats
    return table.to_pandas(
        types_mapper=lambda kind: pd.ArrowDtype(kind) if pa.types.is_integer(kind) else None, ignore_metadata=True
    )


class FileRows:
    """As much of a pandas frame as a RowSource reads: shape, dtypes and blocks of columns.

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
            found = _safely(self._header, "csv")
        else:
            from pyarrow import parquet

            schema = _safely(lambda: parquet.read_schema(self._path), "parquet")
            found = list(schema.names)
        self._found = found
        missing = [name for name in columns if name not in found]
        if missing:
            raise ValueError(f"The file has no columns {missing}, which the domain names.")
        if len(set(found)) < len(found):
            twice = sorted({name for name in found if found.count(name) > 1})
            raise ValueError(f"The file has more than one column of the names {twice}: rename them.")
        if undeclared := [name for name in found if name not in columns]:
            raise ValueError(f"Not in the domain: the columns {undeclared} of the file; drop them or declare them.")
        if self._kind == "csv":
            self.dtypes = [pd.api.types.pandas_dtype(_declared(column)) for column in columns.columns]
        else:
            empty = _safely(lambda: schema.empty_table().select(list(columns)).to_pandas(), "parquet")
            self.dtypes = list(empty.dtypes)
        self.columns = list(columns)
        n_rows = _safely(lambda: sum(len(chunk) for chunk in self._chunks()), self._kind)
        self.shape = (n_rows, len(columns))
        self._reader = self._chunks()
        self._rest = pd.DataFrame()

    def _header(self) -> list[str]:
        """Names in a CSV file, as they stand there: pandas gives others to empty and repeated ones."""
        import pandas as pd

        return list(pd.read_csv(self._path, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0])

    def _chunks(self) -> Iterator[Any]:
        names = list(self._columns)
        if self._kind == "csv":
            import pandas as pd

            missing = {}
            for name, column in self._columns.items():
                values = column.values if isinstance(column, Categories) else ()
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
            )
            return
        from pyarrow import parquet

        with parquet.ParquetFile(self._path) as opened:
            for batch in opened.iter_batches(batch_size=_CHUNK, columns=names):
                yield _plain_batch(batch)

    def _rows(self, start: int, stop: int) -> Any:
        import pandas as pd

        if self._block[:2] == (start, stop):
            return self._block[2]
        if start < self._next:  # another pass
            self._reader, self._rest, self._next = self._chunks(), pd.DataFrame(), 0
        parts, have = [self._rest], len(self._rest)
        while have < stop - self._next:
            chunk = _safely(lambda: next(self._reader), self._kind)[list(self._columns)]
            if self._next + have + len(chunk) <= start:
                self._next, parts, have = self._next + have + len(chunk), [], 0
                continue
            parts.append(chunk)
            have += len(chunk)
        frame = pd.concat([part for part in parts if len(part)], ignore_index=True)
        block = frame.iloc[start - self._next : stop - self._next].reset_index(drop=True)
        self._rest, self._next = frame.iloc[stop - self._next :], stop
        if self._kind == "csv":
            read = [_read(block[name], column, name) for name, column in self._columns.items()]
            block = pd.DataFrame(dict(zip(self._columns, read, strict=True)))
        self._block = (start, stop, block)
        return block

    @property
    def iloc(self) -> FileRows:
        """Rows and columns by position."""
        return self

    def __getitem__(self, key: tuple[slice, int]) -> Any:
        with self._lock:
            return self._rows(key[0].start, key[0].stop).iloc[:, key[1]]


class FileColumn:
    """As much of a pandas series as a RowSource reads of a target.

    Parameters
    ----------
    rows : FileRows
        The rows, whose last column it is.
    """

    def __init__(self, rows: FileRows) -> None:
        self._rows = rows
        self.name, self.dtype = rows.columns[-1], rows.dtypes[-1]

    @property
    def iloc(self) -> FileColumn:
        """Rows by position."""
        return self

    def __getitem__(self, key: slice) -> Any:
        return self._rows.iloc[key, len(self._rows.columns) - 1]
