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
    f"A {BLANK!r} is a blank. The reader refuses the file until all are filled in.",
    "Numbers: kind interval, lower and upper (wide is fine), integer true for whole numbers, decimals 2 for cents, or "
    "step 0.25 for quarters.",
    "Dates: kind interval, lower and upper as ISO text, and unit D, h, m, s, ms or us.",
    "Single values that mean something, such as 0 or -9 for 'refused': special [0, -9].",
    "Names: kind categories, categories as a list, other 'other' for all that is not listed, ordered true or false. "
    "Where nobody can list them, categories null: each fit then finds the frequent ones privately, at a cost.",
    "One value only: kind constant and its value. Unique keys: kind key and a pattern such as P{:06d}. Both are free.",
    "nullable true where cells may be missing.",
    "Facts that hold in every row may be added: constraints ['admission <= discharge'].",
]
_WIDE = 10**9
_DAYS: tuple[Any, Any] = "1900-01-01", "2100-12-31"


def skeleton(columns: Iterable[tuple[str, str, Any]]) -> str:
    """Return a skeleton of a domain, as JSON, of columns with a name, a container and a dtype; None is no dtype."""
    entries = [{"name": name, **_entry(container, dtype)} for name, container, dtype in columns]
    return json.dumps({"_comment": _HELP, "kind": "domain", "columns": entries}, indent=2, ensure_ascii=False)


def _entry(container: str, dtype: Any) -> dict[str, Any]:
    """Return what a dtype says of a column, wide ranges for what it leaves open, and a note on what to decide."""
    if dtype is None:
        return {"_comment": "No type is known of a CSV column: which kind is it?", "kind": BLANK}
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
