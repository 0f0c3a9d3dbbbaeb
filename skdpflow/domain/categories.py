"""Public knowledge about a column of listed values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import numpy as np

from skdpflow._validation import check_bool, invalid

__all__ = ["Categories", "Scalar", "is_undeclared", "plain_scalar"]

Scalar = str | int | float | bool


def plain_scalar(owner: str, name: str, value: object, expected: str = "") -> Scalar:
    """Return a value as a plain Python scalar."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    raise invalid(owner, name, f"a {expected}str, int, finite float or bool", value)


@dataclass(frozen=True, init=False, repr=False)
class Categories:
    """A column that takes one of finitely many public values.

    Parameters
    ----------
    categories : list of str, int, float or bool, default=None
        The values, in the order in which they are to be listed. None or an empty list means that they are not
        public: each fit then finds those that many rows have, with a part of its epsilon and delta. They are found as
        the dtype of the column has them, in sorted order; all cells of a CSV file are text. Other values are outside.
        Where none is found, `other` stands for all, or else one that is made up: ``"other"``, 0 or False.
    ordered : bool, default=False
        Whether the list is in a meaningful order, as in "low", "medium", "high".
    nullable : bool, default=False
        Whether values may be missing (NaN, None, NA). That a value is missing is then modelled as one more level.
    other : str, int, float, bool or None, default=None
        What stands for every value that is not listed, or not found. It is a level of its own, the last one, unless it
        is listed itself. None leaves such values outside of the column, see `Domain`.

    Attributes
    ----------
    declared : bool
        Whether the values are public.
    values : tuple of str, int, float or bool
        The values, with that of `other`.
    n_values : int
        Number of values; the code of a missing one.
    n_levels : int
        The same, and one more for missing values where the column is nullable.
    discrete : bool
        Always True: every level stands for one value.

    See Also
    --------
    Interval : A numeric column.

    Notes
    -----
    Values are compared as Python compares them: 1, 1.0 and True are equal and cannot be told apart, "1" is
    another value.

    Examples
    --------
    >>> from skdpflow.domain.domain import Categories
    >>> Categories(["A", "B", "C"]).n_levels
    3
    >>> Categories(["Oslo", "Bergen"], other="other").values
    ('Oslo', 'Bergen', 'other')
    >>> Categories().declared
    False
    """

    categories: tuple[Scalar, ...] | None
    ordered: bool
    nullable: bool
    other: Scalar | None

    def __init__(
        self,
        categories: Iterable[Scalar] | None = None,
        *,
        ordered: bool = False,
        nullable: bool = False,
        other: Scalar | None = None,
    ) -> None:
        given: object = () if categories is None else categories
        if isinstance(given, str | bytes | Set | Mapping) or not isinstance(given, Iterable):
            raise invalid("Categories", "categories", "an ordered list of values or None", given)
        values: dict[Scalar, Scalar] = {}
        for value in (plain_scalar("Categories", "categories", value, "list of ") for value in given):
            if value in values:
                raise ValueError(
                    f"The values of Categories must be unique: {values[value]!r} and {value!r} are equal "
                    "(True, 1 and 1.0 are the same value). Drop one, or spell them as str."
                )
            values[value] = value
        object.__setattr__(self, "categories", tuple(values) or None)
        object.__setattr__(self, "ordered", check_bool("Categories", "ordered", ordered))
        object.__setattr__(self, "nullable", check_bool("Categories", "nullable", nullable))
        object.__setattr__(self, "other", None if other is None else plain_scalar("Categories", "other", other))
        if self.other is not None and self.ordered and not values:
            raise ValueError("Ordered Categories take `other` beside a list of values only, which gives it a place.")
        if self.other is not None and self.ordered and self.other not in values:
            raise ValueError(
                f"Ordered Categories need a place for other={self.other!r}: list it among the values, where it belongs."
            )

    @property
    def declared(self) -> bool:
        """Whether the values are public."""
        return self.categories is not None

    @property
    def values(self) -> tuple[Scalar, ...]:
        """The declared values; a ValueError if they are still to be found."""
        if self.categories is None:
            raise ValueError("These Categories have no values yet: list them, or find them privately first.")
        if self.other is None or self.other in self.categories:
            return self.categories
        return (*self.categories, self.other)

    @property
    def discrete(self) -> bool:
        """Whether every level stands for exactly one value: always."""
        return True

    @property
    def n_values(self) -> int:
        """Number of values; the code of a missing one."""
        return len(self.values)

    @property
    def n_levels(self) -> int:
        """Number of values, and one more for missing ones where the column is nullable."""
        return self.n_values + self.nullable

    def to_dict(self) -> dict[str, Any]:
        """Return the column as a dict that JSON can hold.

        Returns
        -------
        dict
            What `column_from_dict` takes.
        """
        return {
            "kind": "categories",
            "categories": list(self.categories) if self.categories else None,
            "ordered": self.ordered,
            "nullable": self.nullable,
            **({} if self.other is None else {"other": self.other}),
        }

    def listing(self, values: Iterable[Scalar]) -> Categories:
        """Return the same column with other values.

        Parameters
        ----------
        values : list of str, int, float or bool
            The values.

        Returns
        -------
        column : Categories
            With these values.
        """
        return replace(self, categories=tuple(values))

    def without_gaps(self) -> Categories:
        """Return the same column, not nullable.

        Returns
        -------
        column : Categories
            Without missing cells.
        """
        return Categories(self.categories, ordered=self.ordered, other=self.other)

    def __repr__(self) -> str:
        given = [] if self.categories is None else [repr(list(self.categories))]
        given += [f"{name}=True" for name in ("ordered", "nullable") if getattr(self, name)]
        given += [] if self.other is None else [f"other={self.other!r}"]
        return f"Categories({', '.join(given)})"


def is_undeclared(column: object) -> TypeGuard[Categories]:
    """Say whether the values of a column, or the labels of a target, are to be found privately."""
    return isinstance(column, Categories) and not column.declared
