"""Public knowledge about one column: numbers and dates between bounds, or listed values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skdpflow._validation import check_bool, check_choice, check_real, invalid
from skdpflow.domain.dates import units_since_1970
from skdpflow.domain.grid import FINE_LEVELS, Grid, after

__all__ = ["FINE_LEVELS", "UNITS", "Categories", "Column", "Interval", "column_from_dict", "since_epoch", "take"]

UNITS = ("D", "h", "m", "s", "ms", "us")
"""Units of dates and times, as numpy calls them: whole numbers of them are counted from 1970."""

_EXACT_INTEGERS = 2**53

Scalar = str | int | float | bool


@dataclass(frozen=True, repr=False)
class Interval:
    """A column of numbers or dates that lie between two public bounds.

    Parameters
    ----------
    lower, upper : float, or str or date or datetime64 with a unit
        The bounds; finite, with ``lower < upper``. Both belong to the interval. Values outside are clipped. Dates
        and times are given as ISO text ("2024-02-29", or "20240229"), or as dates of Python, numpy or pandas; they are
        kept as whole numbers of `unit` since 1970.
    integer : bool, default=False
        Whether only whole numbers occur; the bounds must then be whole numbers of at most 2**53. True with a `unit`.
    nullable : bool, default=False
        Whether values may be missing (NaN, None, NA, NaT). That a value is missing is then modelled as one more level.
    unit : {"D", "h", "m", "s", "ms", "us"} or None, default=None
        For dates and times, the unit to which they are known. Days ("D") are those of a column's own time zone, where
        it has one; finer units are counted in UTC. Columns of numbers are refused then: the dtype does not say whether
        20240229 is a date, a number of days or one of seconds, and each would give other dates. Make dates of them
        first, as with ``pandas.to_datetime(column, unit="D")`` or ``(column, format="%Y%m%d")``.
    special : list of float, or of str or dates with a unit, default=()
        Single values that mean something of their own, such as 0 or the codes -9 and 999 of "refused" and "unknown".
        They lie between the bounds, are counted each by itself, and come back exactly.
    grid : Grid or None, default=None
        Cells that a fit has located; a released thing, which no fit takes from what is declared.

    Attributes
    ----------
    n_values : int
        Number of cells of the integer lattice into which the values fall; the code of a missing value.
    n_levels : int
        The same, and one more for missing values where the column is nullable.
    discrete : bool
        Whether every level stands for exactly one value.
    ordered : bool
        Always True: levels that follow each other are close.

    See Also
    --------
    Categories : A column with finitely many named values.
    Domain : All columns of a table.

    Notes
    -----
    An integer interval of at most 2**20 values has one level per value. Any other interval is cut into 2**20
    equal cells; if it is an integer one, values are rounded on the way out.

    Examples
    --------
    >>> from skdpflow.domain.domain import Interval
    >>> Interval(17, 90, integer=True).n_levels
    74
    >>> Interval(0.0, 1.5).n_levels
    1048576
    >>> Interval("2024-01-01", "2024-12-31", unit="D", nullable=True).n_levels
    367
    """

    lower: float
    upper: float
    integer: bool = field(default=False, kw_only=True)
    nullable: bool = field(default=False, kw_only=True)
    unit: str | None = field(default=None, kw_only=True)
    special: tuple[float, ...] = field(default=(), kw_only=True)
    grid: Grid | None = field(default=None, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        integer = check_bool("Interval", "integer", self.integer)
        nullable = check_bool("Interval", "nullable", self.nullable)
        if self.unit is not None:
            check_choice("Interval", "unit", self.unit, UNITS, otherwise="None")
            integer = True
            for name in ("lower", "upper"):
                object.__setattr__(self, name, since_epoch(name, getattr(self, name), self.unit))
        bounds: dict[str, float] = {}
        for name in ("lower", "upper"):
            bound = check_real("Interval", name, getattr(self, name))
            if integer:
                if not bound.is_integer() or abs(bound) > _EXACT_INTEGERS:
                    raise invalid("Interval", name, "a whole number within 2**53 when integer=True", bound)
                bound = int(bound)
            bounds[name] = bound
        if not bounds["lower"] < bounds["upper"]:
            raise ValueError(f"Interval needs lower < upper. Got {self.lower!r} and {self.upper!r} instead.")
        if not math.isfinite(bounds["upper"] - bounds["lower"]):
            raise ValueError("Interval needs a width upper - lower that is finite in double precision.")
        special = self._special(integer, bounds)
        for name, value in {**bounds, "integer": integer, "nullable": nullable, "special": special}.items():
            object.__setattr__(self, name, value)
        if self.grid is not None and (
            self.grid.integer != integer
            or self.grid.edges[0] != self.lower
            or self.grid.edges[-1] != after(np.array(float(self.upper)), integer)
        ):
            raise ValueError("The grid of an Interval must be one of its own values, from lower to upper.")

    def _special(self, integer: bool, bounds: Mapping[str, float]) -> tuple[float, ...]:
        """Return the special values, each once and in order."""
        given: object = self.special
        if isinstance(given, str | bytes | Set | Mapping) or not isinstance(given, Iterable):
            raise invalid("Interval", "special", "a list of values", given)
        out = []
        for value in given:
            value = value if self.unit is None else since_epoch("special", value, self.unit)
            value = check_real("Interval", "special", value)
            if not bounds["lower"] <= value <= bounds["upper"] or (integer and not value.is_integer()):
                expected = "values between the bounds" + (", whole ones" if integer else "")
                raise invalid("Interval", "special", expected, value)
            out.append(int(value) if integer else value + 0.0)
        return tuple(sorted(set(out)))

    @property
    def discrete(self) -> bool:
        """Whether every level stands for exactly one value."""
        return self.integer and self.upper - self.lower + 1 <= FINE_LEVELS

    @property
    def n_values(self) -> int:
        """Number of cells into which the values fall; the code of a missing value."""
        if self.discrete:
            return int(self.upper - self.lower) + 1
        return FINE_LEVELS if self.grid is None else self.grid.n_levels

    @property
    def n_levels(self) -> int:
        """Number of cells, and one more for missing values where the column is nullable."""
        return self.n_values + self.nullable

    @property
    def ordered(self) -> bool:
        """Whether levels that follow each other are close: always."""
        return True

    def to_dict(self) -> dict[str, Any]:
        """Return the column as a dict that JSON can hold.

        Returns
        -------
        dict
            What `column_from_dict` takes.
        """
        return {
            "kind": "interval",
            "lower": self.lower,
            "upper": self.upper,
            "integer": self.integer,
            "nullable": self.nullable,
            "unit": self.unit,
            "special": list(self.special),
            **({} if self.grid is None else {"edges": list(self.grid.edges), "shares": list(self.grid.shares)}),
        }

    def codes(self, numbers: Any) -> Any:
        """Return the codes of numbers between the bounds, each a function of that number alone.

        Parameters
        ----------
        numbers : ndarray of shape (n,), float64
            Numbers, or dates in units since 1970.

        Returns
        -------
        codes : ndarray of shape (n,), int64
            From 0, less than `n_values`.
        """
        if self.discrete:
            return (np.rint(numbers) - self.lower).astype(np.int64)
        if self.grid is not None:
            return self.grid.codes(numbers)
        cells = np.floor((numbers - self.lower) / (self.upper - self.lower) * FINE_LEVELS)
        return np.minimum(cells, FINE_LEVELS - 1).astype(np.int64)

    def positions(self, numbers: Any) -> Any:
        """Return where numbers lie among the codes: of a value with a code of its own, where that begins.

        Parameters
        ----------
        numbers : ndarray of shape (n,), float64
            Numbers between the bounds.

        Returns
        -------
        positions : ndarray of shape (n,), float64
            From 0 to `n_values`.
        """
        if self.discrete:
            return numbers - self.lower
        if self.grid is not None:
            return self.grid.positions(numbers)
        return (numbers - self.lower) * (self.n_values / (self.upper - self.lower))

    def numbers(self, positions: Any) -> Any:
        """Return the numbers at positions among the codes, the inverse of `positions`.

        Parameters
        ----------
        positions : ndarray of shape (n,), float64
            Codes, and places inside them.

        Returns
        -------
        numbers : ndarray of shape (n,), float64
            Between the bounds, and whole if the column is of whole numbers.
        """
        if self.discrete:
            return self.lower + np.clip(np.floor(positions), 0, self.n_values - 1)
        if self.grid is not None:
            numbers = self.grid.values(positions)
        else:
            numbers = self.lower + positions / self.n_values * (self.upper - self.lower)
            numbers = np.where(positions >= np.nextafter(self.n_values, 0.0), self.upper, numbers)  # exact at the end
        numbers = np.clip(numbers, self.lower, self.upper)
        return np.rint(numbers) if self.integer else numbers

    def without_grid(self) -> Interval:
        """Return the same column as it was declared.

        Returns
        -------
        column : Interval
            Without located cells.
        """
        return self if self.grid is None else replace(self, grid=None)

    def without_gaps(self) -> Interval:
        """Return the same column, not nullable.

        Returns
        -------
        column : Interval
            Without missing cells.
        """
        return replace(self, nullable=False)

    def bounds(self) -> tuple[str, str]:
        """Return the bounds as text: numbers, or dates in ISO form.

        Returns
        -------
        lower, upper : str
            The bounds.
        """
        if self.unit is None:
            return repr(self.lower), repr(self.upper)
        lower, upper = map(str, np.array([self.lower, self.upper]).astype(f"datetime64[{self.unit}]"))
        return repr(lower), repr(upper)

    def __repr__(self) -> str:
        lower, upper = self.bounds()
        given = ", integer=True" if self.integer and self.unit is None else ""
        given += ", nullable=True" if self.nullable else ""
        given += "" if self.unit is None else f", unit={self.unit!r}"
        given += f", special={list(self.special)!r}" if self.special else ""
        return f"Interval({lower}, {upper}{given})"


def since_epoch(name: str, bound: Any, unit: str) -> int | float:
    """Return a date as a whole number of units since 1970."""
    if isinstance(bound, int | float | np.number):
        return bound  # type: ignore[return-value]
    count = units_since_1970(bound, unit)
    if count is None:
        raise invalid("Interval", name, "a date in ISO form, such as '2024-02-29'", bound)
    return count


def _plain_scalar(value: object) -> Scalar:
    """Return a category as a plain Python scalar."""
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
    raise invalid("Categories", "categories", "a list of str, int, finite float or bool", value)


@dataclass(frozen=True, init=False, repr=False)
class Categories:
    """A column that takes one of finitely many public values.

    Parameters
    ----------
    categories : list of str, int, float or bool, default=None
        The values, in the order in which they are to be listed. None or an empty list means that they are not
        public: each fit then finds those that many rows have, with a part of its epsilon and delta. They are found as
        the dtype of the column has them, in sorted order; all cells of a CSV file are text. Other values are outside.
        Where none is found, one that is made up stands for all: ``"other"``, 0 or False.
    ordered : bool, default=False
        Whether the list is in a meaningful order, as in "low", "medium", "high".
    nullable : bool, default=False
        Whether values may be missing (NaN, None, NA). That a value is missing is then modelled as one more level.

    Attributes
    ----------
    declared : bool
        Whether the values are public.
    values : tuple of str, int, float or bool
        The values.
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
    >>> Categories().declared
    False
    """

    categories: tuple[Scalar, ...] | None
    ordered: bool
    nullable: bool

    def __init__(
        self, categories: Iterable[Scalar] | None = None, *, ordered: bool = False, nullable: bool = False
    ) -> None:
        given: object = () if categories is None else categories
        if isinstance(given, str | bytes | Set | Mapping) or not isinstance(given, Iterable):
            raise invalid("Categories", "categories", "an ordered list of values or None", given)
        values: dict[Scalar, Scalar] = {}
        for value in map(_plain_scalar, given):
            if value in values:
                raise ValueError(
                    f"The values of Categories must be unique: {values[value]!r} and {value!r} are equal "
                    "(True, 1 and 1.0 are the same value). Drop one, or spell them as str."
                )
            values[value] = value
        object.__setattr__(self, "categories", tuple(values) or None)
        object.__setattr__(self, "ordered", check_bool("Categories", "ordered", ordered))
        object.__setattr__(self, "nullable", check_bool("Categories", "nullable", nullable))

    @property
    def declared(self) -> bool:
        """Whether the values are public."""
        return self.categories is not None

    @property
    def values(self) -> tuple[Scalar, ...]:
        """The declared values; a ValueError if they are still to be found."""
        if self.categories is None:
            raise ValueError("These Categories have no values yet: list them, or find them privately first.")
        return self.categories

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
        return Categories(self.categories, ordered=self.ordered)

    def __repr__(self) -> str:
        given = [] if self.categories is None else [repr(list(self.categories))]
        given += [f"{name}=True" for name in ("ordered", "nullable") if getattr(self, name)]
        return f"Categories({', '.join(given)})"


Column = Interval | Categories


def take(data: object, what: str, keys: set[str]) -> dict[str, Any]:
    """Return a dict that has exactly these keys, or say what is wrong with it."""
    if not isinstance(data, Mapping) or set(data) != keys:
        raise ValueError(f"{what} must be a dict with exactly the keys {', '.join(sorted(keys))}.")
    return dict(data)


def column_from_dict(data: Mapping[str, Any]) -> Column:
    """Build a column from what its ``to_dict`` gave.

    Examples
    --------
    >>> from skdpflow.domain.domain import Interval, column_from_dict
    >>> column_from_dict(Interval(0, 3, integer=True).to_dict())
    Interval(0, 3, integer=True)
    """
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if kind == "interval":
        located = {"edges", "shares"} & set(data)  # what a fit has found
        names = {"kind", "lower", "upper", "integer", "nullable", "unit", "special"}
        fields = take(data, "An interval", names | ({"edges", "shares"} if located else set()))
        del fields["kind"]
        edges, shares = fields.pop("edges", None), fields.pop("shares", None)
        if located:
            fields["grid"] = Grid(tuple(map(float, edges)), tuple(map(float, shares)), bool(fields["integer"]))
        return Interval(fields.pop("lower"), fields.pop("upper"), **fields)
    if kind == "categories":
        fields = take(data, "A categories column", {"kind", "categories", "ordered", "nullable"})
        if not isinstance(fields["categories"], list | None):
            raise ValueError("The 'categories' of a column must be a list or null.")
        return Categories(fields["categories"], ordered=fields["ordered"], nullable=fields["nullable"])
    raise ValueError("The 'kind' of a column must be 'interval' or 'categories'.")
