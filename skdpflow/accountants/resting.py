"""What a fit rests on, and the guarantee for the fit together with that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from skdpflow.accountants.base import resolve_accountant, tally
from skdpflow.accountants.event_json import event_from_dict, event_to_dict
from skdpflow.accountants.events import (
    ComposedEvent,
    Event,
    NonPrivateEvent,
    RepeatAndSelectEvent,
    flatten_event,
)

__all__ = ["RestsOn", "all_allowed", "covers_a_trial", "guarantee"]


@dataclass(frozen=True, slots=True)
class RestsOn:
    """What was done to the rows so that a fit came about as it did: what the fit states has to include it.

    Parameters
    ----------
    event : Event
        What was allowed at most.
    contains : bool, default=False
        True if the cap of the fit is a part of `event`, as that of a trial is of the search that it won. False if it
        is added, as to that of an earlier step of a pipeline.
    gave_domain : bool, default=False
        Whether the domain of the fit was released by it, and so was not declared.

    See Also
    --------
    skdpflow.Release : Lists them as `before`.

    Examples
    --------
    >>> from skdpflow.accountants import GaussianEvent, RestsOn
    >>> RestsOn(GaussianEvent(4.0)).contains
    False
    """

    event: Event
    contains: bool = False
    gave_domain: bool = False

    def __post_init__(self) -> None:
        if not (isinstance(self.event, Event) and {type(self.contains), type(self.gave_domain)} == {bool}):
            raise TypeError("RestsOn takes an Event and two bools.")
        object.__setattr__(self, "event", _without_nesting(self.event))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it.

        Returns
        -------
        data : dict
            For `from_dict`.
        """
        return {
            "event": event_to_dict(self.event),
            "contains": self.contains,
            "gave_domain": self.gave_domain,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RestsOn:
        """Build it from what `to_dict` returned.

        Parameters
        ----------
        data : mapping
            Possibly by way of JSON.

        Returns
        -------
        rests_on : RestsOn

        Raises
        ------
        TypeError, KeyError, ValueError
            If it is not exactly that.
        """
        if set(data) != {"event", "contains", "gave_domain"}:
            raise ValueError("A stored RestsOn must have the fields 'event', 'contains' and 'gave_domain'.")
        return cls(event_from_dict(data["event"]), data["contains"], data["gave_domain"])


def _without_nesting(event: Event) -> Event:
    """Return an event in a canonical form, so that equal events compare equal and nesting stays shallow."""
    parts = tuple(flatten_event(event))
    return parts[0] if len(parts) == 1 else ComposedEvent(parts)


def all_allowed(fits: Iterable[tuple[Event, tuple[RestsOn, ...]]]) -> ComposedEvent:
    """Return what several fits were allowed with all that they rest on; a fit is its cap and its `before`.

    What several rest on counts once: as often as one of them has it, or as there are fits with that cap. So equal caps
    of different fits are all counted, and a search once for all that came of it.
    """
    own: Counter[Event] = Counter()
    at_once: Counter[Event] = Counter()
    for nested, before in fits:
        cap, rests_on = _without_nesting(nested), [source.event for source in before]
        if not any(source.contains for source in before):
            own[cap] += 1
            rests_on.append(cap)
        at_once |= Counter(rests_on)
    return ComposedEvent(tuple((at_once | own).elements()))


def guarantee(allowed: Event, delta: float) -> tuple[float, str]:
    """Return the epsilon that is guaranteed at `delta`, and the accountant that says so, as if no noise were seeded.

    It is exact for Gaussian noise: no accountant that is right, and calibrated a cap, can have found less.
    """
    noisy = ComposedEvent(tuple(e for e in flatten_event(allowed) if not isinstance(e, NonPrivateEvent)))
    name = "rdp" if tally(noisy, repetitions=True).repetitions else "gdp"
    return float(resolve_accountant(name).epsilon(noisy, delta)), name


def covers_a_trial(search: Event, cap: Event, rounding: float) -> bool:
    """Whether one trial of a search may spend as much as a cap allows."""
    trials = [part for part in flatten_event(search) if isinstance(part, RepeatAndSelectEvent)]
    part, whole = tally(cap), tally(search, repetitions=True)
    return bool(trials) and (
        not part.selections
        and part.gaussian_mu <= max(tally(trial.event).gaussian_mu for trial in trials) * rounding
        and part.threshold_delta <= whole.threshold_delta * rounding
        and part.slack_epsilon <= max(trial.slack for trial in trials) * rounding
        and part.slack_delta <= whole.slack_delta * rounding
        and part.non_private <= whole.non_private
    )
