"""Typed terms over the columns of a table, and how they are evaluated on rows."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain.columns import Categories

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Microseconds of the units of dates.
MICROSECONDS = {"D": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1000, "us": 1}
EXACT = 2.0**53


class Data(NamedTuple):
    """One column of rows: numbers, dates in units since 1970, or codes of categories; what is missing may be anything.

    `roundoff` is that of the floating-point numbers that the cells are kept as; 0 where all are whole.
    """

    values: Array
    missing: Mask
    roundoff: float = 0.0


Rows = Mapping[str, Data]


class Evaluated(NamedTuple):
    """Numbers, a bound on their rounding errors, and which are missing."""

    x: Any
    error: Any
    missing: Any


@dataclass(frozen=True, eq=False)
class Number:
    """A numeric expression, or a date as a number of `unit` since 1970.

    `slopes` are the derivatives by each column in it, None where they are no constants. `constant` is its value if
    there is no column in it.
    """

    value: Callable[[Rows], Evaluated]
    whole: bool
    unit: str | None
    slopes: Mapping[str, float | None]
    constant: float | None = None


@dataclass(frozen=True, eq=False)
class Label:
    """A column of categories that are not all numbers."""

    name: str
    column: Categories


@dataclass(frozen=True, eq=False)
class Literal:
    """Text, a boolean, or None."""

    value: str | bool | None


#: In three-valued logic: which rows make it true, and which false. If it depends on a missing cell, it is neither.
Truth = Callable[[Rows], tuple[Mask, Mask]]
Term = Number | Label | Literal | Truth

ORDER: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip


def known(found: Any, missing: Any) -> tuple[Mask, Mask]:
    """Return which rows make a comparison true, and which false."""
    return found & ~missing, ~found & ~missing


def negated(truth: Truth) -> Truth:
    """Swap true and false."""
    return lambda rows: truth(rows)[::-1]


def any_of(truths: list[Truth]) -> Truth:
    """Return what is true where one of the parts is."""

    def value(rows: Rows) -> tuple[Mask, Mask]:
        found = [truth(rows) for truth in truths]
        return np.any([true for true, _ in found], axis=0), np.all([false for _, false in found], axis=0)

    return value


def all_of(truths: list[Truth]) -> Truth:
    """Return what is true where all parts are."""
    return negated(any_of([negated(truth) for truth in truths]))


def constant_of(value: float, unit: str | None = None) -> Number:
    """Return a number that is the same in every row."""
    whole = float(value).is_integer()
    evaluated = Evaluated(np.float64(value), 0.0 if whole else abs(value) * 2.0**-52, np.False_)
    return Number(lambda rows: evaluated, whole, unit, {}, float(value))


def _scaled(number: Number, factor: int, unit: str | None) -> Number:
    """Return dates in a finer unit."""
    scaled = arithmetic(operator.mul, number, constant_of(factor))
    return Number(scaled.value, scaled.whole, unit, scaled.slopes, scaled.constant)


def in_one_unit(left: Number, right: Number) -> tuple[Number, Number, str]:
    """Return two dates in the finer of their units."""
    assert left.unit is not None
    assert right.unit is not None
    factor = MICROSECONDS[left.unit] / MICROSECONDS[right.unit]
    if factor > 1:
        left = _scaled(left, int(factor), right.unit)
    elif factor < 1:
        right = _scaled(right, round(1 / factor), left.unit)
    unit = left.unit
    assert unit is not None
    return left, right, unit


def _slopes(op: Any, left: Number, right: Number) -> dict[str, float | None]:
    names = [*left.slopes, *(name for name in right.slopes if name not in left.slopes)]
    if op in (operator.add, operator.sub):
        pairs = {name: (left.slopes.get(name, 0.0), right.slopes.get(name, 0.0)) for name in names}
        return {name: None if p is None or q is None else op(p, q) for name, (p, q) in pairs.items()}
    if right.constant is not None and not (op is operator.truediv and right.constant == 0):
        return {name: None if p is None else op(p, right.constant) for name, p in left.slopes.items()}
    if op is operator.mul and left.constant is not None:
        return {name: None if p is None else left.constant * p for name, p in right.slopes.items()}
    return dict.fromkeys(names)


def arithmetic(op: Any, left: Number, right: Number, unit: str | None = None) -> Number:
    """Combine two numbers, with a bound on the rounding errors of the result."""
    whole = left.whole and right.whole and op is not operator.truediv

    def value(rows: Rows) -> Evaluated:
        (a, da, gone), (b, db, lost) = left.value(rows), right.value(rows)
        x = op(a, b)
        spread = np.abs(x) * 2.0**-52
        if op is operator.mul:
            error = np.abs(a) * db + np.abs(b) * da + spread
        elif op is operator.truediv:
            error = (da + np.abs(x) * db) / np.abs(b) + spread
        else:
            error = da + db + spread
        return Evaluated(x, np.where(np.abs(x) <= EXACT, 0.0, error) if whole else error, gone | lost)

    constant = None
    if left.constant is not None and right.constant is not None:
        with np.errstate(all="ignore"):
            constant = float(op(np.float64(left.constant), np.float64(right.constant)))
    return Number(value, whole, unit, _slopes(op, left, right), constant)


def compared(left: Number, op: type[ast.cmpop], right: Number) -> Truth:
    """Compare two numbers; equal ones may differ by their rounding errors."""

    def value(rows: Rows) -> tuple[Mask, Mask]:
        (a, da, gone), (b, db, lost) = left.value(rows), right.value(rows)
        if op in ORDER:
            return known(ORDER[op](a, b), gone | lost)
        close = np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= 4.0 * (da + db))
        true, false = known((a == b) | close, gone | lost)
        return (true, false) if op is ast.Eq else (false, true)

    return value
