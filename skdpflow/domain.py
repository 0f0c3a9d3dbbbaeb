"""Public knowledge about the columns of a table: what values they may take.

Nothing here is ever learnt from rows. A domain is what the data holder is willing to say to anybody,
and every privacy guarantee of the package takes it as given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from skdpflow._validation import check_bool, check_real, invalid

__all__ = [
    "FINE_LEVELS",
    "Categories",
    "Column",
    "Domain",
    "Interval",
    "column_from_dict",
    "resolve_domain",
]

FINE_LEVELS = 2**20
"""Number of equal cells into which a continuous interval is cut."""

_EXACT_INTEGERS = 2**53
_MOST_NAMED = 5

Scalar = str | int | float | bool


@dataclass(frozen=True, repr=False)
class Interval:
    """A numeric column whose values lie between two public bounds.

    Parameters
    ----------
    lower, upper : float
        The bounds, in the unit of the column; finite, with ``lower < upper``. Both belong to the interval.
        Values outside are clipped.
    integer : bool, default=False
        Whether only whole numbers occur; the bounds must then be whole numbers of at most 2**53.

    Attributes
    ----------
    n_levels : int
        Number of cells of the integer lattice on which the column is measured.
    discrete : bool
        Whether every level stands for exactly one value.

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
    >>> from skdpflow.domain import Interval
    >>> Interval(17, 90, integer=True).n_levels
    74
    >>> Interval(0.0, 1.5).n_levels
    1048576
    """

    lower: float
    upper: float
    integer: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        integer = check_bool("Interval", "integer", self.integer)
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
        for name, value in {**bounds, "integer": integer}.items():
            object.__setattr__(self, name, value)

    @property
    def discrete(self) -> bool:
        """Whether every level stands for exactly one value."""
        return self.integer and self.upper - self.lower + 1 <= FINE_LEVELS

    @property
    def n_levels(self) -> int:
        """Number of cells of the integer lattice on which the column is measured."""
        return int(self.upper - self.lower) + 1 if self.discrete else FINE_LEVELS

    def to_dict(self) -> dict[str, Any]:
        """Return the column as a dict that JSON can hold.

        Returns
        -------
        dict
            What `column_from_dict` takes.
        """
        return {"kind": "interval", "lower": self.lower, "upper": self.upper, "integer": self.integer}

    def __repr__(self) -> str:
        return f"Interval({self.lower!r}, {self.upper!r}{', integer=True' if self.integer else ''})"


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
        public and have to be found privately, which is possible for a ``target`` only.

    Attributes
    ----------
    declared : bool
        Whether the values are public.
    values : tuple of str, int, float or bool
        The values.
    n_levels : int
        Number of values.
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
    >>> from skdpflow.domain import Categories
    >>> Categories(["A", "B", "C"]).n_levels
    3
    >>> Categories().declared
    False
    """

    categories: tuple[Scalar, ...] | None

    def __init__(self, categories: Iterable[Scalar] | None = None) -> None:
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
    def n_levels(self) -> int:
        """Number of values."""
        return len(self.values)

    def to_dict(self) -> dict[str, Any]:
        """Return the column as a dict that JSON can hold.

        Returns
        -------
        dict
            What `column_from_dict` takes.
        """
        return {"kind": "categories", "categories": list(self.categories) if self.categories else None}

    def __repr__(self) -> str:
        return f"Categories({'' if self.categories is None else list(self.categories)})"


Column = Interval | Categories


def _take(data: object, what: str, keys: set[str]) -> dict[str, Any]:
    """Return a dict that has exactly these keys, or say what is wrong with it."""
    if not isinstance(data, Mapping) or set(data) != keys:
        raise ValueError(f"{what} must be a dict with exactly the keys {', '.join(sorted(keys))}.")
    return dict(data)


def column_from_dict(data: Mapping[str, Any]) -> Column:
    """Build a column from what its ``to_dict`` gave.

    Parameters
    ----------
    data : dict
        A dict with a "kind" and exactly the fields of that kind; anything else is a ValueError.

    Returns
    -------
    Interval or Categories
        The column.

    Examples
    --------
    >>> from skdpflow.domain import Interval, column_from_dict
    >>> column_from_dict(Interval(0, 3, integer=True).to_dict())
    Interval(0, 3, integer=True)
    """
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if kind == "interval":
        fields = _take(data, "An interval", {"kind", "lower", "upper", "integer"})
        return Interval(fields["lower"], fields["upper"], integer=fields["integer"])
    if kind == "categories":
        fields = _take(data, "A categories column", {"kind", "categories"})
        if not isinstance(fields["categories"], list | None):
            raise ValueError("The 'categories' of a column must be a list or null.")
        return Categories(fields["categories"])
    raise ValueError("The 'kind' of a column must be 'interval' or 'categories'.")


