"""Columns from the dicts that JSON holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from skdpflow.domain.columns import Categories, Column, Interval
from skdpflow.domain.grid import Grid
from skdpflow.domain.interval import Since
from skdpflow.domain.unmeasured import Constant, Key, Unmeasured

__all__ = ["BLANK", "column_from_dict", "declared_from_dict", "take"]


BLANK = "?"
"""What stands for something that is still to be filled in, in a domain file."""

#: Keys that files of fitted flows have, and nobody writes by hand.
_OF_FITS = ("edges", "shares", "since")


def take(data: object, what: str, keys: set[str], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a dict that has these keys and no others, but for notes, whose keys begin with _."""
    if not isinstance(data, Mapping):
        raise ValueError(f"{what} must be a dict. Got {type(data).__name__} instead.")
    given = {k: v for k, v in data.items() if not str(k).startswith("_")}
    optional = optional or {}
    if blanks := [key for key, value in given.items() if value == BLANK and key not in ("value", "other")]:
        raise ValueError(f"{what} still has blanks, {BLANK!r}, for {', '.join(map(str, blanks))}: fill them in.")
    known = [*sorted(keys), *(key for key in optional if key not in _OF_FITS)]
    if unknown := [str(key) for key in given if key not in keys and key not in optional]:
        close = get_close_matches(unknown[0], known, n=1)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"{what} has the unknown key {unknown[0]!r}.{meant} Known keys: {', '.join(known)}.")
    if lacking := [key for key in sorted(keys) if key not in given]:
        raise ValueError(f"{what} lacks {', '.join(map(repr, lacking))}.")
    return {**optional, **given}


def column_from_dict(data: Mapping[str, Any], name: str | None = None) -> Column:
    """Build a column from what its ``to_dict`` gave.

    Examples
    --------
    >>> from skdpflow.domain.domain import Interval, column_from_dict
    >>> column_from_dict(Interval(0, 3, integer=True).to_dict())
    Interval(0, 3, integer=True)
    """
    column = declared_from_dict(data, name)
    if not isinstance(column, Interval | Categories):
        raise ValueError("The 'kind' of a column must be 'interval' or 'categories' here.")
    return column


def declared_from_dict(data: Mapping[str, Any], name: str | None = None) -> Column | Unmeasured:
    """Build a column of a domain, which may be one that is not measured."""
    kind = data.get("kind") if isinstance(data, Mapping) else None
    where = "" if name is None else f" {name!r}"
    if kind == BLANK:
        raise ValueError(f"The 'kind' of the column{where} is still a blank, {BLANK!r}: fill it in.")
    read = _KINDS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise ValueError(f"The 'kind' of the column{where} must be one of {', '.join(map(repr, _KINDS))}.")
    what = f"The column{where} of the kind {kind!r}"
    try:
        return read(data, what)
    except (TypeError, ValueError) as error:
        said = str(error)
    raise ValueError(said if said.startswith(what) else f"{what}: {said}")


def _interval(data: Mapping[str, Any], what: str) -> Interval:
    fields = take(data, what, {"kind", "lower", "upper"}, _OF_INTERVALS)
    edges, shares = fields.pop("edges"), fields.pop("shares")  # what a fit has found
    if (edges is None) != (shares is None):
        raise ValueError(f"{what} must have both edges and shares, or neither.")
    if edges is not None:
        whole = bool(fields["integer"] or fields["decimals"] is not None or fields["step"] is not None)
        fields["grid"] = Grid(tuple(map(float, edges)), tuple(map(float, shares)), whole)
    if fields["since"] is not None:
        match fields["since"]:
            case [str() as name, int() | float() as width]:
                fields["since"] = Since(name, width)
            case _:
                raise ValueError(f"{what} must be measured since a column, by a largest difference.")
    del fields["kind"]
    return Interval(fields.pop("lower"), fields.pop("upper"), **fields)


def _categories(data: Mapping[str, Any], what: str) -> Categories:
    fields = take(data, what, {"kind", "categories"}, {"ordered": False, "nullable": False, "other": None})
    if not isinstance(fields["categories"], list | None):
        raise ValueError("'categories' must be a list, or null for values that each fit finds privately.")
    del fields["kind"]
    return Categories(fields.pop("categories"), **fields)


def _constant(data: Mapping[str, Any], what: str) -> Constant:
    return Constant(take(data, what, {"kind", "value"})["value"])


def _key(data: Mapping[str, Any], what: str) -> Key:
    return Key(take(data, what, {"kind", "pattern"})["pattern"])


_OF_INTERVALS = {
    "integer": False,
    "nullable": False,
    "unit": None,
    "special": (),
    "decimals": None,
    "step": None,
    "edges": None,
    "shares": None,
    "since": None,
}
_KINDS: dict[str, Callable[[Mapping[str, Any], str], Column | Unmeasured]] = {
    "interval": _interval,
    "categories": _categories,
    "constant": _constant,
    "key": _key,
}
