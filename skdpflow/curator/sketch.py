"""Exact sums of integer contributions over blocks of rows; they leave the curator only with noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator.parts import Ranks, Source
from skdpflow.curator.source import RowSource
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


class Sums:
    """A query for sums of statistics in one pass.

    Parameters
    ----------
    asked : sequence of (type, mapping)
        The statistics and their parameters: what is sent where rows are. They are built there.
    domain : Domain or None
        How cells are encoded; None asks for raw numbers only.
    target : Interval, Categories or None
        What the target is.
    """

    def __init__(
        self, asked: Sequence[tuple[type[Any], Mapping[str, Any]]], domain: Domain | None, target: Column | None
    ) -> None:
        self._asked, self._domain, self._target = tuple(asked), domain, target

    @cached_property
    def statistics(self) -> list[Statistic]:
        """The statistics; a ValueError if parameters do not fit each other."""
        return [kind(params) for kind, params in self._asked]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "statistics"}

    def answer(self, rows: RowSource, start: int, stop: int, ranks: Ranks) -> list[NDArray[np.int64]]:
        """Sum the contributions of a block."""
        domain, target = self._domain, self._target
        declared: tuple[Column, ...] = () if domain is None else domain.columns
        if isinstance(target, Interval):
            declared = (*declared, target)
        if domain is None:
            codes = np.zeros((stop - start, rows.n_features), dtype=np.int64)
            classes = np.zeros(stop - start, dtype=np.int64)
        else:
            codes, classes = rows.block(start, stop, domain, target, again=True)
        if isinstance(target, Interval):
            codes, classes = np.column_stack([codes, classes]), np.zeros_like(classes)
        elif target is not None:
            classes = np.where(classes < target.n_levels, classes, NO_PLACE)

        def raw(columns: Sequence[int]) -> NDArray[np.float64]:
            return rows.counts(start, stop, columns, declared, target)

        block = Block(codes, classes, lambda: ranks(codes.shape[1]), raw, declared)
        return [_contribution(statistic, block) for statistic in self.statistics]


def _contribution(statistic: Statistic, block: Block) -> NDArray[np.int64]:
    values = None
    try:
        with np.errstate(all="ignore"):  # a warning, or its absence, may tell of a cell
            values = statistic.contributions(block)
    except MemoryError:
        raise
    except Exception:  # its message may show a code
        pass
    if values is None or values.shape != statistic.shape:
        raise ValueError(
            f"{type(statistic).__name__} could not be computed: its parameters do not fit the columns or the classes."
        )
    return values


def sketch_rows(source: Source, query: Sums, rank_key: int, *, n_jobs: int | None = None) -> list[Sketch]:
    """Sum the contributions of all rows to several statistics in one pass."""
    return [Sketch(values) for values in source.answer(query, rank_key, n_jobs=n_jobs)]
