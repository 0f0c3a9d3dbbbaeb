"""Columns that carry no information: one public value, or keys that a public pattern makes. They are not measured."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from skdpflow._validation import invalid
from skdpflow.domain.categories import Scalar, plain_scalar
from skdpflow.domain.columns import Categories, Interval
from skdpflow.domain.dates import units_since_1970

__all__ = ["Constant", "Key", "Unmeasured", "constant_date", "in_dtype_of_numbers"]

#: Most digits to which a pattern may fill its numbers.
_WIDEST = 64


@dataclass(frozen=True, repr=False)
class Constant:
    """A column in which every row has the same public value. It is not measured and costs nothing.

    Parameters
    ----------
    value : str, int, float or bool
        The value. Sampled rows have it in the dtype of the column; dates are given as ISO text ("2024-02-29").

    See Also
    --------
    Key : A column of unique values that a public pattern makes.
    Categories : A column with several values.

    Notes
    -----
    No cell of the column is read, so a private row that has another value changes nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import Constant, DPSlicedWassersteinFlow, Interval
    >>> X = np.column_stack([np.random.default_rng(0).uniform(size=500), np.full(500, 2024.0)])
    >>> flow = DPSlicedWassersteinFlow(domain={"income": Interval(0, 1), "year": Constant(2024)}).fit(X)
    >>> flow.sample(3)[:, 1].tolist()
    [2024.0, 2024.0, 2024.0]
    """

    value: Scalar

    nullable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", plain_scalar("Constant", "value", self.value))

    def cells(self, n: int, first: int = 0) -> tuple[Categories, NDArray[np.int64]]:
        """Return the cells of n rows, as categories and their codes.

        Parameters
        ----------
        n : int
            Number of rows.
        first : int, default=0
            Number of the first row.

        Returns
        -------
        categories : Categories
            The values.
        codes : ndarray of shape (n,), int64
            Which of them each row has.
        """
        return Categories([self.value]), np.zeros(n, dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return the column as a dict that JSON can hold.

        Returns
        -------
        dict
            What a domain file has.
        """
        return {"kind": "constant", "value": self.value}

    def __repr__(self) -> str:
        return f"Constant({self.value!r})"


@dataclass(frozen=True, repr=False)
class Key:
    """A column of unique values that a public pattern makes of numbers. It is not measured and costs nothing.

    Parameters
    ----------
    pattern : str, default="{}"
        Text with one place for a whole number, as `str.format` has it: ``"P{:06d}"`` makes P000000, P000001 and so on.
        In a column of numbers, the text must be a whole number.

    See Also
    --------
    Constant : A column that has one value.

    Notes
    -----
    No cell of the column is read. The rows of a sample are numbered anew, from 0, so keys are unique within a sample
    and have nothing to do with those of the private rows. Two samples share keys.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdpflow import Domain, DPSlicedWassersteinFlow, Interval, Key
    >>> X = pd.DataFrame({"id": ["P000017", "P000004"] * 200, "age": [30.0, 50.0] * 200})
    >>> domain = Domain({"id": Key("P{:06d}"), "age": Interval(0, 100)})
    >>> DPSlicedWassersteinFlow(domain=domain).fit(X).sample(3)["id"].tolist()
    ['P000000', 'P000001', 'P000002']
    """

    pattern: str = "{}"

    nullable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        given: Any = self.pattern
        expected = "text with one place for a whole number, such as 'P{:06d}'"
        if not isinstance(given, str) or not _is_pattern(given):
            raise invalid("Key", "pattern", expected, given)
        object.__setattr__(self, "pattern", str.__str__(given))

    def cells(self, n: int, first: int = 0) -> tuple[Categories, NDArray[np.int64]]:
        """Return the cells of n rows, as categories and their codes.

        Parameters
        ----------
        n : int
            Number of rows.
        first : int, default=0
            Number of the first row.

        Returns
        -------
        categories : Categories
            The values.
        codes : ndarray of shape (n,), int64
            Which of them each row has.
        """
        texts = list(map(self.pattern.format, range(first, first + max(n, 1))))
        return Categories(texts), np.arange(n, dtype=np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Return the column as a dict that JSON can hold.

        Returns
        -------
        dict
            What a domain file has.
        """
        return {"kind": "key", "pattern": self.pattern}

    def __repr__(self) -> str:
        return f"Key({self.pattern!r})"


Unmeasured = Constant | Key


def _is_pattern(text: str) -> bool:
    """Say whether text has one place, in which a whole number shows all of its digits."""
    try:
        fields = [part[1:] for part in string.Formatter().parse(text) if part[1] is not None]
    except ValueError:
        return False
    if len(fields) != 1:
        return False
    name, spec, conversion = fields[0]
    if name not in ("", "0") or conversion:
        return False
    width = (spec or "").removesuffix("d")
    return width == "" or (width.isascii() and width.isdigit() and int(width) <= _WIDEST)


def constant_date(column: Unmeasured) -> Interval | None:
    """Return what holds a constant date, from its ISO text, for columns of dates; None if it is none."""
    text = column.value if isinstance(column, Constant) else None
    moment = None if not isinstance(text, str) else units_since_1970(text, "us")
    return None if moment is None else Interval(moment, moment + 1, unit="us")


def in_dtype_of_numbers(categories: Categories) -> Categories | None:
    """Return text as the whole numbers that it says, for columns of numbers; None if it says none."""
    try:
        return Categories([int(value) if isinstance(value, str) else value for value in categories.values])
    except ValueError:
        return None
