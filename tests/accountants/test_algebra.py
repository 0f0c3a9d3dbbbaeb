"""When one event is at least another, and what a cap guarantees."""

from types import SimpleNamespace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from skdpflow.accountants import (
    ComposedEvent,
    GaussianDPAccountant,
    GaussianEvent,
    NonPrivateEvent,
    RenyiAccountant,
    RepeatAndSelectEvent,
    RestsOn,
    SelectionEvent,
    SlackEvent,
    ThresholdEvent,
    ZCDPAccountant,
)
from skdpflow.accountants.algebra import covers
from skdpflow.accountants.resting import all_allowed, covers_a_trial, guarantee
from skdpflow.release.checks import together

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
    fit, first_cap = GaussianEvent(8.0), SlackEvent(0.01, 1e-9)

    def released(cap, *before):
        return SimpleNamespace(cap=cap, before=before)

    # a search contains the caps of its winner, and is added to what its clones are allowed
    winner, other, more = released(fit, RestsOn(search, True)), released(fit), released(fit, RestsOn(search))
    assert together([winner]) == ComposedEvent((search,))
    assert together([more]) == ComposedEvent((search, fit))
    assert set(together([winner, other, winner, other, more]).events) == {search, fit}
    assert together([winner, other, winner, other, more]).events.count(search) == 1
    assert together([winner, other, winner, other, more]).events.count(fit) == 3
    assert covers(ComposedEvent((search, fit)), together([winner, winner, more]))
    # an earlier step counts once for all that rest on it, and as itself
    first, last = released(first_cap), released(fit, RestsOn(first_cap))
    assert set(together([last]).events) == {fit, first_cap}
    assert together([first, last]).events == (first_cap, fit)
    equal = [other, released(fit, RestsOn(fit)), released(fit, RestsOn(fit), RestsOn(fit))]
    assert together(equal[2:]) == together(equal) == together(equal[::2]) == ComposedEvent((fit, fit, fit))
    assert together([equal[1], equal[1]]) == ComposedEvent((fit, fit))
    assert not covers(fit, search)
    assert not covers(search, ComposedEvent((search, search)))
    assert not covers(ComposedEvent((RepeatAndSelectEvent(GaussianEvent(4.0), 9.0), SlackEvent(1.0, 0.1))), search)


@pytest.mark.parametrize(
    ("cap", "fits_in"),
    [
        (ComposedEvent((GaussianEvent(4.0), SlackEvent(0.001, 1e-10))), True),
        (ComposedEvent((GaussianEvent(3.9), SlackEvent(0.001, 1e-10))), False),
        (ComposedEvent((GaussianEvent(4.0), SlackEvent(0.003, 1e-10))), False),
        (ComposedEvent((GaussianEvent(4.0), SlackEvent(0.001, 2e-9))), False),
        (ComposedEvent((GaussianEvent(4.0), ThresholdEvent(1e-10))), False),
        (ComposedEvent((GaussianEvent(4.0), NonPrivateEvent())), False),
        (ComposedEvent((GaussianEvent(8.0), SelectionEvent(0.01))), False),
    ],
)
def test_a_search_contains_no_more_than_one_of_its_trials(cap, fits_in):
    trials = RepeatAndSelectEvent(GaussianEvent(4.0), 3.0, slack=0.002)
    search = ComposedEvent((trials, GaussianEvent(0.5), SlackEvent(0.01, 1e-9)))
    assert covers_a_trial(search, cap, 1.0) == fits_in
    assert not covers_a_trial(GaussianEvent(0.1), cap, 1.0)  # which is no search


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("delta", [1e-6, 1e-4])
def test_the_guarantee_of_the_whole_is_that_of_the_accountant_it_names(count, delta):
    fits = [(ComposedEvent((GaussianEvent(6.0), SlackEvent(1e-3, 1e-10))), ())] * count
    allowed = all_allowed(fits)
    assert guarantee(allowed, delta) == (GaussianDPAccountant().epsilon(allowed, delta), "gdp")
    seeded = ComposedEvent((allowed, NonPrivateEvent()))
    assert guarantee(seeded, delta) == guarantee(allowed, delta)
    searched = ComposedEvent((allowed, RepeatAndSelectEvent(GaussianEvent(9.0), 3.0, slack=1e-3)))
    assert guarantee(searched, delta) == (RenyiAccountant().epsilon(searched, delta), "rdp")
    # what arithmetic may do in a trial is paid for
    exact = ComposedEvent((allowed, RepeatAndSelectEvent(GaussianEvent(9.0), 3.0)))
    assert guarantee(searched, delta)[0] >= guarantee(exact, delta)[0] + 1e-3


def test_kinds_do_not_cover_each_other():
    pure, bounded = SelectionEvent(1.0, "pure"), SelectionEvent(1.0, "bounded-range")
    assert not covers(pure, bounded)
    assert not covers(bounded, pure)
    assert not covers(GaussianEvent(0.01), pure)
    assert not covers(ComposedEvent((pure, SelectionEvent(0.5, "pure"))), ComposedEvent((pure, pure)))
    assert not covers(GaussianEvent(1.0), NonPrivateEvent())
    assert covers(GaussianEvent(1.0), ComposedEvent((GaussianEvent(1.5), GaussianEvent(1.5))))
