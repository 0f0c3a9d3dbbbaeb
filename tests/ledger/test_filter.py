"""The ledger of a fit: never overspent, never half written."""

import math
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdpflow.accountants import (
    ComposedEvent,
    Event,
    GaussianDPAccountant,
    GaussianEvent,
    NonPrivateEvent,
    RenyiAccountant,
    SelectionEvent,
    ThresholdEvent,
    UnsupportedEventError,
    ZCDPAccountant,
    gdp_mu,
    noise_multiplier,
)
from skdpflow.accountants.gaussian import selection_mu
from skdpflow.exceptions import BudgetExceededError
from skdpflow.ledger.filter import PrivacyFilter


@dataclass(frozen=True)
class UnknownEvent(Event):
    pass


shares = st.floats(0.01, 0.8)
requests = st.one_of(
    st.tuples(st.just("gaussian"), shares),
    st.tuples(st.just("bounded-range"), shares),
    st.tuples(st.just("pure"), shares),
    st.tuples(st.just("rest"), shares),
)


@settings(max_examples=150)
@given(st.floats(0.1, 10.0), st.floats(1e-9, 1e-2), st.lists(requests, min_size=1, max_size=12))
def test_never_overspent_whatever_is_asked(epsilon, delta, asked):
    cap = gdp_mu(epsilon, delta) ** 2
    ledger = PrivacyFilter(cap)
    for kind, share in asked:
        if kind == "gaussian":
            event = GaussianEvent(1 / math.sqrt(share * cap))
        elif kind == "rest":
            if ledger.remaining == 0.0:
                continue
            event = GaussianEvent(1 / math.sqrt(ledger.remaining))
        else:
            event = SelectionEvent(share * math.sqrt(cap), kind)
        before = ledger.entries
        try:
            ledger.debit(event, kind)
        except BudgetExceededError:
            assert kind != "rest"
            assert ledger.entries is before
        else:
            assert ledger.entries[:-1] == before
        assert GaussianDPAccountant().epsilon(ledger.event, delta) <= epsilon


@settings(max_examples=50)
@given(st.lists(st.floats(0.05, 12.0), min_size=1, max_size=5), st.sampled_from(["bounded-range", "pure"]))
def test_other_accountants_never_find_more_than_the_cap(epsilons, kind):
    event = ComposedEvent([SelectionEvent(e, kind) for e in epsilons])
    ledger = PrivacyFilter(cap=1e6)
    ledger.debit(event, "selections")
    whole = GaussianEvent(1 / math.sqrt(ledger.entries[0].mu_squared))
    for accountant in (ZCDPAccountant(), RenyiAccountant(), GaussianDPAccountant()):
        assert accountant.epsilon(event, 1e-6) <= accountant.epsilon(whole, 1e-6) * (1 + 1e-9)


@pytest.mark.parametrize("n", [1, 3, 7, 100, 1000])
def test_equal_shares_use_the_cap_up_to_rounding(n):
    cap = noise_multiplier(1.0, 1e-6) ** -2
    ledger = PrivacyFilter(cap)
    for i in range(n):
        ledger.debit(GaussianEvent(math.sqrt(n / cap)), f"round {i}")
    assert ledger.remaining <= 1e-12 * cap
    assert GaussianDPAccountant().epsilon(ledger.event, 1e-6) <= 1.0
    with pytest.raises(BudgetExceededError):
        ledger.debit(GaussianEvent(1e5), "one more")
    assert len(ledger.entries) == n


def test_the_tolerance_is_harmless():
    cap = gdp_mu(2.0, 1e-7) ** 2
    ledger = PrivacyFilter(cap)
    ledger.debit(GaussianEvent(1 / math.sqrt(cap * (1 + 0.9e-12))), "a little too much")
    assert GaussianDPAccountant().epsilon(ledger.event, 1e-7) <= 2.0
    with pytest.raises(BudgetExceededError):
        PrivacyFilter(cap).debit(GaussianEvent(1 / math.sqrt(cap * (1 + 3e-12))), "more than that")


