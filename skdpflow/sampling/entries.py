"""The declared values of categories in a dtype, where it can hold them."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Categories
from skdpflow.sampling.dtypes import Dtype

__all__ = ["entries_of", "natural_entries"]


def entries_of(categories: Categories, dtype: Dtype | None) -> Any:
    """Return the values as a dtype has them: an array of numbers, or a list; None if it cannot hold all of them."""
    texts = [isinstance(value, str) for value in categories.values]
    if dtype is not None and dtype.kind == "text" and all(texts):
        return list(categories.values) if dtype.listed is None or dtype.listed.issuperset(categories.values) else None
    if dtype is None or any(texts):
        return None
    if dtype.digits is not None:
        return _decimals(categories, dtype.digits)
    return None if dtype.plain is None else _numbers(categories, dtype.plain)


def _numbers(categories: Categories, plain: np.dtype[Any]) -> NDArray[Any] | None:
    values = [value for value in categories.values if not isinstance(value, str)]
    if plain.kind == "f":
        with np.errstate(over="ignore"):
            entries = np.array(values, dtype=np.float64).astype(plain)
        return entries if np.isfinite(entries).all() else None
    if plain.kind == "b":
        fits = all(value in (0, 1) for value in values)
    else:
        info = np.iinfo(plain)
        fits = all(value == int(value) and info.min <= value <= info.max for value in values)
    return np.array(values, dtype=plain) if fits else None


def _decimals(categories: Categories, digits: tuple[int, int]) -> list[Decimal] | None:
    precision, scale = digits
    entries = [Decimal(repr(value + 0)) for value in categories.values if not isinstance(value, str)]
    counts = [Fraction(entry) * Fraction(10) ** scale for entry in entries]
    fits = all(count.denominator == 1 and abs(count) < 10**precision for count in counts)
    return entries if fits else None


def natural_entries(categories: Categories) -> NDArray[Any]:
    """Return the values in a dtype of their own: that of all of them, or object."""
    kinds = set(map(type, categories.values))
    return np.array(categories.values, dtype=None if len(kinds) == 1 else object)
