"""What one record can have been charged, where some fits saw the records of one part only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

from skdpflow.accountants import ComposedEvent, Event, UnsupportedEventError
from skdpflow.accountants.algebra import covers

Part = tuple[str, str]  # name of a partition, and one of its keys


def worst_cases(entries: Iterable[tuple[Event, Part | None]], within: Part | None = None) -> Iterator[ComposedEvent]:
    r"""Go through compositions one of which is the most that any record was charged, by whatever accountant.

    Notes
    -----
    A record r has one key in each partition. Let D' be D without r. A fit on the part (by, k) reads the records with
    that key only. If the key of r is another one, these are the same records in D and D': given what came before,
    the outcome has the same distribution, and the fit costs r nothing. So r is charged for the composition of all
    entries without a part, and of those with the key that r has, for each partition. The guarantee is for every
    possible r, so for every choice of one key for each partition, and the total is the largest epsilon of these.

    Where the entries of one key are covered by those of another key of the same partition (`covers`), a record with
    the one also has the guarantee of the other, since that of a smaller mu, delta or choice implies that of a
    larger one. So only keys that no other covers are combined.
    """
    common: list[Event] = []
    parts: dict[str, dict[str, list[Event]]] = {}
    for event, part in entries:
        if part is None:
            common.append(event)
        elif within is None or part[0] != within[0] or part == within:
            parts.setdefault(part[0], {}).setdefault(part[1], []).append(event)
    of_each = [_largest([ComposedEvent(tuple(events)) for events in keys.values()]) for keys in parts.values()]
    for chosen in product(*of_each):
        yield ComposedEvent((*common, *chosen))


def _largest(events: list[ComposedEvent]) -> list[ComposedEvent]:
    """Leave out events that another one covers."""
    kept: list[ComposedEvent] = []
    for event in events:
        if not any(_covers(other, event) for other in kept):
            kept = [*(other for other in kept if not _covers(event, other)), event]
    return kept


def _covers(larger: Event, smaller: Event) -> bool:
    try:
        return covers(larger, smaller, rounding=1.0)
    except UnsupportedEventError:  # left for the accountant
        return False
