"""The driver of a pass over rows: exactly one answer per part, from threads, or from workers if rows are shared.

**What travels to a worker.** Where the files are, what the columns are, the query (kinds of statistics and their public
parameters), the place of one part, and the keys of its stretches of ranks. A worker never gets the secret of a round:
what it gets tells the ranks of rows that it reads anyway, in one round, and of at most 2**16 rows beside them. The keys
are in an object that shows nothing of itself and is no array, so joblib writes it to no file and no name of a task
holds it. A filesystem that the user gave to a `TableFile` travels, too, with the keys that it holds. No tables of
functions travel: scores are looked up among thresholds that each process makes of whole numbers, and
`skdpflow.curator.fingerprint` argues why the bits are equal. What comes back are the sums over the part, without noise:
as private as the rows. So the way between the driver and the workers has to be protected as the rows are, see the user
guide.

**Faults.** A part may be computed again, after a worker died or for any other reason: the answer has the same bits.
The driver counts one answer per part. Nothing is debited for a repetition, since nothing new is released.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from functools import lru_cache
from typing import Any

from joblib import Parallel, delayed, effective_n_jobs

from skdpflow.curator.fingerprint import fingerprint
from skdpflow.curator.noise import RankKeys
from skdpflow.curator.parts import Answer, Blocks, Part, Query, answer_part
from skdpflow.curator.progress import Progress

#: How often a pass goes on after an executor broke, as when the system killed a worker.
_ATTEMPTS = 4
#: Errors of a worker that the fit raises; what else goes wrong there is of the engine, and may show what it was doing.
RAISED = (ArithmeticError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
FOREIGN = (
    "A worker has another version of skdpflow, of Python, numpy, scipy, pandas or pyarrow, or its arithmetic is not "
    "that of IEEE 754. Give all workers the same installation, and fit again."
)


class Message:
    """A part, what is asked of it and the keys of its ranks, on the way to a worker. It shows nothing of itself."""

    __slots__ = ("_blocks", "_fingerprint", "_keys", "_part", "_query")

    def __init__(self, blocks: bytes, part: Part, query: bytes, keys: RankKeys, expected: str) -> None:
        self._blocks, self._part, self._query = blocks, part, query
        self._keys, self._fingerprint = keys, expected

    def answer(self, *rows: Any) -> Answer:
        """Compute the answer, where the message has arrived; `rows` are those of a frame that lie there."""
        if self._fingerprint != fingerprint():
            raise RuntimeError(FOREIGN)
        return answer_part(_unpacked(self._blocks)(*rows), self._part, _unpacked(self._query), self._keys)

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (self._blocks, self._part, self._query, self._keys.sealed(), self._fingerprint)

    def __repr__(self) -> str:
        return "Message(<private>)"


def _arrived(blocks: bytes, part: Part, query: bytes, keys: dict[int, bytes], expected: str) -> Message:
    return Message(blocks, part, query, RankKeys(keys), expected)


#: Has workers answer messages about parts.
Ask = Callable[[Sequence[Part], Callable[[Part], Message], int | None], Iterator[Answer]]


def packed(thing: Any) -> bytes:
    """Return what can be sent to workers."""
    return zlib.compress(pickle.dumps(thing, protocol=pickle.HIGHEST_PROTOCOL), 1)


@lru_cache(maxsize=8)
def _unpacked(data: bytes) -> Any:
    """Rebuild what was sent, once for the parts of a round."""
    return pickle.loads(zlib.decompress(data))


def gather(
    blocks: Blocks,
    parts: Sequence[Part],
    query: Query,
    rank_key: int,
    *,
    n_jobs: int | None = None,
    recipe: Callable[..., Blocks] | None = None,
    ask: Ask | None = None,
    progress: Progress,
) -> list[Any]:
    """Sum over all parts; `recipe` can be pickled and makes the blocks anew where workers read them."""
    if recipe is None:
        # shared memory is required and not only preferred, so that no backend sends rows to another process
        parallel = Parallel(n_jobs=n_jobs, require="sharedmem", return_as="generator", verbose=0)
        tasks = (delayed(answer_part)(blocks, part, query, _keys(rank_key, part)) for part in parts)
        return total(parts, parallel(tasks), progress)
    where, what, expected = packed(recipe), packed(query), fingerprint()

    def message(part: Part) -> Message:
        return Message(where, part, what, _keys(rank_key, part), expected)

    return total(parts, (ask or _from_workers)(parts, message, n_jobs), progress)


def _keys(rank_key: int, part: Part) -> RankKeys:
    return RankKeys.of(rank_key, part.start, part.stop)


def _from_workers(parts: Sequence[Part], message: Callable[[Part], Message], n_jobs: int | None) -> Iterator[Answer]:
    """Yield the answers of workers; those of an executor that broke are asked for again."""
    left = {part.number: part for part in parts}
    for attempt in range(_ATTEMPTS):
        # threads unless the user chose a backend; no array is written to a file for workers
        parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator", max_nbytes=None, verbose=0)
        try:
            for answer in parallel(delayed(Message.answer)(message(part)) for part in list(left.values())):
                left.pop(answer.part, None)
                yield answer
            return
        except BrokenExecutor:
            if attempt == _ATTEMPTS - 1:
                return
        except RAISED:
            raise
        except Exception:
            return


def check_workers(table: Any, n_jobs: int | None) -> None:
    """Refuse workers that compute otherwise or do not find the files, as far as they are there before a fit."""
    parallel = Parallel(n_jobs=n_jobs, prefer="threads", max_nbytes=None, verbose=0)
    try:
        where = packed(table)
    except Exception:  # it may show what a filesystem holds
        where = b""
    if not where:
        raise TypeError(
            "The filesystem of a shared TableFile must be one that can be pickled, since workers get it. Nothing was "
            "spent."
        )
    expected = fingerprint()
    workers = range(2 * max(1, effective_n_jobs(n_jobs)))
    if set(parallel(delayed(_ready)(where, expected) for _ in workers)) != {expected}:
        raise RuntimeError(f"{FOREIGN} Nothing was spent.")


def _ready(where: bytes, expected: str) -> str:
    """Return the fingerprint of a worker, which must have the files if it is the expected one."""
    if (own := fingerprint()) != expected:
        return own
    try:
        _unpacked(where).check_unchanged()
        return own
    except Exception:  # it may show what a filesystem holds
        pass
    raise FileNotFoundError(
        "A worker does not find the files of the table as they are here: each must have them under the same path, on "
        "the same filesystem, with the same times of their last change, and be allowed to read them. Nothing was spent."
    )


def total(parts: Sequence[Part], answers: Iterable[Answer], progress: Progress) -> list[Any]:
    """Add answers up, of which there must be one per part; integers, so the order does not matter."""
    missing = {part.number: part.stop - part.start for part in parts}
    sums: list[Any] | None = None
    for answer in answers:
        if missing.pop(answer.part, None) != answer.n_rows:
            raise RuntimeError(
                "A part of the rows was answered twice, or had other rows than when the fit began. Nothing is "
                "released, and what was debited stays spent: keep the rows as they are during a fit, and fit again."
            )
        sums = answer.sums if sums is None else [a + b for a, b in zip(sums, answer.sums, strict=True)]
        progress.done(1.0 - len(missing) / len(parts))
    if missing or sums is None:
        raise RuntimeError(
            "Some parts of the rows were not answered. Nothing is released, and what was debited stays spent: see why "
            "workers are missing, and fit again."
        )
    return sums
