"""The tables of a quality report, as records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PARTS = ("measured", "columns", "row_columns", "row_pairs")
_OF_ROWS = {"row_columns": "columns", "row_pairs": "pairs"}


def records(content: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    """Return the lines of a table; each holds the notice, where there is one."""
    if part in _OF_ROWS:
        if content["private_rows"] is None:
            raise ValueError(f"The table {part!r} needs rows: make the report with quality_report(X) or (X, y).")
        lines = content["private_rows"][_OF_ROWS[part]]
    else:
        lines = content[part]
    out = [{key: _cell(value) for key, value in line.items()} for line in lines]
    if content["notice"] is not None:
        out = [{**line, "notice": content["notice"]} for line in out]
    return out


def _cell(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
