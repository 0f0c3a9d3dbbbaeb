"""Exact sums of integer contributions over blocks of rows; they leave the curator only with noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from skdpflow.curator.cells import quiet
from skdpflow.curator.encode import RowSource
from skdpflow.curator.noise import random_ranks
from skdpflow.curator.statistics import Block, Statistic
from skdpflow.domain import Column, Domain, Interval
from skdpflow.domain.codes import NO_PLACE


class Sketch:
    """The un-noised sum of a statistic's contributions. It lives in the curator only.

    Parameters
    ----------
    values : ndarray of int64
        The sum.

    Notes
    -----
    Pickling and copying are refused and the repr is silent, so that no un-noised value leaves by accident.
    """

    __slots__ = ("_values",)

    def __init__(self, values: NDArray[np.int64]) -> None:
        self._values = values

    def __add__(self, other: Sketch) -> Sketch:
        return Sketch(self._values + other._values)

    def release(self, noise: NDArray[np.int64], shift: int = 0) -> NDArray[np.int64]:
        """Return the sum, times a power of two, plus noise, one draw for each entry."""
        if noise.shape != self._values.shape:  # broadcasting would give several entries the same noise
            raise ValueError("The noise must have the shape of the sketch.")
        return np.asarray((self._values << shift) + noise)

    def apply(self, function: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> NDArray[np.int64]:
        """Return private scores of the sum, for a selection that adds noise to them."""
        return function(self._values)

    def __repr__(self) -> str:
        return "Sketch(<not released>)"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("A Sketch holds values without noise: it cannot be pickled or copied.")


def _contribution(statistic: Statistic, block: Block) -> Sketch:
    values = None
    try:
        values = statistic.contributions(block)
    except MemoryError:
        raise
    except Exception:  # its message may show a code
        pass
    if values is None or values.shape != statistic.shape:
        raise ValueError(
            f"{type(statistic).__name__} could not be computed: its parameters do not fit the columns or the classes."
        )
    return Sketch(values)


def sketch_rows(
    source: RowSource,
    statistics: Sequence[Statistic],
    domain: Domain | None,
    target: Column | None,
    rank_key: int,
    *,
    n_jobs: int | None = None,
    block_rows: int | None = None,
) -> list[Sketch]:
    """Sum the contributions of all rows to several statistics in one pass."""
    numeric_target = isinstance(target, Interval)
    declared: tuple[Column, ...] = () if domain is None else domain.columns
    if isinstance(target, Interval):
        declared = (*declared, target)

    def one(start: int, stop: int) -> list[Sketch]:
        if domain is None:
            codes = np.zeros((stop - start, source.n_features), dtype=np.int64)
            classes = np.zeros(stop - start, dtype=np.int64)
        else:
            codes, classes = source.block(start, stop, domain, target, again=True)
        if numeric_target:
            codes, classes = np.column_stack([codes, classes]), np.zeros_like(classes)
        elif target is not None:
            classes = np.where(classes < target.n_levels, classes, NO_PLACE)

        def ranks() -> NDArray[np.float64]:
            return random_ranks(rank_key, start, stop - start, codes.shape[1])

        def raw(columns: Sequence[int]) -> NDArray[np.float64]:
            return source.counts(start, stop, columns, declared, target)

        block = Block(codes, classes, ranks, raw, declared)
        return [_contribution(s, block) for s in statistics]

    # shared memory is required and not only preferred, so that no backend sends rows to another process
    parallel = Parallel(n_jobs=n_jobs, require="sharedmem", return_as="generator", verbose=0)
    totals = [Sketch(np.zeros(s.shape, dtype=np.int64)) for s in statistics]
    with quiet():
        for parts in parallel(delayed(one)(start, stop) for start, stop in source.spans(block_rows)):
            totals = [total + part for total, part in zip(totals, parts, strict=True)]
    return totals
