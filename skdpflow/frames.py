"""Frames of engines whose rows lie on the workers of a cluster: how to name one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from skdpflow.files import TableFile

__all__ = ["ELSEWHERE", "DaskTable"]


@dataclass(frozen=True)
class DaskTable:
    """Private rows in a dask frame, which its workers read.

    Parameters
    ----------
    frame : dask.dataframe.DataFrame
        The rows; a frame of a :class:`distributed.Client`.
    target : str or None, default=None
        Name of the column that is the target.

    Notes
    -----
    Pass it as X, with a domain that names its columns, all of them. The frame is persisted: its partitions stay in the
    memory of the workers for the time of the fit. Rows do not leave the workers. What does is as private as they are,
    see the user guide. If a worker is lost, dask computes its partitions again. If that gives other rows, as a frame
    that is sampled or shuffled anew may, the fit stops.

    Examples
    --------
    >>> from skdpflow.frames import DaskTable
    >>> DaskTable(None, target="died").target
    'died'
    """

    frame: Any = field(repr=False)
    target: str | None = None


#: Tables whose rows are not in memory here; the domain names their columns.
ELSEWHERE = (TableFile, DaskTable)
