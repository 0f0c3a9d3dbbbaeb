"""Events as JSON can hold them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from skdpflow.accountants.events import (
    ComposedEvent,
    Event,
    GaussianEvent,
    NonPrivateEvent,
    RepeatAndSelectEvent,
    SelectionEvent,
    SlackEvent,
    ThresholdEvent,
)

__all__ = ["event_from_dict", "event_to_dict"]

#: Deepest nesting of a stored event that is read. No event of this package comes near it.
_MAX_DEPTH = 32
#: Names of the events in files. They belong to the file format of a Release: add names, but never change one.
_NAMES: dict[str, type[Event]] = {
    "gaussian": GaussianEvent,
    "selection": SelectionEvent,
    "threshold": ThresholdEvent,
    "slack": SlackEvent,
    "composed": ComposedEvent,
    "repeat-and-select": RepeatAndSelectEvent,
    "non-private": NonPrivateEvent,
}


def event_to_dict(event: Event) -> dict[str, Any]:
    """Describe an event by strings, floats, lists and dicts, ready for JSON.

    Parameters
    ----------
    event : Event
        An event of this package.

    Returns
    -------
    dict
        The name of the event under ``"event"``, beside its fields.

    Raises
    ------
    TypeError
        If the event, or a part of it, is not of a kind this package can read back.

    See Also
    --------
    event_from_dict : The way back.

    Examples
    --------
    >>> from skdpflow.accountants import GaussianEvent, event_to_dict
    >>> event_to_dict(GaussianEvent(2.0))
    {'event': 'gaussian', 'noise_multiplier': 2.0}
    """
    names = [name for name, kind in _NAMES.items() if type(event) is kind]
    if not names:
        raise TypeError(f"Only events of this package can be stored. Got {type(event).__name__}.")
    if isinstance(event, ComposedEvent):
        return {"event": names[0], "events": [event_to_dict(part) for part in event.events]}
    values = {_stored(field.name): getattr(event, field.name) for field in fields(event)}
    return {"event": names[0]} | {k: event_to_dict(v) if isinstance(v, Event) else v for k, v in values.items()}


def _stored(field: str) -> str:
    """Return the name under which a field is stored: ``"event"`` is taken by the name of the kind."""
    return "trial" if field == "event" else field


def event_from_dict(data: Mapping[str, Any]) -> Event:
    """Build an event from its description, refusing whatever is not exactly one.

    Parameters
    ----------
    data : mapping of str to object
        What :func:`event_to_dict` returned, possibly by way of JSON.

    Returns
    -------
    Event
        An event equal to the one described.

    Raises
    ------
    ValueError
        If the name is unknown, a field is missing, superfluous or out of range, or the nesting is absurd.

    See Also
    --------
    event_to_dict : The way there.

    Examples
    --------
    >>> from skdpflow.accountants import event_from_dict
    >>> event_from_dict({"event": "threshold", "delta": 1e-9})
    ThresholdEvent(delta=1e-09)
    """
    return _from_dict(data, depth=0)


def _from_dict(data: object, depth: int) -> Event:
    if depth > _MAX_DEPTH:
        raise ValueError(f"A stored event must not be nested deeper than {_MAX_DEPTH} levels.")
    if not isinstance(data, Mapping):
        raise ValueError(f"A stored event must be a mapping. Got {type(data).__name__}.")
    name = data.get("event")
    kind = _NAMES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"The 'event' of a stored event must be one of {', '.join(_NAMES)}. Got {name!r}.")
    expected = {_stored(field.name) for field in fields(kind)}
    given = set(data) - {"event"}
    if given != expected:
        raise ValueError(
            f"A stored {name!r} event must have the fields {sorted(expected)}. "
            f"Missing: {sorted(expected - given)}. Not known: {sorted(given - expected, key=str)}."
        )
    values = {field: data[field] for field in expected}
    if kind is ComposedEvent:
        if not isinstance(values["events"], list | tuple):
            raise ValueError("The 'events' of a stored 'composed' event must be a list.")
        values["events"] = tuple(_from_dict(part, depth + 1) for part in values["events"])
    if kind is RepeatAndSelectEvent:
        values["event"] = _from_dict(values.pop("trial"), depth + 1)
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(str(error)) from None
