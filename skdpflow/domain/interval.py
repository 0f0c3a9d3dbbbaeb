"""Public knowledge about a column of numbers or dates between bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from skdpflow._validation import check_bool, check_choice, check_int, check_real, invalid
from skdpflow.domain.dates import units_since_1970
from skdpflow.domain.grid import FINE_LEVELS, Grid, after
from skdpflow.domain.lattice import Lattice

__all__ = ["UNITS", "Interval", "Since", "since_epoch"]

UNITS = ("D", "h", "m", "s", "ms", "us")
"""Units of dates and times, as numpy calls them: whole numbers of them are counted from 1970."""

_EXACT_INTEGERS = 2**53
_MOST_DECIMALS = 15


class Since(NamedTuple):
    """The column from which another one is measured, and the largest difference of the two."""

    name: str
    width: float


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
    decimals : int or None, default=None
        Number of digits after the point that values have at most, such as 2 for cents. Sampled values are the floats
        nearest to such decimals.
    step : float or None, default=None
        Distance of neighbouring values, counted from `lower`: 0.25 for quarters. Instead of `decimals`. Neither goes
        with ``integer=True`` or a `unit`.
    grid : Grid or None, default=None
        Cells that a fit has located; a released thing, which no fit takes from what is declared.
    since : Since or None, default=None
        The column from which this one is measured, as constraints of a `Domain` say; no fit takes it from here.

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

    A grain (`integer`, `decimals` or `step`) is public knowledge, as all that is declared. Nobody looks for it in the
    rows: a grain that is not declared is known to whoever declares the columns only, and sampled values do not show it.
    With a grain, each cell is read as the value nearest to it, and every value can be found to hold mass of its own.

    Examples
    --------
    >>> from skdpflow.domain.domain import Interval
    >>> Interval(17, 90, integer=True).n_levels
    74
    >>> Interval(0.0, 1.5).n_levels
    1048576
    >>> Interval("2024-01-01", "2024-12-31", unit="D", nullable=True).n_levels
    367
    >>> Interval(0, 4, step=0.25).n_levels
    17
    """

    lower: float
    upper: float
    integer: bool = field(default=False, kw_only=True)
    nullable: bool = field(default=False, kw_only=True)
    unit: str | None = field(default=None, kw_only=True)
    special: tuple[float, ...] = field(default=(), kw_only=True)
    decimals: int | None = field(default=None, kw_only=True)
    step: float | None = field(default=None, kw_only=True)
    grid: Grid | None = field(default=None, kw_only=True, compare=False)
    since: Since | None = field(default=None, kw_only=True, compare=False)

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
            bound = getattr(self, name)
            if self.unit is None and units_since_1970(bound, "us") is not None and not isinstance(bound, int | float):
                raise ValueError(
                    f"Interval needs a unit for dates, such as unit='D' for days. Got {name}={bound!r} without one."
                )
            bound = check_real("Interval", name, bound)
            if integer:
                if not bound.is_integer() or abs(bound) > _EXACT_INTEGERS:
                    raise invalid("Interval", name, "a whole number within 2**53 when integer=True", bound)
                bound = int(bound)
            bounds[name] = bound
        if bounds["lower"] == bounds["upper"]:
            raise ValueError(
                f"Interval needs lower < upper. Got {self.bounds()[0]} twice: declare a column that has one value as "
                f"Constant({self.bounds()[0]}), which is not measured and costs nothing."
            )
        if not bounds["lower"] < bounds["upper"]:
            lower, upper = self.bounds()
            swap = " Are they swapped?" if bounds["lower"] > bounds["upper"] else ""
            raise ValueError(f"Interval needs lower < upper. Got {lower} and {upper} instead.{swap}")
        if not math.isfinite(bounds["upper"] - bounds["lower"]):
            raise ValueError("Interval needs a width upper - lower that is finite in double precision.")
        special = self._special(integer, bounds)
        for name, value in {**bounds, "integer": integer, "nullable": nullable, "special": special}.items():
            object.__setattr__(self, name, value)
        self._check_grain()
        own = self if self.grid is None and self.since is None else self.measured
        if self.grid is not None and (
            self.grid.integer != own.integer
            or self.grid.edges[0] != own.lower
            or self.grid.edges[-1] != after(np.array(float(own.upper)), own.integer)
        ):
            raise ValueError("The grid of an Interval must be one of its own values, from lower to upper.")

    def _check_grain(self) -> None:
        """Refuse a grain that is none, or that double precision cannot tell apart."""
        if self.decimals is None and self.step is None:
            return
        if self.decimals is not None and self.step is not None:
            raise ValueError("Interval takes `decimals` or `step`, not both: decimals=2 says the same as step=0.01.")
        if self.integer:
            raise ValueError(
                "Interval takes `decimals` or `step` for numbers only: leave out integer=True, or the unit of dates."
            )
        if self.decimals is not None:
            decimals = check_int("Interval", "decimals", self.decimals, 1)
            object.__setattr__(self, "decimals", decimals)
        else:
            object.__setattr__(self, "step", check_real("Interval", "step", self.step, 0.0))
        lattice = self.lattice
        if lattice is None:
            raise ValueError(
                f"Double precision does not tell the values of {self!r} apart as written: declare narrower bounds, or "
                "a step or decimals of fewer digits. A third cannot be written as a step: declare the number of "
                "thirds, with integer=True, and divide it afterwards."
            )
        if lattice.last <= lattice.first:
            raise ValueError(f"{self!r} has fewer than two values: declare wider bounds or a finer grain.")
        special = np.array(self.special, dtype=np.float64)
        if (self.nearest(special) != special).any():
            raise ValueError(f"The special values of {self!r} must be values that its grain allows.")

    @cached_property
    def lattice(self) -> Lattice | None:
        """The values that `decimals` or `step` allow; None if neither is declared."""
        if self.decimals is not None:
            within = self.decimals <= _MOST_DECIMALS
            return Lattice.between(self.lower, self.upper, float(f"1e-{self.decimals}"), 0) if within else None
        return None if self.step is None else Lattice.between(self.lower, self.upper, self.step, self.lower)

    @property
    def measured(self) -> Interval:
        """The column as it is measured: itself or its difference, in whole numbers of steps of a declared grain."""
        if self.difference is not None:
            return self.difference.measured
        return self if self.lattice is None else self._in_steps

    @cached_property
    def difference(self) -> Interval | None:
        """The difference from the column that this one is measured from; None if it is measured by itself."""
        if self.since is None:
            return None
        return replace(self, lower=0, upper=self.since.width, unit=None, special=(), since=None)

    @cached_property
    def _in_steps(self) -> Interval:
        assert self.lattice is not None
        first, last = self.lattice.first, self.lattice.last
        special = tuple(self.lattice.counts(np.array(self.special, dtype=np.float64)).tolist())
        return Interval(first, last, integer=True, nullable=self.nullable, special=special, grid=self.grid)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is cached: a column that was used is the same as one that was not."""
        return {own.name: getattr(self, own.name) for own in fields(self)}

    def nearest(self, numbers: Any) -> Any:
        """Return the values nearest to numbers: between the bounds, and of the declared grain.

        Parameters
        ----------
        numbers : ndarray of shape (n,), float64
            Numbers.

        Returns
        -------
        values : ndarray of shape (n,), float64
            Values of the column.
        """
        if self.lattice is not None:
            return self.lattice.numbers(self.lattice.counts(numbers))
        numbers = np.clip(numbers, self.lower, self.upper)
        return np.rint(numbers) if self.integer else numbers

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
        own = self.measured
        return own.integer and own.upper - own.lower + 1 <= FINE_LEVELS

    @property
    def n_values(self) -> int:
        """Number of cells into which the values fall; the code of a missing value."""
        if self.discrete:
            return int(self.measured.upper - self.measured.lower) + 1
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
            **{name: value for name in ("decimals", "step") if (value := getattr(self, name)) is not None},
            **({} if self.grid is None else {"edges": list(self.grid.edges), "shares": list(self.grid.shares)}),
            **({} if self.since is None else {"since": list(self.since)}),
        }

    def codes(self, numbers: Any) -> Any:
        """Return the codes of numbers between the bounds, or of differences, each a function of that number alone.

        Parameters
        ----------
        numbers : ndarray of shape (n,), float64
            Numbers, or dates in units since 1970.

        Returns
        -------
        codes : ndarray of shape (n,), int64
            From 0, less than `n_values`.
        """
        if self.difference is not None:
            return self.difference.codes(numbers)
        if self.lattice is not None:
            return self.measured.codes(self.lattice.counts(numbers))
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
        if self.difference is not None:
            return self.difference.positions(numbers)
        if self.lattice is not None:
            return self.measured.positions(self.lattice.counts(numbers))
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
            Between the bounds, and of the declared grain.
        """
        if self.difference is not None:
            return self.difference.numbers(positions)
        if self.lattice is not None:
            return self.lattice.numbers(self.measured.numbers(positions))
        if self.discrete:
            return self.lower + np.clip(np.floor(positions), 0, self.n_values - 1)
        if self.grid is not None:
            numbers = self.grid.values(positions)
        else:
            # a missing value has a place beyond them
            numbers = self.lower + np.minimum(positions / self.n_values, 1.0) * (self.upper - self.lower)
            numbers = np.where(positions >= np.nextafter(self.n_values, 0.0), self.upper, numbers)  # exact at the end
        return self.nearest(numbers)

    def without_grid(self) -> Interval:
        """Return the same column as it was declared.

        Returns
        -------
        column : Interval
            Without located cells, and measured by itself.
        """
        return self if self.grid is None and self.since is None else replace(self, grid=None, since=None)

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
        grain = {name: getattr(self, name) for name in ("decimals", "step")}
        given += "".join(f", {name}={value!r}" for name, value in grain.items() if value is not None)
        return f"Interval({lower}, {upper}{given})"


def since_epoch(name: str, bound: Any, unit: str) -> int | float:
    """Return a date as a whole number of units since 1970."""
    if isinstance(bound, int | float | np.number):
        return bound  # type: ignore[return-value]
    count = units_since_1970(bound, unit)
    if count is None:
        raise invalid("Interval", name, "a date in ISO form, such as '2024-02-29'", bound)
    return count
