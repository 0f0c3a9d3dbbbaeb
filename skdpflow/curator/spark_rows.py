"""Private rows in the partitions of a Spark frame: executors compute with them, and none comes here.

**What travels.** Spark sends one function to all executors of an application. It holds a message for each partition,
see `skdpflow.curator.engine`: so an executor gets the keys of the ranks of all rows in this round, and never the secret
of the round. Spark may write the function, the rows and the answers to its disks, and sends them between machines. So
both have to be encrypted unless all is on one machine.

**Which rows.** A partition that Spark computes again may come back with other rows, as when it was sampled or shuffled:
a row could then be counted twice, or never. Each partition is known by the digest of its rows, and other rows stop the
fit. A frame that is not persisted is looked at twice, so that one that is new each time is refused before the debit.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from skdpflow.curator.cells import quiet
from skdpflow.curator.dtypes import OBJECT, CellType, arrow_type
from skdpflow.curator.engine import FOREIGN, RAISED, Message
from skdpflow.curator.files import FileBlock, check_names
from skdpflow.curator.fingerprint import fingerprint
from skdpflow.curator.partitions import Partition, digest, parts_of
from skdpflow.curator.parts import Answer, Part
from skdpflow.domain import Domain
from skdpflow.domain.measured import is_measured
from skdpflow.frames import SparkTable

_NETWORK = ("spark.network.crypto.enabled", "spark.ssl.rpc.enabled")
_ON_DISK = "spark.io.encryption.enabled"


def _in_pandas(batches: Iterable[Any]) -> Any:
    """Return the rows of a partition, with types that follow from those of Arrow and from no cell."""
    import pandas as pd
    import pyarrow as pa

    return pa.Table.from_batches(list(batches)).to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)


def _mapped(function: Callable[[int, Any], Any], batches: Iterable[Any]) -> Iterator[Any]:
    """Answer for the partition of this task, if it has rows, by one row: its number and what was made of it."""
    import pyarrow as pa
    from pyspark import TaskContext

    context, batches = TaskContext.get(), list(batches)
    if context is not None and batches:
        number = context.partitionId()
        try:
            with quiet():
                answer = function(number, _in_pandas(batches))
        except Exception as error:  # returned, since Spark would write it to its log
            answer = error if isinstance(error, RAISED) else None
        yield pa.RecordBatch.from_pydict({"partition": [number], "answer": [pickle.dumps(answer)]})


def _looked_at(number: int, frame: Any) -> tuple[int, int, str]:
    return len(frame), digest(frame), fingerprint()


def _answered(messages: Mapping[int, Message], number: int, frame: Any) -> Answer:
    return messages[number].answer(frame)


def _check_session(session: Any) -> None:
    """Refuse a cluster that would write or send rows, sums and keys in the clear."""
    context = getattr(session, "sparkContext", None)  # Spark Connect has none
    if context is None:
        raise ValueError("A SparkTable needs the session of the driver, not one of Spark Connect. Nothing was spent.")
    own = context.getConf()
    disk, *network = (own.get(name, "false").lower() == "true" for name in (_ON_DISK, *_NETWORK))
    if not context.master.startswith("local") and not (disk and any(network)):
        raise ValueError(
            f"A Spark cluster must encrypt what it writes and sends, which is as private as the rows: set {_ON_DISK} "
            f"and one of {' and '.join(_NETWORK)} to true. Nothing was spent."
        )


class SparkRows:
    """The partitions of a frame, as parts; see `FileTable`.

    Parameters
    ----------
    table : SparkTable
        The frame.
    columns : Domain
        The columns to read, the target's last.
    """

    kind = "frame"

    def __init__(self, table: SparkTable, columns: Domain) -> None:
        _check_session(table.frame.sparkSession)
        self.domain, self.columns = columns, list(columns)
        check_names(table.frame.columns, columns, "frame")
        self._frame = table.frame.select(*(f"`{name.replace('`', '``')}`" for name in columns))
        schema = self._frame.limit(0).toArrow().schema
        self.dtypes = list(schema.empty_table().to_pandas().dtypes)
        self.types: list[CellType] = [
            arrow_type(schema.field(name).type, f"Column {name!r} of the frame") if is_measured(column) else OBJECT
            for name, column in columns.items()
        ]
        looks = self._on_executors(_looked_at)
        kept = table.frame.storageLevel
        if not (kept.useMemory or kept.useDisk) and self._on_executors(_looked_at) != looks:
            raise ValueError(
                "A frame whose rows are others whenever Spark computes them could count a row twice. Pass "
                "frame.persist() or frame.checkpoint(). Nothing was spent."
            )
        self._fingerprints = {found for _, _, found in looks.values()}
        sizes = [looks[i][:2] if i in looks else (0, 0) for i in range(max(looks, default=-1) + 1)]
        self.parts, self._full = parts_of(sizes)
        self.shape = (sum(n_rows for n_rows, _ in sizes), len(columns))

    def _on_executors(self, function: Callable[[int, Any], Any]) -> dict[int, Any]:
        """Return what a function makes of each partition that has rows."""
        rows = self._frame.mapInArrow(partial(_mapped, function), "partition long, answer binary").collect()
        answers = {row.partition: pickle.loads(bytes(row.answer)) for row in rows}
        for answer in answers.values():
            if isinstance(answer, Exception):
                raise answer
        return answers if len(answers) == len(rows) else {}

    def ask(self, parts: Sequence[Part], message: Callable[[Part], Message], n_jobs: int | None) -> Iterator[Answer]:
        """Yield the answers of the executors that hold the partitions."""
        messages = {self._full[part.number]: message(part) for part in parts}
        try:
            answers = self._on_executors(partial(_answered, messages))
        except RAISED:
            raise
        except Exception:
            return
        yield from (answer for answer in answers.values() if answer is not None)

    def check_workers(self, n_jobs: int | None) -> None:
        """Refuse executors that compute otherwise."""
        if not self._fingerprints <= {fingerprint()}:
            raise RuntimeError(f"{FOREIGN} Nothing was spent.")

    def blocks(self, part: Part, block_rows: int) -> Iterator[FileBlock]:
        """Bring a part here, for whoever holds the rows and asks for more than sums."""
        frame = self._on_executors(partial(_brought, self._full[part.number]))[self._full[part.number]]
        return Partition(self.domain, self.types, frame).blocks(part, block_rows)


def _brought(wanted: int, number: int, frame: Any) -> Any:
    return frame if number == wanted else None
