"""Frames of engines whose rows lie on the workers of a cluster: how to name one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from skdpflow.files import TableFile

__all__ = ["ELSEWHERE", "DaskTable", "SparkTable"]


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


@dataclass(frozen=True)
class SparkTable:
    """Private rows in a Spark frame, which its executors read.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
        The rows; persisted or checkpointed, or read from files.
    target : str or None, default=None
        Name of the column that is the target.

    Notes
    -----
    Pass it as X, with a domain that names its columns, all of them. Rows do not leave the executors. What does is as
    private as they are, see the user guide. So a cluster of several machines is refused unless it encrypts its disks
    (``spark.io.encryption.enabled``) and its network (``spark.network.crypto.enabled`` or ``spark.ssl.rpc.enabled``).
    A frame whose rows are others whenever Spark computes them is refused, too: persist it. If Spark computes a
    partition again during a fit, and it comes back with other rows, the fit stops.

    Examples
    --------
    >>> from skdpflow.frames import SparkTable
    >>> SparkTable(None, target="died").target
    'died'
    """

    frame: Any = field(repr=False)
    target: str | None = None


#: Tables whose rows are not in memory here; the domain names their columns.
ELSEWHERE = (TableFile, DaskTable, SparkTable)