class Domain(Mapping[str, Column]):
    """The public description of a table: its columns in order, by name.

    Parameters
    ----------
    columns : mapping of str to Interval or Categories
        One entry per column. The order counts for arrays, the names for data frames.

    Attributes
    ----------
    names : tuple of str
        Names of the columns.
    columns : tuple of Interval or Categories
        The columns.

    See Also
    --------
    resolve_domain : What an estimator makes of its ``domain`` parameter.

    Notes
    -----
    A domain is immutable, hashable and holds plain Python values only. It is published with every release, so
    it must not be read off the private rows.

    Examples
    --------
    >>> from skdpflow.domain import Categories, Domain, Interval
    >>> domain = Domain({"age": Interval(17, 90, integer=True), "ward": Categories(["A", "B"])})
    >>> domain.names
    ('age', 'ward')
    >>> domain["ward"].n_levels
    2
    >>> Domain.from_dict(domain.to_dict()) == domain
    True
    """

    __slots__ = ("_columns",)
    _columns: dict[str, Column]

    def __init__(self, columns: Mapping[str, Column]) -> None:
        if not isinstance(columns, Mapping):
            raise invalid("Domain", "columns", "a dict of column names to Interval or Categories", columns)
        if not columns:
            raise ValueError("A Domain needs at least one column.")
        for name, column in columns.items():
            if not isinstance(name, str):
                raise invalid("Domain", "columns", "a dict whose keys are str", name)
            if not isinstance(column, Interval | Categories):
                raise invalid("Domain", "columns", f"an Interval or Categories for column {name!r}", column)
            if isinstance(column, Categories) and not column.declared:
                raise ValueError(f"Categories of column {name!r} must be listed: only a target may omit them.")
        object.__setattr__(self, "_columns", {str.__str__(name): column for name, column in columns.items()})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self._columns)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, in order."""
        return tuple(self._columns.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the domain as a dict that JSON can hold.

        Returns
        -------
        dict
            What :meth:`from_dict` takes.
        """
        columns = [{"name": name, **column.to_dict()} for name, column in self._columns.items()]
        return {"kind": "domain", "columns": columns}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Domain:
        """Build a domain from what :meth:`to_dict` gave.

        Parameters
        ----------
        data : dict
            Exactly that; anything else is a ValueError.

        Returns
        -------
        Domain
            The domain.
        """
        fields = _take(data, "A domain", {"kind", "columns"})
        if fields["kind"] != "domain" or not isinstance(fields["columns"], list):
            raise ValueError("A domain must be of the kind 'domain' and hold a list of columns.")
        columns: dict[str, Column] = {}
        for entry in fields["columns"]:
            if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
                raise ValueError("Every column of a domain must be a dict with a 'name'.")
            if entry["name"] in columns:
                raise ValueError(f"The domain names column {entry['name']!r} twice.")
            columns[entry["name"]] = column_from_dict({k: v for k, v in entry.items() if k != "name"})
        return cls(columns)

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Domain):
            return NotImplemented
        return self.names == other.names and self.columns == other.columns

    def __hash__(self) -> int:
        return hash((self.names, self.columns))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"A Domain is immutable; cannot set {name!r}.")

    def __reduce__(self) -> tuple[type[Domain], tuple[dict[str, Column]]]:
        return type(self), (dict(self._columns),)

    def __repr__(self) -> str:
        return f"Domain({self._columns!r})"


def _listed(names: Iterable[str]) -> str:
    names = sorted(names)
    shown = ", ".join(map(repr, names[:_MOST_NAMED]))
    return f"{shown} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else shown


def _bounds(owner: str, which: str, value: object, n_features: int) -> list[Any]:
    """Return one bound per column from a scalar or a sequence."""
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes):
        if np.ndim(value) == 1 and len(value) == n_features:
            return list(value)
        if np.ndim(value) != 0:
            raise ValueError(
                f"The 'domain' parameter of {owner} must have a number, or one for each of the {n_features} "
                f"columns, as its {which} bound. Got an array of shape {np.shape(value)} instead."
            )
        value = np.asarray(value).item()
    return [value] * n_features


def resolve_domain(
    domain: object,
    names: Sequence[str] | None,
    n_features: int,
    *,
    owner: str = "DPSlicedWassersteinFlow",
) -> Domain | None:
    """Make a `Domain` of what a user may pass as ``domain``.

    Parameters
    ----------
    domain : Domain, dict, (lower, upper) or None
        The parameter. The bounds of a pair are scalars or sequences with one number per column. None says
        that nothing is public about the values.
    names : sequence of str or None
        Column names of the table; None for arrays, and for frames whose names are not strings.
    n_features : int
        Number of columns of the table.
    owner : str, default="DPSlicedWassersteinFlow"
        Class whose parameter it is, for messages.

    Returns
    -------
    Domain or None
        The domain in the order of the table, or None if nothing was declared. Columns without names are
        called "x0", "x1", and so on, unless the domain names them.

    Raises
    ------
    ValueError
        If the domain is of a wrong type, or does not describe the columns of the table.

    Examples
    --------
    >>> from skdpflow.domain import resolve_domain
    >>> resolve_domain((0, [1, 10]), None, 2)
    Domain({'x0': Interval(0.0, 1.0), 'x1': Interval(0.0, 10.0)})
    """
    if domain is None:
        return None
    if isinstance(domain, tuple | list) and len(domain) == 2:
        lower = _bounds(owner, "lower", domain[0], n_features)
        upper = _bounds(owner, "upper", domain[1], n_features)
        labels = [f"x{j}" for j in range(n_features)] if names is None else names
        return Domain({name: Interval(lo, hi) for name, lo, hi in zip(labels, lower, upper, strict=True)})
    if not isinstance(domain, Mapping):
        expected = "a Domain, a dict of Interval and Categories, a pair (lower, upper) or None"
        raise invalid(owner, "domain", expected, domain)
    resolved = domain if isinstance(domain, Domain) else Domain(domain)
    if names is None:
        if len(resolved) != n_features:
            raise ValueError(
                f"The 'domain' parameter of {owner} must describe the {n_features} columns of X. "
                f"Got {len(resolved)} columns instead."
            )
        return resolved
    missing, unexpected = set(names) - set(resolved), set(resolved) - set(names)
    if missing or unexpected:
        problems = [f"missing: {_listed(missing)}"] if missing else []
        problems += [f"unexpected: {_listed(unexpected)}"] if unexpected else []
        raise ValueError(
            f"The 'domain' parameter of {owner} must name the columns of X. Columns {'; '.join(problems)}."
        )
    return Domain({name: resolved[name] for name in names})
