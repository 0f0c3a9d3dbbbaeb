"""The result of `Domain.check`, and words for the ways in which rows do not fit a domain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DomainCheck", "in_words", "percent"]

#: Notice in the result of a check of private rows.
LOOK = "A look at private rows, outside the guarantee; do not share."
_LIES: dict[str, str] = {
    "below": "lies below its declared bounds",
    "above": "lies above its declared bounds",
    "unreadable": "is no number, though it is not declared as nullable",
    "unlisted": "is none of its declared categories",
    "not found": "is none of the categories that were found privately (other= in Categories gives the rest a level)",
    "missing": "is missing, though it is not declared as nullable",
}


#: What is said of a table without a mismatch.
INSIDE = (
    "All rows lie inside of the bounds and categories that are declared. Constraints, constants, keys, `other` and the "
    "grain of numbers were not compared."
)


@dataclass(frozen=True)
class DomainCheck:
    """How private rows fit a domain, exactly. It is a look at private rows, outside the guarantee: do not share it.

    Parameters
    ----------
    columns : mapping of str to mapping of str to float
        For each declared column of the table the shares of rows that lie ``"below"`` or ``"above"`` its bounds, are
        ``"unreadable"``, ``"unlisted"``, or ``"missing"`` though the column is not nullable.
    target : mapping of str to float or None
        The same of the target; None if it was not asked for.
    unnamed : tuple of str
        Columns of the table that the domain does not name.
    absent : tuple of str
        Columns of the domain that the table does not have.

    See Also
    --------
    skdpflow.Domain.check : Makes it.

    Examples
    --------
    >>> from skdpflow import Domain, Interval
    >>> print(Domain({"x0": Interval(0, 1)}).check([[0.5], [2.0]]))
    A look at private rows, outside the guarantee; do not share.
    50 % of 'x0' lies above its declared bounds
    """

    columns: Mapping[str, Mapping[str, float]]
    target: Mapping[str, float] | None = None
    unnamed: tuple[str | int, ...] = ()
    absent: tuple[str | int, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether all rows lie inside, and the domain names exactly the columns of the table."""
        return not self._lines()

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that JSON can hold."""
        return {
            "notice": LOOK,
            "columns": {name: dict(shares) for name, shares in self.columns.items()},
            "target": None if self.target is None else dict(self.target),
            "unnamed": list(self.unnamed),
            "absent": list(self.absent),
        }

    def _lines(self) -> list[str]:
        asked = [*self.columns.items(), *([] if self.target is None else [(None, self.target)])]
        lines = [
            f"{percent(share)} of {in_words(name, outside)}"
            for name, shares in asked
            for outside, share in shares.items()
            if share
        ]
        lines += [f"not in the domain: {name!r}; drop it or declare it" for name in self.unnamed]
        return lines + [f"in the domain, but not in the table: {name!r}" for name in self.absent]

    def __str__(self) -> str:
        return "\n".join([LOOK, *(self._lines() or [INSIDE])])

    def __repr__(self) -> str:
        return str(self)


def in_words(column: str | int | None, outside: str, error: str = "") -> str:
    """Say how cells of a column, or of the target, lie outside."""
    lies = _LIES[outside].replace("categories", "classes" if column is None else "categories")
    return f"{'the target' if column is None else repr(column)}{error} {lies}"


def percent(share: float) -> str:
    """Round a share for a reader."""
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.1g} %"
