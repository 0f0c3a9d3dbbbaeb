"""What the rows of a ledger's log say: events, the parts that were charged, and what paid for a Release."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from skdpflow.accountants import ComposedEvent, Event, event_from_dict, flatten_event
from skdpflow.accountants.algebra import covers
from skdpflow.exceptions import LedgerError
from skdpflow.ledger.log import Row
from skdpflow.ledger.parts import Part
from skdpflow.release.checks import together

Entry = tuple[Event, Part | None]  # what was done, and to which part


def read_entry(content: dict[str, Any]) -> Entry:
    """Return the event of an entry and the part that it is charged to."""
    by, key = content.get("part", ("", ""))
    return event_from_dict(content["event"]), (str(by), str(key)) if by else None


def read_entries(rows: list[Row]) -> list[Entry]:
    """Return the entries of a log, whose first row names the budget."""
    return [read_entry(json.loads(text)) for _, text, _ in rows[1:]]


def check_paid(rows: list[Row], releases: Iterable[Any], part: Part | None, neighbours: str) -> None:
    """Refuse Releases that the debits in a log do not cover."""
    paid: dict[str, Event] = {}  # by each debit, with those that it continues
    rows_of: dict[str, set[Part | None]] = {}
    for _, text, head in rows[1:]:
        content = json.loads(text)
        (event, of), after = read_entry(content), content.get("after")
        paid[head] = ComposedEvent((*flatten_event(paid[after]), *flatten_event(event))) if after in paid else event
        rows_of[head] = {of, *rows_of.get(after, ())}
    fits: dict[str, dict[Any, Any]] = {}
    for i, release in enumerate(releases):
        if release.federated is not None:
            _check_site(i, rows, release, neighbours)
            continue
        if release.ledger not in paid:
            raise LedgerError(
                f"The debit of release {i} is not in the ledger. It was set back to an older copy, or the release "
                "was made without it or with another one."
            )
        if part is not None and rows_of[release.ledger] - {part, None}:
            raise LedgerError(f"The debit of release {i} is for other rows than those of the part {'='.join(part)!r}.")
        # a copy with another transport is the same fit, and has the same noise; an altered cap is another one
        fit = tuple((m.name, m.values.tobytes()) for m in release.measurements), release.cap, release.before
        fits.setdefault(release.ledger, {})[fit] = release
        charged = together(fits[release.ledger].values())
        if release.neighbours != neighbours or not covers(paid[release.ledger], charged):
            raise LedgerError(
                f"The debit of release {i} is smaller than what its fit was allowed (its cap, under "
                f"neighbours={release.neighbours!r}). The ledger or the release was altered: do not trust it."
            )


def _check_site(i: int, rows: list[Row], release: Any, neighbours: str) -> None:
    """Refuse a Release of several holders that the debits of this one do not cover."""
    told, heads = release.federated, {head for _, _, head in rows[1:]}
    sites = [site for site, head in told.heads.items() if head in heads]
    contents = [json.loads(text) for _, text, _ in rows[1:]]
    own = [read_entry(content)[0] for content in contents if content["what"].startswith(f"{told.entry},")]
    if not sites or not own:
        raise LedgerError(
            f"The debits of release {i} are not in the ledger. It was set back to an older copy, or it is the ledger "
            "of a site that took no part in the release."
        )
    # a site that dropped out paid for the rounds in which it took part, of which the release names no events
    whole = all(set(sites) & set(names) for names in told.rounds)
    if release.neighbours != neighbours or (whole and not covers(ComposedEvent(tuple(own)), release.event)):
        raise LedgerError(
            f"The debits of release {i} are smaller than what it measured (under neighbours={release.neighbours!r}). "
            "The ledger or the release was altered: do not trust it."
        )
