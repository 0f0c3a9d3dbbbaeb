r"""The seam between who asks and who holds rows: a source answers a query about its rows by integer arrays.

**What a source must answer.** ``source.answer(query, rank_key, n_jobs=...)`` returns a list of integer arrays (or of
`Counter` of levels): the sums over all of its rows of what `query.answer` gives for some of them. Sums of integers are
the same however rows are cut, so a source may be an array, a file, a frame of a cluster, or several sites. Whoever asks
sees no row. ``source.check_workers(n_jobs)`` is called before the debit, and ``source.progress`` is told of rounds. A
source also has the public attributes of `RowSource` that say what its columns are: ``table_schema``, ``declared``,
``schema``, ``domain``, ``types``, ``target_type``, ``n_features``, ``name(j)`` and ``label(j)``.

**How a source of this package does it.** Its rows are cut into *parts*: a span of an array, a row group of a Parquet
file, a range of bytes of a CSV file. `answer_part` is the one function that turns a part and a query into sums. It is
pure: run again, in another thread or process, it gives the same bits. `skdpflow.curator.engine.gather` runs it and
takes exactly one answer per part. Noise, selections, rank keys and ledgers stay with the driver, who called it.

**Ranks.** The place of a row inside its bin is drawn from a secret of the round, the part and the position in it. A
part is known by the number of rows before it, so (part, position) is the place of the row in the table, and ranks do
not depend on how the rows were cut. The secret of a round is drawn afresh for each round. So all ranks, of all rounds
and rows, are independent and uniform, whatever order the rows come in, and the order may differ from round to round: in
each round, the ranks of the rows that two neighbouring tables share can be coupled to be equal, given everything that
was released before, and the sensitivity is that of the one row in which the tables differ. With one secret for all
rounds that would hold for a fixed order only. In another order, the rank that a row has in one round would be that of
another row in the next, for one of the two tables otherwise than for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator.cells import quiet
from skdpflow.curator.noise import RankKeys
from skdpflow.curator.progress import Progress

__all__ = ["Answer", "Part", "Query", "Ranks", "Source", "answer_part"]

#: A `RowSource` with a block of rows in memory; it is built on this module.
Rows: TypeAlias = Any
#: Gives the ranks of the rows of a block, for a number of columns.
Ranks = Callable[[int], NDArray[np.float64]]


@dataclass(frozen=True, repr=False)
class Part:
    """Some rows of a source, and where they are; how many they are is private.

    Parameters
    ----------
    number : int
        Its number among the parts.
    start, stop : int
        Its rows, counted from the first of the table.
    place : Any, default=None
        Where a file has them.
    """

    number: int
    start: int
    stop: int
    place: Any = None


class Query(Protocol):
    """What a round asks of rows; what it gives for blocks of rows is added up. It can be pickled, and holds no row."""

    def answer(self, rows: Rows, start: int, stop: int, ranks: Ranks) -> list[Any]:
        """Sum over the rows from `start` up to `stop`: integer arrays, or counters of levels."""
        ...


class Blocks(Protocol):
    """What can open its parts: it yields rows, the first and last of a block of them, and its place in the table."""

    def opened(self, part: Part) -> Iterator[tuple[Rows, int, int, int]]:
        """Read the rows of a part, block by block."""
        ...


class Source(Protocol):
    """Rows that answer queries, wherever they are; see the docstring of this module."""

    progress: Progress

    def check_workers(self, n_jobs: int | None) -> None:
        """Refuse what could not answer, before anything is spent."""
        ...

    def answer(self, query: Query, rank_key: int, *, n_jobs: int | None = None) -> list[Any]:
        """Sum over all rows."""
        ...


@dataclass(frozen=True, repr=False)
class Answer:
    """Sums over one part without noise: for the driver only."""

    part: int
    n_rows: int
    sums: list[Any]


def answer_part(blocks: Blocks, part: Part, query: Query, keys: RankKeys) -> Answer:
    """Sum over the rows of a part: the same bits wherever and however often it runs."""
    sums: list[Any] = []
    n_rows = 0
    with quiet():
        for rows, start, stop, place in blocks.opened(part):
            found = query.answer(rows, start, stop, _ranks(keys, place, stop - start))
            sums = [total + own for total, own in zip(sums, found, strict=True)] if n_rows else found
            n_rows += stop - start
    return Answer(part.number, n_rows, sums)


def _ranks(keys: RankKeys, place: int, n_rows: int) -> Ranks:
    return lambda n_columns: keys.ranks(place, n_rows, n_columns)


def spans_of(n_rows: int, block_rows: int) -> Sequence[Part]:
    """Cut rows in memory into parts, of which there is at least one."""
    starts = range(0, max(n_rows, 1), block_rows)
    return [Part(i, start, min(start + block_rows, n_rows)) for i, start in enumerate(starts)]
