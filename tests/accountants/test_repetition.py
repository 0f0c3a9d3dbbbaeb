"""The best of many trials: its divergences and its number of trials, against closed forms and brute force."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import logsumexp

from skdpflow.accountants import (
    ComposedEvent,
    GaussianDPAccountant,
    GaussianEvent,
    NonPrivateEvent,
    PLDAccountant,
    RenyiAccountant,
    RepeatAndSelectEvent,
    SelectionEvent,
    ThresholdEvent,
    UnsupportedEventError,
    ZCDPAccountant,
    calibrate,
)
from skdpflow.accountants.repetition import (
    negative_binomial_gamma,
    number_of_trials,
    poisson_rate,
    repeated_divergences,
    steepness,
)
from skdpflow.ledger.filter import PrivacyFilter

ORDERS = np.array([1.1, 1.5, 2.0, 3.7, 8.0, 16.0, 33.3, 128.0])
KINDS = [("poisson", 1.0), ("truncated-negative-binomial", 0.0), ("truncated-negative-binomial", 1.0),
         ("truncated-negative-binomial", 2.5)]  # fmt: skip


# ---------------------------------------------------------------- the number of trials


@pytest.mark.parametrize("mean", [1.01, 1.5, 4.0, 30.0])
@pytest.mark.parametrize(("distribution", "shape"), KINDS)
def test_number_of_trials_follows_the_closed_form(mean, distribution, shape):
    k = np.arange(1, 5_000)
    if distribution == "poisson":
        rate = poisson_rate(mean)
        cdf = (stats.poisson.cdf(k, rate) - math.exp(-rate)) / -math.expm1(-rate)
    else:
        gamma = negative_binomial_gamma(mean, shape)
        if shape == 0.0:
            cdf = np.cumsum(stats.logser.pmf(k, 1 - gamma))
        else:
            cdf = (stats.nbinom.cdf(k, shape, gamma) - gamma**shape) / (1 - gamma**shape)
    assert np.diff(cdf, prepend=0) @ k == pytest.approx(mean, rel=1e-6)
    for u in np.linspace(0.001, 0.999, 97):
        drawn = number_of_trials(u, mean, distribution, shape)
        assert cdf[drawn - 1] >= u - 1e-9
        assert drawn == 1 or cdf[drawn - 2] < u + 1e-9


@pytest.mark.parametrize(("distribution", "shape"), KINDS)
def test_extreme_uniforms_end(distribution, shape):
    assert number_of_trials(5e-324, 10.0, distribution, shape) == 1
    assert number_of_trials(1 - 2**-53, 10.0, distribution, shape) < 10_000


# ---------------------------------------------------------------- its price


@pytest.mark.parametrize("mean", [2.0, 5.0, 40.0])
@pytest.mark.parametrize("multiplier", [0.7, 3.0, 20.0])
@pytest.mark.parametrize(("distribution", "shape"), KINDS)
def test_divergences_agree_with_dp_accounting(mean, multiplier, distribution, shape):
    dp_accounting = pytest.importorskip("dp_accounting")
    trial = ORDERS / (2 * multiplier**2)
    theirs = dp_accounting.rdp.RdpAccountant(ORDERS)
    poisson = distribution == "poisson"
    rate = poisson_rate(mean) if poisson else mean
    inner = dp_accounting.GaussianDpEvent(multiplier)
    theirs.compose(dp_accounting.dp_event.RepeatAndSelectDpEvent(inner, rate, np.inf if poisson else shape))
    expected = theirs.rdp
    if poisson:  # theirs may make no trial at all
        expected = expected - math.log(-math.expm1(-rate)) / (ORDERS - 1)
        expected = np.minimum.accumulate(expected[::-1])[::-1]

    one = dp_accounting.rdp.RdpAccountant(ORDERS).compose(inner)

    def deltas(epsilons):
        return np.array([one.get_delta(epsilon) for epsilon in epsilons])

    ours = repeated_divergences(ORDERS, trial, deltas, mean, distribution, shape)
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
    event = RepeatAndSelectEvent(GaussianEvent(multiplier), mean, distribution, shape)
    exact = RenyiAccountant(ORDERS).epsilon(event, 1e-6)  # with the exact delta of a Gaussian trial
    assert exact <= dp_accounting.rdp.compute_epsilon(ORDERS, expected, 1e-6)[0] * (1 + 1e-9)


def generating_function(x, mean, distribution, shape):
    """E[x^K]."""
    if distribution == "poisson":
        rate = poisson_rate(mean)
        return np.expm1(rate * x) / math.expm1(rate)
    gamma = negative_binomial_gamma(mean, shape)
    if shape == 0.0:
        return np.log1p(-(1 - gamma) * x) / math.log(gamma)
    return ((1 - (1 - gamma) * x) ** -shape - 1) / (gamma**-shape - 1)


def divergences(p, q):
    return np.array([logsumexp(a * np.log(p) + (1 - a) * np.log(q)) / (a - 1) for a in ORDERS])


weights = st.lists(st.floats(0.01, 1.0), min_size=2, max_size=5)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(weights, st.data(), st.floats(1.01, 100.0), st.sampled_from(KINDS))
def test_no_selection_among_few_outcomes_costs_more(first, data, mean, kind):
    """Outcomes in the order of their score; the probability that one is the best of K follows from E[x^K]."""
    changes = data.draw(st.lists(st.floats(-1.5, 1.5), min_size=len(first), max_size=len(first)))
    p = np.array(first) / np.sum(first)
    q = p * np.exp(changes)
    q /= q.sum()

    def deltas(epsilons):
        factor = np.exp(epsilons)[:, None]
        return np.maximum(np.maximum(p - factor * q, 0).sum(axis=1), np.maximum(q - factor * p, 0).sum(axis=1))

    one = np.maximum(divergences(p, q), divergences(q, p))
    bound = repeated_divergences(ORDERS, one, deltas, mean, *kind)
    best_p, best_q = (
        np.diff(generating_function(np.minimum(np.cumsum(w), 1.0), mean, *kind), prepend=0.0) for w in (p, q)
    )
    assert best_p.sum() == pytest.approx(1.0)
    for real in (divergences(best_p, best_q), divergences(best_q, best_p)):
        assert (real <= bound * (1 + 1e-6) + 1e-8).all()


@settings(max_examples=200, deadline=None)
@given(weights, weights, st.data(), st.floats(1e-6, 0.05), st.floats(1.01, 50.0), st.sampled_from(KINDS))
def test_trials_that_rarely_go_wrong_cost_slack_whatever_epsilon_is_stated(good, bad, data, eta, mean, kind):
    """Good and bad outcomes, in any order of their scores, compared with the selection among good ones alone."""
    order = np.array(data.draw(st.permutations(range(len(good) + len(bad)))))
    clean = np.append(np.array(good) / np.sum(good), np.zeros(len(bad)))
    wrong = np.append(np.zeros(len(good)), np.array(bad) / np.sum(bad))
    is_bad = order >= len(good)

    def best(w):
        return np.diff(generating_function(np.minimum(np.cumsum(w[order]), 1.0), mean, *kind), prepend=0.0)

    real, ideal = best((1 - eta) * clean + eta * wrong), best(clean)
    assert real[is_bad].sum() <= mean * eta * (1 + 1e-9)
    ratios = np.log(real[~is_bad] / ideal[~is_bad])
    assert np.abs(ratios).max() <= steepness(mean, *kind) * eta - math.log1p(-eta) + 1e-8


@pytest.mark.parametrize(("distribution", "shape"), KINDS)
@pytest.mark.parametrize("mean", [1.01, 3.0, 40.0])
def test_the_steepness_is_the_largest_slope(mean, distribution, shape):
    x = np.linspace(0.0, 1.0, 20_001)
    slope = np.gradient(np.log(np.gradient(generating_function(x, mean, distribution, shape), x)), x)[2:-2]
    assert slope.max() <= steepness(mean, distribution, shape) * (1 + 1e-4) + 1e-4
    assert slope.max() >= 0.97 * steepness(mean, distribution, shape)


@pytest.mark.parametrize(("distribution", "shape"), KINDS)
def test_a_selection_costs_more_than_a_trial_and_less_than_all(distribution, shape):
    accountant, trial = RenyiAccountant(), GaussianEvent(10.0)
    costs = [
        accountant.epsilon(RepeatAndSelectEvent(trial, mean, distribution, shape), 1e-6) for mean in (1.01, 3, 10, 30)
    ]
    assert accountant.epsilon(trial, 1e-6) < costs[0]
    assert costs == sorted(costs)
    assert costs[2] < accountant.epsilon(ComposedEvent([trial] * 10), 1e-6)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 10.0), st.floats(-12.0, -3.0), st.floats(1.01, 200.0), st.sampled_from(KINDS))
def test_calibration_is_never_above_the_request(epsilon, log_delta, mean, kind):
    def search(m):
        trial = ComposedEvent([GaussianEvent(m), GaussianEvent(3 * m)])
        return ComposedEvent([RepeatAndSelectEvent(trial, mean, *kind, slack=epsilon * 1e-4), GaussianEvent(2 * m)])

    delta = 10**log_delta
    event, accountant = search(calibrate(search, epsilon, delta, "rdp")), RenyiAccountant()
    assert 0.99 * epsilon <= accountant.epsilon(event, delta) <= epsilon
    assert accountant.delta(event, epsilon) <= delta * (1 + 1e-9)


def test_slack_and_what_is_composed_cost_something():
    accountant, trial = RenyiAccountant(), GaussianEvent(5.0)
    plain = accountant.epsilon(RepeatAndSelectEvent(trial, 10.0), 1e-6)
    assert accountant.epsilon(RepeatAndSelectEvent(trial, 10.0, slack=1e-3), 1e-6) > plain + 1e-3
    with_labels = ComposedEvent([RepeatAndSelectEvent(trial, 10.0), ThresholdEvent(5e-7)])
    assert plain < accountant.epsilon(with_labels, 1e-6) < accountant.epsilon(with_labels.events[0], 4e-7)
    assert accountant.epsilon(ComposedEvent([with_labels, NonPrivateEvent()]), 1e-6) == math.inf


# ---------------------------------------------------------------- who refuses what


@pytest.mark.parametrize("accountant", [GaussianDPAccountant(), ZCDPAccountant(), PLDAccountant()])
def test_other_accountants_say_which_one_can(accountant):
    event = ComposedEvent([GaussianEvent(1.0), RepeatAndSelectEvent(GaussianEvent(5.0), 10.0)])
    for call in (accountant.epsilon, accountant.delta):
        with pytest.raises(UnsupportedEventError, match="'rdp'"):
            call(event, 0.5)


def test_a_filter_refuses_repeated_selection():
    ledger = PrivacyFilter(1.0)
    with pytest.raises(UnsupportedEventError):
        ledger.debit(RepeatAndSelectEvent(GaussianEvent(100.0), 10.0), "search")
    assert ledger.entries == ()


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        ({"event": 3.0}, TypeError, "must be an Event"),
        ({"event": ThresholdEvent(1e-9)}, ValueError, "Got ThresholdEvent"),
        ({"event": ComposedEvent([GaussianEvent(1.0), NonPrivateEvent()])}, ValueError, "Got NonPrivateEvent"),
        ({"event": RepeatAndSelectEvent(SelectionEvent(1.0), 2.0)}, ValueError, "Got RepeatAndSelectEvent"),
        ({"mean": 1.0}, ValueError, "'mean'"),
        ({"mean": math.nan}, ValueError, "'mean'"),
        ({"mean": True}, TypeError, "'mean'"),
        ({"distribution": "binomial"}, ValueError, "'distribution'"),
        ({"shape": -0.5}, ValueError, "'shape'"),
        ({"slack": -1e-9}, ValueError, "'slack'"),
    ],
)
def test_wrong_events_are_refused(params, error, match):
    with pytest.raises(error, match=match):
        RepeatAndSelectEvent(**{"event": GaussianEvent(1.0), "mean": 10.0, **params})
