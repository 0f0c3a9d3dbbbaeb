"""Partitions of a frame whose rows lie on workers: what a worker makes of one, and what the driver knows of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np

from skdpflow.curator.dtypes import CellType
from skdpflow.curator.files import CHANGED, FileBlock, FileChangedError
from skdpflow.curator.parts import Part
from skdpflow.domain import Domain


def digest(frame: Any) -> int:
    """Return what tells that rows are the same, in the same order."""
    import pandas as pd

    rows = frame.reset_index(drop=True)
    try:
        hashes = pd.util.hash_pandas_object(rows)
    except (TypeError, UnicodeError):  # of a single cell, such as a list, which must not decide whether there is a fit
        hashes = pd.util.hash_pandas_object(rows.map(_plain))
    return int(hashes.sum())


def _plain(cell: Any) -> Any:
    """Return a cell as what can be hashed; of most that can be no value of a column, only the type."""
    return ascii(cell) if isinstance(cell, str | int | float | date | np.generic) else type(cell).__name__


def parts_of(sizes: Sequence[tuple[int, int]]) -> tuple[list[Part], list[int]]:
    """Make parts of the partitions that have rows, by their numbers of rows and digests; and return their places."""
    parts, full, start = list[Part](), list[int](), 0
    for i, (n_rows, found) in enumerate(sizes):
        if n_rows:
            parts.append(Part(len(parts), start, start + n_rows, found))
            full.append(i)
            start += n_rows
    return parts, full


class Partition:
    """The rows of one part where they lie.

    Parameters
    ----------
    domain : Domain
        The columns, the target's last.
    types : list of CellType
        The types of their cells.
    frame : pandas.DataFrame or None
        The rows, where they are.
    """

    kind = "frame"

    def __init__(self, domain: Domain, types: list[CellType], frame: Any = None) -> None:
        self.domain, self.columns, self.types = domain, list(domain), types
        self._frame, self.shape = frame, (0, len(domain))

    def holding(self, frame: Any) -> Partition:
        """Return the same with rows."""
        return Partition(self.domain, self.types, frame)

    def blocks(self, part: Part, block_rows: int) -> Iterator[FileBlock]:
        """Read the part."""
        if digest(self._frame) != part.place:
            raise FileChangedError(CHANGED)
        for start in range(0, len(self._frame), block_rows):
            yield FileBlock(self, self._frame.iloc[start : start + block_rows])
