"""Public knowledge about the columns of a table: what values they may take.

Nothing here is ever learnt from rows. A domain is what the data holder is willing to say to anybody,
and every privacy guarantee of the package takes it as given.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from skdpflow._html import fragment, heading
from skdpflow._outputs import replacing
from skdpflow._validation import invalid
from skdpflow.domain.categories import is_undeclared
from skdpflow.domain.columns import Categories, Column, Interval
from skdpflow.domain.constraints import rules_of
from skdpflow.domain.encodings import decoded
from skdpflow.domain.grid import FINE_LEVELS
from skdpflow.domain.public import columns_of_dtypes, columns_of_sample
from skdpflow.domain.reading import column_from_dict, declared_from_dict, take
from skdpflow.domain.template import skeleton
from skdpflow.domain.unmeasured import Constant, Key, Unmeasured
from skdpflow.domain.words import counted, html_of, in_words

if TYPE_CHECKING:
    from skdpflow.domain.check import DomainCheck

__all__ = [
    "FINE_LEVELS",
    "Categories",
    "Column",
    "Domain",
    "Interval",
    "column_from_dict",
]


class Domain(Mapping[str, Column]):
    """The public description of a table: its columns in order, by name.

    Parameters
    ----------
    columns : mapping of str to Interval, Categories, Constant or Key
        One entry per column. The order counts for arrays, the names for data frames; names of a frame that are whole
        numbers are compared as text. The target may be among them, under its own name, if the parameter ``target``
        says the same of it.
    constraints : list of str or None, default=None
        Facts that hold in every row, such as ``"admission <= discharge"``, ``"rooms + kitchens == total"`` or
        ``"not (sex == 'm' and pregnant)"``. Synthetic rows meet all of them. They may hold names of columns (in
        backticks if they are no identifiers), numbers, text in quotes, True, False, ``+ - * /``, comparisons,
        ``in (...)``, ``is None``, ``and``, ``or`` and ``not``. If it depends on a missing cell, it counts as met.
        None takes those of `columns`, if that is a Domain.

    Attributes
    ----------
    names : tuple of str
        Names of the columns.
    columns : tuple of Interval, Categories, Constant or Key
        The columns.
    constraints : tuple of str
        The constraints.

    Raises
    ------
    ValueError
        If a constraint is no such expression, or not one on these columns: it is named, and what is wrong with it.

    Notes
    -----
    A domain is immutable, hashable and holds plain Python values only. It is published with every release, so
    it must not be read off the private rows.

    Cells outside of their column raise nothing. They are counted apart, and
    `skdpflow.exceptions.DomainMismatchWarning` tells of many. In sampled rows, what lies below or above is at the
    bound, and any other cell is drawn from what was released of its column. Private transformers and records clip: what
    has no nearest value counts as the midpoint of its column.

    Constraints are public too, and say nothing about single rows: `fit` does not look whether the private rows meet
    them. They are text, so that they travel with the domain; nothing in them is ever run as code.

    Examples
    --------
    >>> from skdpflow.domain.domain import Categories, Domain, Interval
    >>> domain = Domain({"age": Interval(17, 90, integer=True), "ward": Categories(["A", "B"])})
    >>> domain.names
    ('age', 'ward')
    >>> domain["ward"].n_levels
    2
    >>> Domain.from_dict(domain.to_dict()) == domain
    True
    >>> Domain(domain, constraints=["ward == 'A' or age >= 18"]).constraints
    ("ward == 'A' or age >= 18",)
    """

    __slots__ = ("_columns", "_constraints")
    _columns: dict[str, Column]
    _constraints: tuple[str, ...]

    def __init__(self, columns: Mapping[str, Column | Unmeasured], *, constraints: Sequence[str] | None = None) -> None:
        if not isinstance(columns, Mapping):
            raise invalid("Domain", "columns", "a dict of column names to Interval or Categories", columns)
        if not columns:
            raise ValueError("A Domain needs at least one column.")
        for name, column in columns.items():
            if not isinstance(name, str):
                raise invalid("Domain", "columns", "a dict whose keys are str (a column 0 is called '0')", name)
            if not isinstance(column, Interval | Categories | Constant | Key):
                expected = f"an Interval, Categories, Constant or Key for column {name!r}"
                raise invalid("Domain", "columns", expected, column)
        if all(isinstance(column, Constant | Key) for column in columns.values()):
            raise ValueError("A Domain needs at least one column that is measured: an Interval or Categories.")
        object.__setattr__(self, "_columns", {str.__str__(name): column for name, column in columns.items()})
        if constraints is None:
            constraints = columns.constraints if isinstance(columns, Domain) else ()
        if not isinstance(constraints, list | tuple) or not all(isinstance(text, str) for text in constraints):
            raise invalid("Domain", "constraints", "a list of str, such as ['admission <= discharge']", constraints)
        object.__setattr__(self, "_constraints", tuple(map(str.__str__, constraints)))
        rules_of(self._constraints, self._columns)  # refuses what is no constraint, and columns that are not measured

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self._columns)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, in order."""
        return tuple(self._columns.values())

    @property
    def constraints(self) -> tuple[str, ...]:
        """What holds in every row, as text."""
        return self._constraints

    @property
    def undeclared(self) -> tuple[str, ...]:
        """Names of the columns whose categories are not listed, and are to be found privately."""
        return tuple(n for n, c in self._columns.items() if is_undeclared(c))

    def to_dict(self) -> dict[str, Any]:
        """Return the domain as a dict that JSON can hold.

        Returns
        -------
        dict
            What :meth:`from_dict` takes.
        """
        columns = [{"name": name, **column.to_dict()} for name, column in self._columns.items()]
        data: dict[str, Any] = {"kind": "domain", "columns": columns}
        return data | ({"constraints": list(self._constraints)} if self._constraints else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Domain:
        """Build a domain from what :meth:`to_dict` gave.

        Parameters
        ----------
        data : dict
            That, or one written by hand: what has a default may be left out, and keys that begin with ``_`` are notes.
            Anything else is a ValueError.

        Returns
        -------
        Domain
            The domain.
        """
        fields = take(data, "A domain", {"kind", "columns"}, {"constraints": []})
        if fields["kind"] != "domain" or not isinstance(fields["columns"], list):
            raise ValueError("A domain must be of the kind 'domain' and hold a list of columns.")
        if not isinstance(fields["constraints"], list):
            raise ValueError("The 'constraints' of a domain must be a list.")
        columns: dict[str, Column | Unmeasured] = {}
        for entry in fields["columns"]:
            if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
                raise ValueError("Every column of a domain must be a dict with a 'name'.")
            if entry["name"] in columns:
                raise ValueError(f"The domain names column {entry['name']!r} twice.")
            columns[entry["name"]] = declared_from_dict({k: v for k, v in entry.items() if k != "name"}, entry["name"])
        return cls(columns, constraints=fields["constraints"])

    def to_json(self, file: str | os.PathLike[str] | None = None) -> str:
        """Return the domain as JSON text, and write it to a file if one is named.

        Parameters
        ----------
        file : path or None, default=None
            Where to write.

        Returns
        -------
        text : str
            What :meth:`from_json` takes.
        """
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False, ensure_ascii=False)
        if file is not None:
            with replacing(file) as opened:
                opened.write((text + "\n").encode())
        return text

    @classmethod
    def from_json(cls, text: str | os.PathLike[str]) -> Domain:
        """Build a domain from JSON.

        Parameters
        ----------
        text : str or path
            What :meth:`to_json` gave; anything that does not start with "{" is the path of a file with it, in UTF-8,
            or in UTF-16 or UTF-32 with a byte order mark.

        Returns
        -------
        Domain
            The domain.

        Raises
        ------
        ValueError
            If it is not the description of a domain.
        OSError
            If there is no such file.

        Examples
        --------
        >>> from skdpflow import Domain, Interval
        >>> domain = Domain({"age": Interval(17, 90, integer=True, nullable=True)})
        >>> Domain.from_json(domain.to_json()) == domain
        True
        """
        if not (isinstance(text, str) and text.lstrip("\ufeff \t\r\n").startswith("{")):
            text = decoded(Path(text).read_bytes(), "The description of a domain")
        data, where = None, ""
        try:
            data = json.loads(text.removeprefix("\ufeff"))
        except json.JSONDecodeError as e:
            where = f" Line {e.lineno}, column {e.colno} is not: {e.msg}."
            before, after = text[: e.pos].rstrip(), text[e.pos :].lstrip()
            if before.endswith(",") or after.startswith(","):  # what readers of JSON say of it differs by their version
                where += " JSON has no comma after the last entry of a list or object: remove it."
        except RecursionError:
            pass
        if data is None:
            raise ValueError(f"The description of a domain must be JSON, as Domain.to_json writes it.{where}")
        return cls.from_dict(data)

    @classmethod
    def from_dtypes(
        cls, frame: Any, columns: Mapping[str, Column | Unmeasured] | None = None, *, constraints: Sequence[str] = ()
    ) -> Domain:
        """Read what the dtypes of a frame say; no value is looked at.

        Parameters
        ----------
        frame : pandas.DataFrame or polars.DataFrame
            Private rows are allowed.
        columns : mapping of str to Interval, Categories, Constant or Key, or None, default=None
            What dtypes do not say: bounds of wide numbers and of dates, categories of text. They go before.
        constraints : list of str, default=()
            What holds in every row.

        Returns
        -------
        Domain
            Booleans and small integers from their dtype, enumerations of polars from theirs, the rest from `columns`.
            A column is nullable if its dtype is one of those that hold missing values without becoming floats.

        Raises
        ------
        ValueError
            If a column is neither said by its dtype nor in `columns`; all such columns are named.

        Examples
        --------
        >>> import pandas as pd
        >>> from skdpflow import Domain, Interval
        >>> frame = pd.DataFrame({"smoker": [True, False], "bmi": [21.5, 30.1]})
        >>> Domain.from_dtypes(frame, {"bmi": Interval(10, 70)})
        Domain({'smoker': Categories([False, True]), 'bmi': Interval(10.0, 70.0)})
        """
        return cls(columns_of_dtypes(frame, columns or {}), constraints=constraints)

    @classmethod
    def from_public(cls, sample: Any, *, constraints: Sequence[str] = ()) -> Domain:
        """Read the domain off rows that are public; **never** off the private ones.

        Parameters
        ----------
        sample : pandas.DataFrame or polars.DataFrame
            Public rows, such as an earlier year or a code book.
        constraints : list of str, default=()
            What holds in every row.

        Returns
        -------
        Domain
            Smallest and largest numbers and dates, the sorted values of text, and which columns have missing values.

        Examples
        --------
        >>> import pandas as pd
        >>> from skdpflow import Domain
        >>> Domain.from_public(pd.DataFrame({"age": [17, 90, 30], "ward": ["B", "A", None]}))
        Domain({'age': Interval(17, 90, integer=True), 'ward': Categories(['A', 'B'], nullable=True)})
        """
        return cls(columns_of_sample(sample), constraints=constraints)

    @staticmethod
    def template(table: Any) -> str:
        """Return a skeleton of a domain file, from names and dtypes alone; no row is read.

        Parameters
        ----------
        table : pandas.DataFrame, polars.DataFrame or TableFile
            Private rows are allowed. The names of a CSV file are those in its first line, which must be a header; it
            has no dtypes.

        Returns
        -------
        text : str
            JSON to correct and fill in: wide ranges that are the same for every table, notes on what to decide (keys
            that begin with ``_``), and blanks, ``"?"``, for what the dtype does not say. :meth:`from_json` refuses it
            until no blank is left.

        See Also
        --------
        from_dtypes : The same for those who write Python.

        Examples
        --------
        >>> import pandas as pd
        >>> from skdpflow import Domain
        >>> text = Domain.template(pd.DataFrame({"age": [30, 41], "ward": ["A", "B"]}))
        >>> import json
        >>> [(column["name"], column.get("lower"), column.get("categories")) for column in json.loads(text)["columns"]]
        [('age', -1000000000, None), ('ward', None, '?')]
        """
        from skdpflow.curator.check import names_and_dtypes

        return skeleton(names_and_dtypes(table))

    def describe(self) -> str:
        """Return a text with one line for each column and for each constraint.

        Returns
        -------
        text : str
            Name, what it holds, and whether values may be missing; then the constraints.

        Examples
        --------
        >>> from skdpflow import Categories, Domain, Interval
        >>> print(Domain({"age": Interval(17, 90, integer=True), "ward": Categories("ABC".split())}).describe())
        age   whole numbers from 17 to 90
        ward  1 value: 'ABC'
        """
        width = max(map(len, self.names))
        lines = [f"{name:<{width}}  {in_words(column)}" for name, column in self._columns.items()]
        return "\n".join(lines + [f"in every row: {text}" for text in self._constraints])

    def check(self, table: Any, y: Any = None, target: Column | None = None) -> DomainCheck:
        """Tell whoever holds the rows how they fit, before a fit: a look at private rows, outside the guarantee.

        Parameters
        ----------
        table : {array-like, pandas.DataFrame, polars.DataFrame, TableFile} of shape (n_samples, n_features)
            Private rows.
        y : array-like of shape (n_samples,) or None, default=None
            Their target.
        target : Categories, Interval or None, default=None
            What y is; None leaves it out.

        Returns
        -------
        check : DomainCheck
            Exact shares of the cells of each column that lie outside, and names of columns that do not match. It is a
            function of the rows, without noise, that no ledger knows of: keep it to yourself, and declare what is
            true of any such table, not what this one shows.

        Raises
        ------
        TypeError, ValueError
            If the table cannot be read, or a column is of a dtype that cannot hold what is declared.

        See Also
        --------
        skdpflow.exceptions.DomainMismatchWarning : Says the same of a fit, from released counts.

        Examples
        --------
        >>> import pandas as pd
        >>> from skdpflow import Categories, Domain, Interval
        >>> domain = Domain({"age": Interval(17, 90, integer=True), "ward": Categories(["A", "B"])})
        >>> print(domain.check(pd.DataFrame({"age": [20, 120], "ward": ["A", "C"], "id": [1, 2]})))
        A look at private rows, outside the guarantee; do not share.
        50 % of 'age' lies above its declared bounds
        50 % of 'ward' is none of its declared categories
        not in the domain: 'id'; drop it or declare it
        """
        from skdpflow.curator.check import check_rows  # only here are rows read, and the curator knows of domains

        return check_rows(self, table, y, target)

    def without_grids(self) -> Domain:
        """Return the domain as it was declared.

        Returns
        -------
        domain : Domain
            Without grids that a fit has located.
        """
        columns = {name: c.without_grid() if isinstance(c, Interval) else c for name, c in self._columns.items()}
        if all(columns[name] is c for name, c in self._columns.items()):
            return self
        return Domain(columns, constraints=self._constraints)

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Domain):
            return NotImplemented
        return self._all() == other._all()

    def __hash__(self) -> int:
        return hash(self._all())

    def _all(self) -> tuple[Any, ...]:
        return self.names, self.columns, self._constraints

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"A Domain is immutable; cannot set {name!r}.")

    def __getstate__(self) -> dict[str, Any]:
        return {"columns": dict(self._columns), "constraints": list(self._constraints)}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        Domain.__init__(self, **state)  # for pickle, copy and skops

    def _repr_html_(self) -> str:
        return fragment(heading(f"Domain of {counted(len(self), 'column')}") + html_of(self, self._constraints))

    def __repr__(self) -> str:
        given = f", constraints={list(self._constraints)!r}" if self._constraints else ""
        return f"Domain({self._columns!r}{given})"
