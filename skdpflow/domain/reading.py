"""Columns from the dicts that JSON holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skdpflow.domain.columns import Categories, Column, Interval
from skdpflow.domain.grid import Grid
from skdpflow.domain.unmeasured import Constant, Key, Unmeasured

__all__ = ["column_from_dict", "declared_from_dict", "take"]


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
        grain = {"decimals", "step"} & set(data)
        names = {"kind", "lower", "upper", "integer", "nullable", "unit", "special"} | grain
        fields = take(data, "An interval", names | ({"edges", "shares"} if located else set()))
        del fields["kind"]
        edges, shares = fields.pop("edges", None), fields.pop("shares", None)
        if located:
            whole = bool(fields["integer"] or grain)
            fields["grid"] = Grid(tuple(map(float, edges)), tuple(map(float, shares)), whole)
        return Interval(fields.pop("lower"), fields.pop("upper"), **fields)
    if kind == "categories":
        names = {"kind", "categories", "ordered", "nullable"} | ({"other"} & set(data))
        fields = take(data, "A categories column", names)
        if not isinstance(fields["categories"], list | None):
            raise ValueError("The 'categories' of a column must be a list or null.")
        del fields["kind"]
        return Categories(fields.pop("categories"), **fields)
    raise ValueError("The 'kind' of a column must be 'interval', 'categories', 'constant' or 'key'.")


def declared_from_dict(data: Mapping[str, Any]) -> Column | Unmeasured:
    """Build a column of a domain, which may be one that is not measured."""
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if kind == "constant":
        return Constant(take(data, "A constant column", {"kind", "value"})["value"])
    if kind == "key":
        return Key(take(data, "A key column", {"kind", "pattern"})["pattern"])
    return column_from_dict(data)
