"""Columns in words, for a reader: as text, and as a table of HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from skdpflow._html import folded, items, paragraph, table
from skdpflow.domain.columns import Column, Interval
from skdpflow.domain.unmeasured import Constant, Key, Unmeasured

__all__ = ["counted", "html_of", "in_words"]

_MOST_NAMED = 5
_UNITS = {"D": "day", "h": "hour", "m": "minute", "s": "second", "ms": "millisecond", "us": "microsecond"}
#: Columns that a page shows; the others are folded.
_SHOWN = 30


def in_words(column: Column | Unmeasured) -> str:
    """Say what a column may hold, and whether cells may be missing."""
    if isinstance(column, Constant):
        return f"always {column.value!r}; not measured"
    if isinstance(column, Key):
        return f"keys such as {column.pattern.format(0)!r}; not measured"
    if isinstance(column, Interval):
        kind = "dates and times" if column.unit else "whole numbers" if column.integer else "numbers"
        words = "{} from {} to {}".format(kind, *column.bounds())
        words += f", to the {_UNITS[column.unit]}" if column.unit else ""
        if column.decimals is not None:
            words += f" with {column.decimals} decimal{'s' if column.decimals > 1 else ''}"
        words += "" if column.step is None else f" in steps of {column.step:g}"
    elif not column.declared:
        words = "values that are to be found privately"
    else:
        shown = ", ".join(map(repr, column.values[:_MOST_NAMED])) + (", ..." if column.n_values > _MOST_NAMED else "")
        order = "ordered " if column.ordered else ""
        words = f"{column.n_values} {order}value{'s' if column.n_values > 1 else ''}: {shown}"
        words += "" if column.other is None else f" (for all others: {column.other!r})"
    return words + (", or missing" if column.nullable else "")


def counted(n: int, what: str) -> str:
    """Write a number with what it counts."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def html_of(columns: Mapping[str, Column | Unmeasured], constraints: Sequence[str] = ()) -> str:
    """Return the columns as a table, and what holds in every row as a list."""
    rows = [(name, in_words(column)) for name, column in columns.items()]
    parts = [table(("column", "may hold"), rows[:_SHOWN])]
    if rows[_SHOWN:]:
        parts.append(
            folded(f"{counted(len(rows) - _SHOWN, 'more column')}", table(("column", "may hold"), rows[_SHOWN:]))
        )
    if constraints:
        parts += [paragraph("In every row:"), items(constraints)]
    return "".join(parts)
