"""Tables in CSV and Parquet files: how to name one, and how to write synthetic ones block by block."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from skdpflow._outputs import check_writable, replacing

__all__ = ["TableFile", "check_table", "kind_of", "write_table"]

_KINDS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}


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
    """Private rows in a file, which `fit` reads block by block, as often as it needs to.

    Parameters
    ----------
    path : path
        A CSV file with a header, or a Parquet file.
    target : str or None, default=None
        Name of the column that is the target.

    Notes
    -----
    Pass it as X, with a domain that names its columns, all of them. Needs pandas, and pyarrow for Parquet.
    Cells of a CSV file are read as the domain declares them, each by itself: numbers, ISO dates, or the text of the
    categories, where TRUE, true and 1 are booleans as well, and 1.0 is the whole number 1. Others are outside.
    The file must not change during the fit.

    Examples
    --------
    >>> from skdpflow.files import TableFile
    >>> TableFile("table.csv", target="outcome").target
    'outcome'
    """

    path: str | os.PathLike[str]
    target: str | None = None


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
