"""Tables in CSV and Parquet files: how to name one, and how to write synthetic ones block by block."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from skdpflow._outputs import check_writable, replacing

__all__ = ["TableFile", "check_table", "kind_of", "write_table"]

_KINDS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}
#: Begins a path on another filesystem, such as s3://bucket.
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def kind_of(path: str | os.PathLike[str]) -> str:
    """Tell the format of a file from the end of its name.

    Parameters
    ----------
    path : path
        A file.

    Returns
    -------
    {"csv", "parquet"}
        The format.

    Raises
    ------
    ValueError
        If the name ends otherwise.

    Examples
    --------
    >>> from skdpflow.files import kind_of
    >>> kind_of("table.pq")
    'parquet'
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _KINDS:
        raise ValueError(f"Tables are files whose names end in .csv or .parquet. Got {Path(path).name!r}.")
    return _KINDS[suffix]


@dataclass(frozen=True)
class TableFile:
    """Private rows in files, which `fit` reads block by block, as often as it needs to.

    Parameters
    ----------
    path : path
        A CSV file with a header (``.csv``, or ``.csv.gz``), a Parquet file (``.parquet`` or ``.pq``), a folder of such
        files, or a pattern with ``*``. The files of one table have the same columns. They are read in the order of
        their names. A URI such as ``s3://bucket/patients/*.parquet`` names files on a filesystem that pyarrow knows.
    target : str or None, default=None
        Name of the column that is the target.
    shared : bool, default=False
        Whether workers that joblib starts may read the files and compute with the rows: processes, also on other
        machines, see :func:`joblib.parallel_config`. Each worker must find the files under the same path.
    filesystem : pyarrow.fs.FileSystem, a filesystem of fsspec, or None, default=None
        Where the files are, if not on this machine, and if a URI does not tell it: with keys, a region or an endpoint.
        It is shown nowhere. Workers get it.
    separator : str, default=","
        What separates the cells in a line of a CSV file: one ASCII character.
    encoding : str, default="utf-8"
        Encoding of CSV files.

    Notes
    -----
    Pass it as X, with a domain that names its columns, all of them. Needs pandas, and pyarrow for Parquet. With
    pyarrow, CSV files are read several times faster, and with the same result.
    Cells of a CSV file are read as the domain declares them, each by itself: numbers, ISO dates, or the text of the
    categories, where TRUE, true and 1 are booleans as well, and 1.0 is the whole number 1. Others are outside.
    A line that is too short has missing cells, and what is too much in a line is not read.
    The files must not change during the fit, which stops if they do. So their filesystem has to tell when they were
    changed.

    Examples
    --------
    >>> from skdpflow.files import TableFile
    >>> TableFile("patients/*.parquet", target="died").target
    'died'
    """

    path: str | os.PathLike[str]
    target: str | None = None
    shared: bool = field(default=False, kw_only=True)
    filesystem: Any = field(default=None, kw_only=True, repr=False, hash=False)
    separator: str = field(default=",", kw_only=True)
    encoding: str = field(default="utf-8", kw_only=True)

    def __post_init__(self) -> None:
        host = URI.sub("", str(self.path), count=1).partition("/")[0]
        if URI.match(str(self.path)) and (":" in host.rpartition("@")[0] or re.search(r"\?.*=", str(self.path))):
            raise ValueError(
                "The 'path' of a TableFile is shown, so it must hold no key and no option of a filesystem. Make the "
                "filesystem with pyarrow.fs, and pass it as filesystem=."
            )
        if len(self.separator) != 1 or not self.separator.isascii() or self.separator in '\r\n"':
            raise ValueError(f"The 'separator' of a TableFile must be one ASCII character. Got {self.separator!r}.")
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise ValueError(f"The 'encoding' of a TableFile is not known to Python. Got {self.encoding!r}.") from None


def check_table(path: str | os.PathLike[str]) -> None:
    """Raise an error if a table could not be written to a file of that name, and change nothing.

    Parameters
    ----------
    path : path
        Where a table is going to be written.

    Raises
    ------
    ValueError, ImportError
        If the name has no known end, or a package for that format is missing.
    OSError
        If nothing can be written there.

    Examples
    --------
    >>> from skdpflow.files import check_table
    >>> check_table("table.csv")
    """
    if kind_of(path) == "parquet" and find_spec("pyarrow") is None:
        raise ImportError(
            "Files in the format Parquet need the package pyarrow. Install it with: pip install 'skdpflow[parquet]'. "
            "Or write a .csv file."
        )
    check_writable(path)


def write_table(blocks: Iterable[Any], path: str | os.PathLike[str]) -> None:
    """Write pandas frames of one table below each other; the file appears when it is complete.

    Parameters
    ----------
    blocks : iterable of pandas.DataFrame
        At least one.
    path : path
        Where to write, as CSV or Parquet by its name.
    """
    kind = kind_of(path)
    with replacing(path) as file:
        if kind == "csv":
            for i, block in enumerate(blocks):
                block.to_csv(file, header=not i, index=False)
        else:
            _write_parquet(blocks, file)


def _write_parquet(blocks: Iterable[Any], file: BinaryIO) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    writer = None
    try:
        for block in blocks:
            if writer is None:
                schema = pa.Schema.from_pandas(block, preserve_index=False)
                writer = parquet.ParquetWriter(file, schema)
            writer.write_table(pa.Table.from_pandas(block, schema=schema, preserve_index=False))
    finally:
        if writer is not None:
            writer.close()