def test_the_tolerance_does_not_add_up():
    ledger = PrivacyFilter(1.0)
    ledger.debit(GaussianEvent(1.0), "all")
    for _ in range(1000):
        try:
            ledger.debit(GaussianEvent(1e7), "crumbs")  # 1e-14 each
        except BudgetExceededError:
            break
    assert math.fsum(e.mu_squared for e in ledger.entries) <= 1 + 1e-12
    assert len(ledger.entries) < 200


def test_entries_say_what_was_spent():
    ledger = PrivacyFilter(cap=1.0, delta_cap=1e-6)
    events = [GaussianEvent(2.0), SelectionEvent(0.3), ThresholdEvent(4e-7)]
    for event, what in zip(events, ["counts", "slices", "classes"], strict=True):
        ledger.debit(event, what)
    assert [e.what for e in ledger.entries] == ["counts", "slices", "classes"]
    assert [e.event for e in ledger.entries] == events
    assert [e.mu_squared for e in ledger.entries] == [0.25, selection_mu(events[1]) ** 2, 0.0]
    assert [e.delta for e in ledger.entries] == [0.0, 0.0, 4e-7]
    assert ledger.event == ComposedEvent(events)
    assert ledger.remaining == pytest.approx(0.75 - selection_mu(events[1]) ** 2)
    with pytest.raises(FrozenInstanceError):
        ledger.entries[0].mu_squared = 0.0
    assert isinstance(ledger.entries, tuple)
    assert repr(PrivacyFilter(1.0)) == "PrivacyFilter(cap=1, remaining=1, n_entries=0)"


def test_a_refusal_records_nothing_and_says_what_is_left():
    ledger = PrivacyFilter(cap=0.5)
    ledger.debit(GaussianEvent(2.0), "counts")
    plan = ComposedEvent([GaussianEvent(10.0), GaussianEvent(1.0)])
    with pytest.raises(BudgetExceededError, match=r"'slices' needs mu\^2 = 1.01, but only 0.25 is left of 0.5"):
        ledger.debit(plan, "slices")
    assert len(ledger.entries) == 1
    assert ledger.remaining == 0.25


def test_thresholds_have_a_cap_of_their_own():
    with pytest.raises(BudgetExceededError, match="only 0 is left of 0"):
        PrivacyFilter(1.0).debit(ThresholdEvent(1e-20), "classes")
    ledger = PrivacyFilter(1.0, delta_cap=1e-6)
    for i in range(10):
        ledger.debit(ThresholdEvent(1e-6 / 10), f"column {i}")
    assert ledger.remaining == 1.0
    with pytest.raises(BudgetExceededError, match="'one more' needs delta = 1e-09 for thresholds"):
        ledger.debit(ThresholdEvent(1e-9), "one more")
    # A composition is refused as a whole.
    with pytest.raises(BudgetExceededError):
        ledger.debit(ComposedEvent([GaussianEvent(5.0), ThresholdEvent(1e-9)]), "both")
    assert ledger.remaining == 1.0


def test_what_guarantees_nothing_cannot_be_paid_for():
    ledger = PrivacyFilter(1e300)
    with pytest.raises(BudgetExceededError, match=r"mu\^2 = inf"):
        ledger.debit(ComposedEvent([GaussianEvent(1.0), NonPrivateEvent()]), "raw rows")
    with pytest.raises(BudgetExceededError):
        ledger.debit(GaussianEvent(1e-320), "hardly any noise")
    assert ledger.entries == ()


@pytest.mark.parametrize("event", [UnknownEvent(), ComposedEvent([GaussianEvent(1.0), UnknownEvent()]), 0.5])
def test_unknown_events_are_refused(event):
    ledger = PrivacyFilter(10.0)
    with pytest.raises(UnsupportedEventError):
        ledger.debit(event, "something")
    assert ledger.entries == ()


@pytest.mark.parametrize("cap", [0.0, -1.0, np.inf, np.nan, "1", None, True])
def test_the_cap_is_checked(cap):
    with pytest.raises(ValueError, match=r"'cap' parameter must be a finite positive number. Got"):
        PrivacyFilter(cap)


@pytest.mark.parametrize("delta_cap", [-1e-9, 1.0, np.nan, None])
def test_the_delta_cap_is_checked(delta_cap):
    with pytest.raises(ValueError, match=r"'delta_cap' parameter must be a number in \[0, 1\). Got"):
        PrivacyFilter(1.0, delta_cap)
