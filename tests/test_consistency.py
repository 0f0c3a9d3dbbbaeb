"""When one event is at least another, and what a cap guarantees."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from skdpflow._consistency import covers, of_one_trial, together
from skdpflow.accountants import (
    ComposedEvent,
    GaussianDPAccountant,
    GaussianEvent,
    NonPrivateEvent,
    RenyiAccountant,
    RepeatAndSelectEvent,
    SelectionEvent,
    SlackEvent,
    ThresholdEvent,
    ZCDPAccountant,
)

EPSILONS = st.floats(1e-4, 5.0)
EVENTS = st.one_of(
    st.builds(GaussianEvent, st.floats(0.5, 100.0)),
    st.builds(SelectionEvent, EPSILONS, st.sampled_from(["pure", "bounded-range"])),
    st.builds(ThresholdEvent, st.floats(1e-9, 1e-7)),
    st.builds(SlackEvent, st.floats(1e-6, 0.1), st.floats(1e-9, 1e-7)),
)
COMPOSED = st.builds(ComposedEvent, st.lists(EVENTS, max_size=4))


@given(COMPOSED, COMPOSED)
def test_a_composition_covers_its_parts_and_nothing_covers_more_than_itself(a, b):
    both = ComposedEvent((b, a))
    assert covers(both, a)
    assert covers(both, b)
    for more in (
        GaussianEvent(1.0),
        SelectionEvent(1.0),
        ThresholdEvent(1e-8),
        SlackEvent(1e-9, 1e-9),
        NonPrivateEvent(),
    ):
        assert not covers(a, ComposedEvent((a, more)))


@pytest.mark.parametrize("accountant", [GaussianDPAccountant(), ZCDPAccountant(), RenyiAccountant()])
@given(larger=COMPOSED, smaller=COMPOSED)
def test_what_covers_is_never_cheaper(accountant, larger, smaller):
    assume(covers(larger, smaller))
    assert accountant.epsilon(smaller, 1e-5) <= accountant.epsilon(larger, 1e-5) * (1 + 1e-6)


def test_what_a_search_was_allowed_counts_once_for_all_that_came_of_it():
    search = ComposedEvent((RepeatAndSelectEvent(GaussianEvent(4.0), 3.0), SlackEvent(0.01, 1e-9)))
    fit = GaussianEvent(8.0)
    assert together([search, fit, search, fit]) == ComposedEvent((fit, fit, search))
    assert covers(ComposedEvent((search, fit)), together([search, search]))
    assert not covers(fit, search)
    assert not covers(search, ComposedEvent((search, search)))
    assert not covers(ComposedEvent((RepeatAndSelectEvent(GaussianEvent(4.0), 9.0), SlackEvent(1.0, 0.1))), search)
    assert of_one_trial(search) == ComposedEvent((GaussianEvent(4.0), SlackEvent(0.01, 1e-9)))


def test_kinds_do_not_cover_each_other():
    pure, bounded = SelectionEvent(1.0, "pure"), SelectionEvent(1.0, "bounded-range")
    assert not covers(pure, bounded)
    assert not covers(bounded, pure)
    assert not covers(GaussianEvent(0.01), pure)
    assert not covers(ComposedEvent((pure, SelectionEvent(0.5, "pure"))), ComposedEvent((pure, pure)))
    assert not covers(GaussianEvent(1.0), NonPrivateEvent())
    assert covers(GaussianEvent(1.0), ComposedEvent((GaussianEvent(1.5), GaussianEvent(1.5))))
