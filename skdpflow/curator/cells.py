"""Cells of one column as numbers, dates, categories or gaps, each a function of that cell alone."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from fractions import Fraction
from itertools import repeat
from threading import Lock
from typing import Any, NamedTuple
from warnings import catch_warnings

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Categories, Interval
from skdpflow.domain.codes import code_of
from skdpflow.domain.dates import NANOSECONDS, units_since_1970

__all__ = [
    "RawCells",
    "category_codes",
    "missing_objects",
    "missing_type",
    "numbers_of",
    "numbers_of_objects",
    "plain_label",
    "quiet",
    "to_float",
]

_NUMBERS = (int, float, np.bool_, np.integer, np.floating, Decimal, Fraction)
#: Types whose objects compare and convert as Python's own, so that whole blocks of them may be treated at once.
_PLAIN = (str, int, float, bool, type(None))
#: Scalars of numpy that are numbers; it counts time differences as integers.
_SCALARS = {k for k in np.sctypeDict.values() if issubclass(k, np.bool_ | np.number) and np.dtype(k).kind in "biuf"}


class RawCells(NamedTuple):
    """Cells of a column as they were read.

    Parameters
    ----------
    values : ndarray of shape (n,)
        The cells, of the dtype that the type of the column has; anything where a cell is missing.
    gaps : ndarray of shape (n,), bool
        Which cells are missing.
    """

    values: NDArray[Any]
    gaps: NDArray[np.bool_]


class _Silence:
    """Holds warnings back while at least one pass over rows is going on.

    Filters of warnings belong to the whole process. So they are changed by the first pass that begins and set back by
    the last one that ends, whichever threads these run in: each setting back what it found could leave them changed.
    """

    def __init__(self) -> None:
        self._lock, self._passes, self._filters = Lock(), 0, ExitStack()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        """In a forked process no pass of another thread will end."""
        self._filters.close()
        self._lock, self._passes = Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if self._passes == 0:
                self._filters.enter_context(catch_warnings(action="ignore"))
            self._passes += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._passes -= 1
            if self._passes == 0:
                self._filters.close()


_SILENCE = _Silence()


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress all warnings of a pass over rows, since whether and how often one occurs may depend on a cell."""
    with _SILENCE, np.errstate(all="ignore"):
        yield


def missing_type(kind: type) -> bool:
    """Say whether a type has missing values only: None, pandas' NA and NaT."""
    return kind is type(None) or kind.__name__ in ("NAType", "NaTType")


def _made_of(cells: list[Any], kinds: tuple[type, ...]) -> bool:
    """Say whether all cells are exactly of these types, which are told apart without a method of theirs."""
    return set(map(id, map(type, cells))) <= set(map(id, kinds))


def _plain(cell: Any) -> Any:
    """Return a cell as text or number of Python's own; None if it is neither.

    A user's class may derive from a known one. Its methods are not called: they could print something, or store the
    cells before.
    """
    kind = type(cell)
    if issubclass(kind, str):
        return str.__str__(cell)
    if issubclass(kind, int):
        return int.__index__(cell)
    if issubclass(kind, float):
        return float.__float__(cell)
    if issubclass(kind, Decimal):
        return Decimal(cell)
    if kind is Fraction:
        return cell
    if not issubclass(kind, np.generic) or kind not in _SCALARS:
        return None
    return float(cell) if issubclass(kind, np.floating) else int(cell)


def _missing(cell: Any) -> bool:
    kind = type(cell)
    if cell is np.ma.masked:
        return True
    try:
        if missing_type(kind):
            return True
        if kind is np.datetime64:
            return bool(np.isnat(cell))
        number = _plain(cell)
        if type(number) is Decimal:
            return number.is_qnan()  # a signalling NaN is no missing value
        return type(number) is float and math.isnan(number)
    except Exception:  # of a class of the user's own
        return False


