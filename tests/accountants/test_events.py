"""Events: validated, frozen, and the same after a trip through JSON."""

import json
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdpflow.accountants import (
    ComposedEvent,
    Event,
    GaussianEvent,
    NonPrivateEvent,
    RepeatAndSelectEvent,
    SelectionEvent,
    SlackEvent,
    ThresholdEvent,
    event_from_dict,
    event_to_dict,
    flatten_event,
)

positive = st.floats(min_value=1e-300, max_value=1e300)
leaves = st.one_of(
    st.builds(GaussianEvent, positive),
    st.builds(SelectionEvent, positive, st.sampled_from(["bounded-range", "pure"])),
    st.builds(ThresholdEvent, st.floats(1e-300, 0.999)),
    st.builds(SlackEvent, positive, st.floats(1e-300, 0.999)),
    st.builds(NonPrivateEvent),
    st.builds(RepeatAndSelectEvent, st.builds(GaussianEvent, positive), st.floats(1.01, 500.0)),
)
events = st.recursive(leaves, lambda parts: st.builds(ComposedEvent, st.lists(parts, max_size=4)), max_leaves=12)


@dataclass(frozen=True)
class UnknownEvent(Event):
    pass


@given(events)
def test_json_round_trip(event):
    assert event_from_dict(json.loads(json.dumps(event_to_dict(event), allow_nan=False))) == event


@given(events)
def test_flattening_keeps_every_part_in_order(event):
    def walk(event):
        return [p for e in event.events for p in walk(e)] if isinstance(event, ComposedEvent) else [event]

    assert list(flatten_event(event)) == walk(event)


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan, 10**400])
@pytest.mark.parametrize("make", [GaussianEvent, SelectionEvent, ThresholdEvent])
def test_values_out_of_range_are_refused(make, value):
    with pytest.raises(ValueError, match=f"of {make.__name__} must be a .* Got"):
        make(value)


@pytest.mark.parametrize("value", ["1", None, True, 1j, [1.0]])
def test_values_that_are_not_numbers_are_refused(value):
    with pytest.raises(TypeError, match="'noise_multiplier' of GaussianEvent must be a finite positive number"):
        GaussianEvent(value)


def test_a_threshold_delta_of_one_is_refused():
    with pytest.raises(ValueError, match=r"in \(0, 1\)"):
        ThresholdEvent(1.0)


def test_selection_kinds_are_checked():
    assert SelectionEvent(1.0).kind == "bounded-range"
    with pytest.raises(ValueError, match=r"'bounded-range' or 'pure'. Got 'exponential'"):
        SelectionEvent(1.0, kind="exponential")


@pytest.mark.parametrize("bad", [3, GaussianEvent(1.0)])
def test_composed_needs_an_iterable(bad):
    with pytest.raises(TypeError, match="must be an iterable of events"):
        ComposedEvent(bad)


def test_composed_needs_events():
    with pytest.raises(TypeError, match=r"must be an Event. Got str"):
        ComposedEvent(["gaussian"])


def test_events_are_frozen_and_hashable():
    event = ComposedEvent([GaussianEvent(np.float64(2.0))])
    with pytest.raises(FrozenInstanceError):
        event.events = ()
    with pytest.raises(FrozenInstanceError):
        event.events[0].noise_multiplier = 1e9
    assert type(event.events[0].noise_multiplier) is float
    assert hash(event) == hash(ComposedEvent((GaussianEvent(2),)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "must be one of gaussian, selection"),
        ({"event": "laplace", "noise_multiplier": 1.0}, "Got 'laplace'"),
        ({"event": ["gaussian"], "noise_multiplier": 1.0}, "must be one of"),
        ({"event": "gaussian"}, r"Missing: \['noise_multiplier'\]"),
        ({"event": "gaussian", "noise_multiplier": 1.0, "relation": "x"}, r"Not known: \['relation'\]"),
        ({"event": "selection", "epsilon": 1.0}, r"Missing: \['kind'\]"),
        ({"event": "gaussian", "noise_multiplier": -1.0}, "finite positive"),
        ({"event": "gaussian", "noise_multiplier": "1"}, "finite positive"),
        ({"event": "gaussian", "noise_multiplier": float("nan")}, "finite positive"),
        ({"event": "selection", "epsilon": 1.0, "kind": ["pure"]}, "'bounded-range' or 'pure'"),
        ({"event": "composed", "events": {"event": "non-private"}}, "must be a list"),
        ({"event": "composed", "events": "abc"}, "must be a list"),
        ({"event": "composed", "events": [3]}, "must be a mapping. Got int"),
        ([("event", "non-private")], "must be a mapping. Got list"),
    ],
)
def test_a_damaged_description_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        event_from_dict(data)


def test_absurd_nesting_is_refused():
    data = {"event": "non-private"}
    for _ in range(900):
        data = {"event": "composed", "events": [data]}
    with pytest.raises(ValueError, match="nested deeper than"):
        event_from_dict(data)


@pytest.mark.parametrize("event", [UnknownEvent(), ComposedEvent((UnknownEvent(),))])
def test_an_event_that_could_not_be_read_back_is_not_stored(event):
    with pytest.raises(TypeError, match=r"Only events of this package can be stored. Got UnknownEvent"):
        event_to_dict(event)
