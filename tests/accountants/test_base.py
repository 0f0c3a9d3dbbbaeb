"""What holds for every accountant of the package, and how one is chosen."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.base import clone

from skdpflow.accountants import (
    Accountant,
    ComposedEvent,
    GaussianDPAccountant,
    GaussianEvent,
    NonPrivateEvent,
    PLDAccountant,
    RenyiAccountant,
    SelectionEvent,
    SlackEvent,
    ThresholdEvent,
    UnsupportedEventError,
    ZCDPAccountant,
    resolve_accountant,
)

# Those without an optional dependency, and fast enough for many examples.
ANALYTIC = [GaussianDPAccountant(), ZCDPAccountant(), RenyiAccountant()]
analytic = st.sampled_from(ANALYTIC)
log_uniform = st.floats(math.log(0.05), math.log(500.0)).map(math.exp)
deltas = st.floats(math.log(1e-15), math.log(0.5)).map(math.exp)
leaves = st.one_of(
    st.builds(GaussianEvent, log_uniform),
    st.builds(SelectionEvent, st.floats(0.001, 20.0), st.sampled_from(["bounded-range", "pure"])),
)
slacks = st.builds(SlackEvent, st.floats(1e-6, 2.0), st.floats(1e-9, 1e-3))
events = st.lists(leaves, min_size=1, max_size=5).map(ComposedEvent)


@given(analytic, events, deltas, deltas)
def test_epsilon_does_not_grow_with_delta(accountant, event, a, b):
    low, high = min(a, b), max(a, b)
    assert accountant.epsilon(event, high) <= accountant.epsilon(event, low) * (1 + 1e-9)


@given(analytic, events, leaves, deltas, st.floats(0.0, 50.0))
def test_more_events_never_cost_less(accountant, event, extra, delta, epsilon):
    more = ComposedEvent((extra, event))
    assert accountant.epsilon(event, delta) <= accountant.epsilon(more, delta) * (1 + 1e-9)
    assert accountant.delta(event, epsilon) <= accountant.delta(more, epsilon) * (1 + 1e-9)


@given(analytic, events, deltas)
def test_delta_at_epsilon_is_the_delta_it_came_from(accountant, event, delta):
    epsilon = accountant.epsilon(event, delta)
    back = accountant.delta(event, epsilon)
    assert back <= delta * (1 + 1e-6)
    if epsilon > 1e-3:
        assert back >= delta * (1 - 1e-4 * (1 + epsilon))


@given(analytic, events, st.floats(0.01, 20.0))
def test_epsilon_at_delta_is_the_epsilon_it_came_from(accountant, event, epsilon):
    delta = accountant.delta(event, epsilon)
    if 1e-200 < delta < 0.99:
        assert accountant.epsilon(event, delta) <= epsilon * (1 + 1e-6) + 1e-9


@given(st.lists(st.builds(GaussianEvent, log_uniform), min_size=1, max_size=5), deltas)
def test_the_gaussian_accountant_is_never_above_the_others(parts, delta):
    event = ComposedEvent(parts)
    exact = GaussianDPAccountant().epsilon(event, delta)
    assert exact <= ZCDPAccountant().epsilon(event, delta) * (1 + 1e-9) + 1e-12
    assert exact <= RenyiAccountant().epsilon(event, delta) * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize("accountant", ANALYTIC)
@pytest.mark.parametrize("m", [1e-320, 1e-200, 1e-100, 1e-8, 1e8, 1e100, 1e200, 1e308])
def test_extreme_noise_gives_numbers_and_no_warnings(accountant, m):
    event = GaussianEvent(m)
    epsilon = accountant.epsilon(event, 1e-6)
    delta = accountant.delta(event, 1.0)
    assert (epsilon > 1e10 and delta == 1.0) if m < 1.0 else (epsilon < 1e-6 and 0.0 < delta < 1e-300)


@pytest.mark.parametrize("accountant", ANALYTIC)
@pytest.mark.parametrize("kind", ["pure", "bounded-range"])
@pytest.mark.parametrize("epsilon", [1e-300, 1e-100, 1e-12, 1e3, 1e100, 1e308])
def test_extreme_selections_give_numbers_and_no_warnings(accountant, kind, epsilon):
    event = SelectionEvent(epsilon, kind)
    total, delta = accountant.epsilon(event, 1e-6), accountant.delta(event, 0.5)
    assert (total > 100 and delta > 0.999) if epsilon > 1 else (total < 1e-6 and 0.0 < delta < 1e-12)


@pytest.mark.parametrize("accountant", ANALYTIC)
def test_threshold_deltas_come_off_the_total(accountant):
    gaussian = GaussianEvent(3.0)
    event = ComposedEvent([ThresholdEvent(1e-6), gaussian, ThresholdEvent(3e-6)])
    assert accountant.epsilon(event, 1e-5) == pytest.approx(accountant.epsilon(gaussian, 6e-6), rel=1e-12)
    assert accountant.delta(event, 1.0) == pytest.approx(accountant.delta(gaussian, 1.0) + 4e-6, rel=1e-12)
    assert accountant.epsilon(event, 3.9e-6) == math.inf
    assert accountant.epsilon(event, 4e-6) == math.inf  # nothing left for the noise
    only = ThresholdEvent(1e-6)
    assert (accountant.epsilon(only, 1e-6), accountant.delta(only, 0.0)) == (0.0, 1e-6)


@given(analytic, events, slacks, slacks, st.floats(0.01, 0.5), st.floats(0.0, 30.0))
def test_slack_is_added_as_it_stands(accountant, event, one, two, delta, epsilon):
    both = ComposedEvent((one, event, two))
    s, d = one.epsilon + two.epsilon, one.delta + two.delta
    assert accountant.epsilon(both, delta) == pytest.approx(s + accountant.epsilon(event, (delta - d) * math.exp(-s)))
    expected = min(1.0, math.exp(s) * accountant.delta(event, epsilon) + d)
    assert accountant.delta(both, epsilon + s) == pytest.approx(expected)
    assert accountant.delta(both, epsilon) >= accountant.delta(event, epsilon)
    assert accountant.delta(both, accountant.epsilon(both, delta)) <= delta * (1 + 1e-6)
    assert accountant.epsilon(both, d * (1 - 1e-9)) == math.inf
    assert accountant.epsilon(one, 0.9) == one.epsilon
    assert accountant.delta(one, one.epsilon) == pytest.approx(one.delta)


@pytest.mark.parametrize("s", [1e-4, 0.01, 0.3])
@pytest.mark.parametrize("epsilon", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("accountant", ANALYTIC)
def test_slack_covers_the_worst_that_rounding_can_do(accountant, epsilon, s):
    """Outcomes above a threshold get a factor of exp(s/2) more in one world and of exp(-s/2) less in the other."""
    gaussian = GaussianEvent(2.0)
    threshold = epsilon * 2.0 + 0.25  # where the log-ratio of N(1/2, 1) and N(0, 1) is epsilon
    above, below = norm.sf(threshold - 0.5), norm.sf(threshold)
    leaked = math.exp(s / 2) * above - math.exp(epsilon + s) * math.exp(-s / 2) * below
    assert leaked <= accountant.delta(ComposedEvent((gaussian, SlackEvent(s, 1e-15))), epsilon + s)
    if isinstance(accountant, GaussianDPAccountant) and s < 0.1:  # composed in squares it would be too little
        assert leaked > accountant.delta(ComposedEvent((gaussian, SelectionEvent(s, "pure"))), epsilon + s)


@pytest.mark.parametrize("accountant", ANALYTIC)
def test_extreme_slack_gives_numbers_and_no_warnings(accountant):
    for event in (SlackEvent(1e4, 1e-9), ComposedEvent((GaussianEvent(1.0), SlackEvent(1e4, 1e-9)))):
        assert accountant.delta(event, 1.0) == 1.0
        assert accountant.epsilon(event, 1e-6) >= 1e4


@pytest.mark.parametrize("accountant", ANALYTIC)
def test_delta_zero_needs_no_events(accountant):
    assert accountant.epsilon(GaussianEvent(1e300), 0.0) == math.inf
    assert accountant.epsilon(ComposedEvent(()), 0.0) == 0.0
    assert accountant.epsilon(NonPrivateEvent(), 0.0) == math.inf


@pytest.mark.parametrize("accountant", [*ANALYTIC, PLDAccountant()])
def test_arguments_are_checked(accountant):
    for delta in (-1e-9, 1.0, 2.0, math.nan):
        with pytest.raises(ValueError, match=r"'delta' parameter must be a number in \[0, 1\). Got"):
            accountant.epsilon(GaussianEvent(1.0), delta)
    for epsilon in (-1e-9, math.inf, math.nan):
        with pytest.raises(ValueError, match="'epsilon' parameter must be a finite number"):
            accountant.delta(GaussianEvent(1.0), epsilon)


@pytest.mark.parametrize("accountant", [*ANALYTIC, PLDAccountant()])
def test_what_is_no_event_is_refused_by_name(accountant):
    with pytest.raises(UnsupportedEventError, match="float is not an event that this accountant knows"):
        accountant.epsilon(1.0, 1e-5)


def test_a_subclass_of_a_known_event_is_refused():
    class HalfGaussian(GaussianEvent):
        pass

    with pytest.raises(UnsupportedEventError, match="HalfGaussian, a part of ComposedEvent, is not"):
        GaussianDPAccountant().delta(ComposedEvent([HalfGaussian(1.0)]), 1.0)


@pytest.mark.parametrize(("clip", "noise"), [(1.0, 4.0), (2.0, 3.0)])
def test_the_multiplier_counts_the_whole_sensitivity_under_replace_one(clip, noise):
    # Worst neighbours of a sum of values in [-clip, clip] when one value is replaced: they differ by 2 clip.
    def delta_of_the_two_worlds(epsilon):
        cut = epsilon * noise**2 / (2 * clip)  # the log-ratio exceeds epsilon above this point
        return norm.sf(cut, clip, noise) - np.exp(epsilon) * norm.sf(cut, -clip, noise)

    right, wrong = GaussianEvent(noise / (2 * clip)), GaussianEvent(noise / clip)
    for epsilon in (0.1, 1.0, 2.0):
        true = delta_of_the_two_worlds(epsilon)
        assert GaussianDPAccountant().delta(right, epsilon) == pytest.approx(true, rel=1e-9)
        for accountant in ANALYTIC:
            assert accountant.delta(right, epsilon) >= true
        assert GaussianDPAccountant().delta(wrong, epsilon) < true


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gdp", GaussianDPAccountant),
        ("zcdp", ZCDPAccountant),
        ("rdp", RenyiAccountant),
        ("pld", PLDAccountant),
    ],
)
def test_each_name_gives_its_accountant(name, kind):
    accountant = resolve_accountant(name)
    assert type(accountant) is kind
    assert isinstance(accountant, Accountant)


def test_the_default_is_gaussian():
    assert type(resolve_accountant()) is GaussianDPAccountant


def test_an_object_comes_back_as_it_is():
    accountant = RenyiAccountant(orders=[2.0])
    assert resolve_accountant(accountant) is accountant


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"'gdp', 'zcdp', 'rdp', 'pld', or an object .* Got 'prv'"):
        resolve_accountant("prv")


def test_a_class_in_place_of_an_instance_is_refused():
    with pytest.raises(TypeError, match=r"must be an instance. Got the class ZCDPAccountant: write ZCDPAcc"):
        resolve_accountant(ZCDPAccountant)


def test_what_is_missing_is_named():
    class Half:
        def epsilon(self, event, delta):
            return 0.0

        def delta(self):
            return 0.0

    with pytest.raises(TypeError, match=r"Half cannot be used as an accountant.* Missing: delta\(event, epsi"):
        resolve_accountant(Half())
    with pytest.raises(TypeError, match=r"Missing: epsilon\(event, delta\) and delta\(event, epsilon\)"):
        resolve_accountant(None)


@pytest.mark.parametrize("accountant", [*ANALYTIC, RenyiAccountant(orders=[2, 4]), PLDAccountant(1e-3)])
def test_accountants_behave_like_estimators(accountant):
    copy = clone(accountant)
    assert copy is not accountant
    assert copy.get_params() == accountant.get_params()
    assert copy.set_params(**accountant.get_params()) is copy
    assert repr(pickle.loads(pickle.dumps(accountant))) == repr(accountant)


def test_parameters_are_checked_when_used_not_when_set():
    accountant = clone(RenyiAccountant()).set_params(orders=[1.0, 2.0])
    with pytest.raises(ValueError, match="'orders' parameter of RenyiAccountant must be a non-empty"):
        accountant.epsilon(GaussianEvent(1.0), 1e-5)
    with pytest.raises(ValueError, match="'orders' parameter"):
        RenyiAccountant(orders=[]).delta(GaussianEvent(1.0), 1.0)


@settings(max_examples=30)
@given(analytic, st.permutations([GaussianEvent(0.3), SelectionEvent(0.1), GaussianEvent(7.0)]))
def test_order_does_not_matter(accountant, parts):
    expected = accountant.epsilon(ComposedEvent(sorted(parts, key=str)), 1e-6)
    assert accountant.epsilon(ComposedEvent(parts), 1e-6) == pytest.approx(expected, rel=1e-12)