def missing_objects(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Say which objects are missing cells: None, NA, NaT, NaN and numpy's constant for what is masked."""
    cells = values.tolist()
    if _made_of(cells, _PLAIN):  # as below, but faster
        return np.asarray((values != values) | (values == None), dtype=np.bool_)  # noqa: E711
    return np.fromiter(map(_missing, cells), dtype=np.bool_, count=len(cells))


def _numeric(kind: type) -> bool:
    # numpy counts its time differences as integers
    return issubclass(kind, _NUMBERS) and not issubclass(kind, np.timedelta64)


def _number(cell: Any) -> float:
    """Return a cell as a number; NaN if it is none."""
    number: Any = None
    try:
        number = _plain(cell)
        return math.nan if number is None or type(number) is str else float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
    except Exception:  # of a signalling NaN, or of a class of the user's own
        return math.nan


def numbers_of_objects(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return objects as numbers; NaN for what is none, and infinity for what is beyond double precision."""
    cells = values.tolist()
    if _made_of(cells, _PLAIN[1:]):
        try:
            return values.astype(np.float64)  # as below, but faster
        except OverflowError:
            pass
    return np.fromiter(map(_number, cells), dtype=np.float64, count=len(cells))


def to_float(values: NDArray[Any], label: str) -> NDArray[np.float64]:
    """Convert a column to float64, where all cells must be numbers, as scikit-learn demands."""
    if values.dtype.kind in "biuf":
        with np.errstate(over="ignore"):
            return values.astype(np.float64)
    kinds = set(map(type, values.tolist())) if values.dtype.kind == "O" else {values.dtype.type}
    if any(issubclass(kind, complex | np.complexfloating) for kind in kinds):
        raise ValueError(f"Complex data not supported: {label} holds complex numbers.")
    if any(issubclass(kind, str | bytes) for kind in kinds):
        raise ValueError(
            f"{label} holds text where numbers are expected. Convert it to numbers, or give a Domain that "
            "declares it with Categories([...])."
        )
    if not all(missing_type(kind) or _numeric(kind) for kind in kinds):
        raise TypeError(
            f"{label} cannot be read as numbers: a float() argument must be a string or a real number. "
            "Convert durations, times and nested values to numbers first, and declare dates: Interval(..., unit='D')."
        )
    return numbers_of_objects(values)


def _in_units(moments: NDArray[Any], unit: str) -> NDArray[np.float64]:
    """Return dates of numpy in whole units since 1970; without overflow, whatever they are."""
    own, step = np.datetime_data(moments.dtype)
    if own in ("Y", "M"):
        far = moments.astype(np.int64)
        near = np.clip(far, -(10**8) // step, 10**8 // step).astype(moments.dtype)
        moments, own, step = near.astype("datetime64[D]"), "D", 1
    counts, length = moments.astype(np.int64), step * NANOSECONDS[own]
    if length >= NANOSECONDS[unit]:
        return counts.astype(np.float64) * (length // NANOSECONDS[unit])
    factor = math.gcd(length, NANOSECONDS[unit])
    if step == 1:
        return np.floor_divide(counts, NANOSECONDS[unit] // length).astype(np.float64)
    multiples = counts.astype(object) * (length // factor) // (NANOSECONDS[unit] // factor)
    return np.asarray(multiples.astype(np.float64))


def _each(read: Callable[[Any], Any], cells: list[Any]) -> NDArray[np.float64]:
    """Read cells one by one, text that occurs often once only."""
    if _made_of(cells, (str, type(None))):
        known = {cell: read(cell) for cell in set(cells)}
        read = known.__getitem__
    return np.fromiter(map(read, cells), dtype=np.float64, count=len(cells))


def _no_date(cell: Any) -> bool:
    """Say whether text stands for a missing date."""
    return issubclass(type(cell), str) and str.strip(cell).lower() in ("", "nat")


def numbers_of(raw: RawCells, column: Interval | None) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return cells as numbers, dates in whole units since 1970."""
    values, gaps = raw
    unit = None if column is None else column.unit
    if values.dtype.kind == "M":
        numbers = _in_units(values, unit or "D")
    elif values.dtype.kind in "biuf":
        numbers = values.astype(np.float64)
    elif unit is None:
        numbers = numbers_of_objects(values)
    else:
        cells = values.tolist()
        gaps = gaps | np.fromiter(map(_no_date, cells), dtype=np.bool_, count=len(cells))

        def moment(cell: Any) -> float:
            count = units_since_1970(cell, unit)
            return math.nan if count is None else float(count)

        numbers = _each(moment, cells)
    if gaps.any():
        numbers = np.where(gaps, np.nan, numbers)
    return numbers, gaps


class _Index:
    """Codes of categories by value, for cells of one type."""

    def __init__(self, categories: Categories, single: np.dtype[Any] | None) -> None:
        self.by_value: dict[Any, int] = {}
        other = categories.other
        self.unlisted = code_of(categories, "unlisted") if other is None else categories.values.index(other)
        self._exact: dict[Any, int] = {}
        self._floats: dict[float, int] = {}
        for code, value in enumerate(categories.values):
            if not isinstance(value, float):
                self._exact[value] = code
            else:
                self._floats[value] = code
                if single is not None:
                    value = float(single.type(value))  # 0.1 is another number in a column of float32
            self.by_value.setdefault(value, code)

    def code(self, cell: Any) -> int:
        """Return the code of an object of any class; only those of known ones can be a category."""
        try:
            value = _plain(cell)
            if type(value) is Decimal:  # 0.1 is no float: a category is meant as it is written
                return self.of_decimal(value)
            return self.by_value.get(value, self.unlisted)
        except Exception:  # of a class of the user's own
            return self.unlisted

    def of_whole(self, cells: NDArray[Any]) -> NDArray[np.int64]:
        """Return the codes of whole numbers, or booleans, which equal 0 and 1."""
        if cells.dtype.kind == "b":
            cells = cells.view(np.uint8)
        limits, whole = np.iinfo(cells.dtype), dict[int, int]()
        for value, code in self.by_value.items():
            if not isinstance(value, str) and limits.min <= value <= limits.max and value == int(value):
                whole[int(value)] = code
        if not whole:
            return np.full(len(cells), self.unlisted, dtype=np.int64)
        known = np.array(sorted(whole), dtype=cells.dtype)
        codes = np.array([whole[value] for value in sorted(whole)], dtype=np.int64)
        place = np.minimum(np.searchsorted(known, cells), len(known) - 1)
        return np.where(known[place] == cells, codes[place], self.unlisted)

    def of_decimal(self, cell: Decimal) -> int:
        """Return the code of a decimal number."""
        if not cell.is_finite():
            return self.unlisted
        return self._exact.get(cell, self._floats.get(float(cell), self.unlisted))


def category_codes(raw: RawCells, categories: Categories, single: np.dtype[Any] | None = None) -> NDArray[np.int64]:
    """Encode one column of categories; whatever is not among them is unlisted."""
    values, gaps = raw
    index = _Index(categories, single)
    if values.dtype.kind in "biu":
        codes = index.of_whole(values)
    else:
        cells = values.tolist()
        if values.dtype.kind != "O" or _made_of(cells, _PLAIN):
            found = map(index.by_value.get, cells, repeat(index.unlisted))
        else:
            found = map(index.code, cells)
        codes = np.fromiter(found, dtype=np.int64, count=len(cells))
    if gaps.any():
        codes[gaps] = categories.n_values if categories.nullable else index.unlisted
    return codes


def plain_label(cell: Any) -> Any:
    """Return a label as text or number of Python's own, whole numbers as int; None for all else."""
    try:
        label = _plain(cell)
        if label is None or type(label) is str:
            return label
        if type(label) in (Decimal, Fraction):
            label = int(label) if abs(label) < 2**64 and label == int(label) else float(label)
        if type(label) is float and label.is_integer():
            label = int(label)
        return label if abs(label) < 2**64 else None  # NaN and infinity are not, either
    except Exception:  # of a class of the user's own, or a signalling NaN
        return None
