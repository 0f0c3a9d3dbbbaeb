"""The values that a column with a declared grain can have: evenly spaced decimals, numbered by whole numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Lattice"]

#: Multiples of the finest unit up to this can be told apart in double precision after a product and a quotient.
_LARGEST = 2**50
#: Units in the last place by which sums and products of decimals may miss a value.
_ULPS = 4


def _exactly(number: float) -> Fraction:
    """Return a number as it is written: 0.1 is a tenth."""
    return Fraction(Decimal(repr(number)))


@dataclass(frozen=True)
class Lattice:
    """Values (offset + k * stride) / denominator for whole k from `first` to `last`, each the nearest float.

    Parameters
    ----------
    offset, stride, denominator : int
        What makes a value of its number k.
    first, last : int
        Numbers of the least and of the largest value.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.domain.lattice import Lattice
    >>> cents = Lattice.between(0, 1, 0.01, 0)
    >>> cents.numbers(np.array([29.0])).tolist(), cents.counts(np.array([0.1 + 0.2])).tolist()
    ([0.29], [30.0])
    """

    offset: int
    stride: int
    denominator: int
    first: int
    last: int

    @classmethod
    def between(cls, lower: float, upper: float, step: float, anchor: float) -> Self | None:
        """Return the multiples of a step, counted from an anchor, between two bounds; None if they are too fine."""
        low, high, by, start = map(_exactly, (lower, upper, step, anchor))
        start -= round(start / by) * by  # so that a value and its number are of the same order
        whole = math.lcm(start.denominator, by.denominator)
        first, last = math.ceil((low - start) / by), math.floor((high - start) / by)
        if whole > _LARGEST or max(abs(low), abs(high)) * whole > _LARGEST:
            return None
        return cls(int(start * whole), int(by * whole), whole, first, last)

    def numbers(self, counts: NDArray[Any]) -> NDArray[np.float64]:
        """Return the values of some numbers k: integers below 2**53 and one division, which rounds correctly."""
        return np.asarray((self.offset + np.asarray(counts, dtype=np.float64) * self.stride) / self.denominator)

    def counts(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the number k of the value nearest to each number."""
        counts = np.rint((numbers * self.denominator - self.offset) / self.stride)
        return np.asarray(np.clip(counts, self.first, self.last))

    def holds(self, numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Say which numbers are values, but for what sums and products of decimals are off by: 3 * 0.1 is 0.3."""
        near = self.numbers(self.counts(numbers))
        return np.asarray(np.abs(numbers - near) <= _ULPS * np.spacing(np.abs(near)))

    def meant(self, number: float) -> float:
        """Return the value that a number stands for, also one that was rounded to a shorter float; or the number."""
        near = float(self.numbers(self.counts(np.array([number], dtype=np.float64)))[0])
        short = any(float(dtype(near)) == number for dtype in (np.float32, np.float16))
        return near if short or bool(self.holds(np.array([number]))[0]) else number

    def within(self, low: float, high: float) -> tuple[int, int]:
        """Return the first and the last k whose values lie between two numbers."""
        first, last = (int(k) for k in self.counts(np.array([low, high], dtype=np.float64)))
        return first + int(self._value(first) < low), last - int(self._value(last) > high)

    def _value(self, k: int) -> float:
        return (self.offset + k * self.stride) / self.denominator
