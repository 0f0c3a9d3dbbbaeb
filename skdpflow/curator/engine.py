"""The driver of a pass over rows: exactly one answer per part, from threads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from joblib import Parallel, delayed

from skdpflow.curator.noise import RankKeys
from skdpflow.curator.parts import Answer, Blocks, Part, Query, answer_part


def gather(
    blocks: Blocks, parts: Sequence[Part], query: Query, rank_key: int, *, n_jobs: int | None = None
) -> list[Any]:
    """Sum over all parts."""
    # shared memory is required and not only preferred, so that no backend sends rows to another process
    parallel = Parallel(n_jobs=n_jobs, require="sharedmem", return_as="generator", verbose=0)
    keys = (RankKeys.of(rank_key, part.start, part.stop) for part in parts)
    tasks = (delayed(answer_part)(blocks, part, query, own) for part, own in zip(parts, keys, strict=True))
    return total(parts, parallel(tasks))


def total(parts: Sequence[Part], answers: Iterable[Answer]) -> list[Any]:
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
    if missing or sums is None:
        raise RuntimeError(
            "Some parts of the rows were not answered. Nothing is released, and what was debited stays spent: see why "
            "workers are missing, and fit again."
        )
    return sums
