"""A ledger as notebooks show it."""

from __future__ import annotations

from collections.abc import Sequence

from skdpflow._html import folded, heading, meter, paragraph, section, table

__all__ = ["html_of_ledger"]

_HEAD = ("when (UTC)", "what", "part", "epsilon so far")
#: Entries that are shown; earlier ones are folded.
_SHOWN = 12


def html_of_ledger(
    title: str, epsilon: float, delta: float, neighbours: str, entries: Sequence[tuple[str, str, str, float]]
) -> str:
    """Return the budget, what is spent of it, and the entries, the last one first."""
    spent = max((entry[-1] for entry in entries), default=0.0)
    rows = [
        (when[:19].replace("T", " "), what, part, f"{so_far:.4g}") for when, what, part, so_far in reversed(entries)
    ]
    parts = [
        heading(title),
        meter(spent / epsilon, f"spent: epsilon = {spent:.4g} of {epsilon:g}"),
        paragraph(f"At delta = {delta:g}, neighbours: {neighbours}.", "note"),
    ]
    if not rows:
        return "".join([*parts, paragraph("Nothing was debited yet.")])
    parts.append(section("Entries, the last one first", table(_HEAD, rows[:_SHOWN])))
    if rows[_SHOWN:]:
        parts.append(folded(f"{len(rows) - _SHOWN} earlier", table(_HEAD, rows[_SHOWN:])))
    return "".join(parts)
