"""A skeleton of a domain file, from names and dtypes alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from skdpflow.domain.columns import Categories, Interval
from skdpflow.domain.public import of_dtype
from skdpflow.domain.reading import BLANK

__all__ = ["skeleton"]

_HELP = [
    "A skeleton: correct it before you use it. Keys that begin with _ are notes, which the reader skips.",
    "Nothing here was read off the rows, and nothing that you write should be: say what holds of any such table.",
    f"A {BLANK!r} is a blank. The reader refuses the file until all are filled in. Copy from the _examples.",
    "Numbers: interval, with bounds that may be wide. Say integer true for whole numbers, decimals 2 for cents, or "
    "step 0.25 for quarters. If you say none of these, an age comes back as 68.432009.",
    "Dates: interval, with bounds as ISO text, and the unit D, h, m, s, ms or us.",
    "Single numbers that mean something, such as 0 or -9 for 'refused': special [0, -9].",
    "Names: categories. All that is not listed becomes other. If they have an order, say ordered true.",
    "Names that nobody can list: categories null. Each fit then finds the frequent ones privately, at a cost.",
    "Unique keys and columns of one value: key and constant. They are not measured, and cost nothing.",
    "Say nullable true where cells may be missing. Facts that hold in every row are constraints.",
]
_EXAMPLES = [
    {"name": "age", "kind": "interval", "lower": 0, "upper": 120, "integer": True},
    {"name": "bmi", "kind": "interval", "lower": 5, "upper": 300, "decimals": 1, "nullable": True},
    {"name": "admission", "kind": "interval", "lower": "2015-01-01", "upper": "2030-12-31", "unit": "D"},
    {"name": "discharge", "kind": "interval", "lower": "2015-01-01", "upper": "2030-12-31", "unit": "D"},
    {"name": "ward", "kind": "categories", "categories": ["surgery", "cardiology"], "other": "other"},
    {"name": "zip", "kind": "categories", "categories": None, "other": "other"},
    {"name": "patient", "kind": "key", "pattern": "P{:06d}"},
    {"name": "country", "kind": "constant", "value": "Norway"},
]
_CONSTRAINTS = ["admission <= discharge"]
_WIDE = 10**9
_DAYS: tuple[Any, Any] = "1900-01-01", "2100-12-31"


def skeleton(columns: Iterable[tuple[str, str, Any]]) -> str:
    """Return a skeleton of a domain, as JSON, of columns with a name, a container and a dtype; None is no dtype."""
    entries = [{"name": name, **_entry(container, dtype)} for name, container, dtype in columns]
    parts = {
        "_comment": _lines(_HELP),
        "_examples": _lines(_EXAMPLES),
        "_example of constraints": json.dumps(_CONSTRAINTS),
        "kind": '"domain"',
        "columns": _lines(entries),
    }
    return "{\n" + ",\n".join(f"  {json.dumps(key)}: {text}" for key, text in parts.items()) + "\n}"


def _lines(values: Iterable[Any]) -> str:
    """Return a JSON list with one value a line, which is easier to edit than one word a line."""
    return "[\n" + ",\n".join(f"    {json.dumps(value, ensure_ascii=False)}" for value in values) + "\n  ]"


def _entry(container: str, dtype: Any) -> dict[str, Any]:
    """Return what a dtype says of a column, wide ranges for what it leaves open, and a note on what to decide."""
    if dtype is None:
        return {"kind": BLANK}  # a CSV column has no type
    found = of_dtype(container, dtype)
    if isinstance(found, Interval | Categories):
        return {"_comment": f"All values of {dtype}: narrow them if you know more.", **found.to_dict()}
    name = str(dtype).lower()
    if found.startswith("numbers"):
        unsigned, whole = name.startswith("uint"), "int" in name
        return {
            "_comment": "Which numbers can there be? Whole ones, or decimals of how many digits? Special ones?",
            **Interval(0 if unsigned else -_WIDE, _WIDE, integer=whole, nullable=_may_miss(container, name)).to_dict(),
        }
    if found.startswith("dates"):
        return {
            "_comment": "From when to when, and to which unit (D, h, m, s, ms, us) are the times known?",
            **Interval(*_DAYS, unit="D", nullable=True).to_dict(),
            "lower": _DAYS[0],
            "upper": _DAYS[1],
        }
    if found.startswith("durations"):
        return {"_comment": "Durations and times of day: turn the column into numbers first.", "kind": BLANK}
    note = "Which values can there be? List them, with 'other' for the rest; or make it a key or a constant."
    blank = {"kind": "categories", "categories": BLANK, "ordered": False, "nullable": True, "other": "other"}
    return {"_comment": note, **blank}


def _may_miss(container: str, dtype: str) -> bool:
    """Say whether cells of a dtype of numbers can be missing: all but those of numpy's whole numbers."""
    return container == "polars" or "[" in dtype or not dtype.startswith(("int", "uint"))
