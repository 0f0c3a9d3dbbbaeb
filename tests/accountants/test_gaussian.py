"""Gaussian privacy against high-precision arithmetic and dp-accounting."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import norm

from skdpflow.accountants import ComposedEvent, GaussianDPAccountant, GaussianEvent, SelectionEvent
from skdpflow.accountants.base import tally
from skdpflow.accountants.gaussian import selection_mu, total_mu


def exact_delta(mu, epsilon):
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(120):
        mu, epsilon = mpmath.mpf(mu), mpmath.mpf(epsilon)

        def phi(x):
            return mpmath.erfc(-x / mpmath.sqrt(2)) / 2

        return phi(mu / 2 - epsilon / mu) - mpmath.exp(epsilon) * phi(-mu / 2 - epsilon / mu)


@pytest.mark.parametrize(
    ("mu", "epsilon"),
    [
        (mu, mu * (x + mu / 2))
        for mu in [1e-6, 0.01, 0.27, 0.999, 1.001, 3.0, 20.0, 300.0]
        for x in [-12.0, -1.0, -0.01, 0.0, 0.5, 4.0, 20.0, 36.0]
        if x + mu / 2 >= 0
    ],
)
def test_delta_keeps_its_digits_and_is_rounded_up(mu, epsilon):
    m = 1 / mu
    delta = GaussianDPAccountant().delta(GaussianEvent(m), epsilon)
    exact = exact_delta(1.0 / m, epsilon)
    assert exact <= delta <= min(1, exact * (1 + 1e-9))


@pytest.mark.parametrize("mu", [1e-4, 0.05, 0.27, 1.5, 6.0, 40.0])
@pytest.mark.parametrize("delta", [0.3, 1e-3, 1e-5, 1e-12, 1e-100, 1e-290])
def test_epsilon_is_the_smallest_one_rounded_up(mu, delta):
    m = 1 / mu
    epsilon = GaussianDPAccountant().epsilon(GaussianEvent(m), delta)
    if epsilon == 0.0:
        assert exact_delta(1.0 / m, 0.0) <= delta
    else:
        assert exact_delta(1.0 / m, epsilon) <= delta < exact_delta(1.0 / m, epsilon * (1 - 1e-9))


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0, 5.0])
@pytest.mark.parametrize("m", [0.3, 1.0, 4.0, 60.0])
def test_epsilon_agrees_with_dp_accounting(m, epsilon):
    dp_accounting = pytest.importorskip("dp_accounting")
    delta = GaussianDPAccountant().delta(GaussianEvent(m), epsilon)
    if 1e-13 < delta < 0.9:
        assert dp_accounting.get_epsilon_gaussian(m, delta) == pytest.approx(epsilon, rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=8))
def test_gaussians_compose_by_root_of_sum_of_squares(multipliers):
    composed = ComposedEvent([GaussianEvent(m) for m in multipliers])
    single = GaussianEvent(1 / math.sqrt(sum(m**-2.0 for m in multipliers)))
    exact = GaussianDPAccountant()
    assert exact.epsilon(composed, 1e-6) == pytest.approx(exact.epsilon(single, 1e-6), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 0.999, 1.0, 1.001, 2.0, 5.0, 20.0])
def test_selections_have_their_closed_form_mu(epsilon):
    pure, ranged = SelectionEvent(epsilon, "pure"), SelectionEvent(epsilon, "bounded-range")
    assert selection_mu(pure) == pytest.approx(-2 * ndtri(1 / (1 + math.exp(epsilon))), rel=1e-9)
    assert selection_mu(ranged) == pytest.approx(2 * ndtri(1 / (1 + math.exp(-epsilon / 2))), rel=1e-9)


def test_mu_of_a_bounded_range_selection_at_one_is_not_a_half():
    assert selection_mu(SelectionEvent(1.0)) == pytest.approx(0.6239, abs=1e-4)


@pytest.mark.parametrize("epsilon", [0.01, 0.5, 1.0, 3.0, 8.0, 20.0])
def test_mu_dominates_every_pair_of_the_range(epsilon):
    # All two-point pairs whose log-ratios are t and t - epsilon; their trade-off has one corner, (q, 1 - p).
    t = np.linspace(0.0, epsilon, 2001)[1:-1]
    q = -np.expm1(t - epsilon) / (np.exp(t) - np.exp(t - epsilon))
    p = np.exp(t) * q
    mu = selection_mu(SelectionEvent(epsilon))
    assert np.all(norm.cdf(norm.isf(q) - mu) <= (1 - p) * (1 + 1e-9) + 1e-12)
    needed = norm.isf(q) - norm.ppf(1 - p)
    assert needed.max() == pytest.approx(mu, rel=1e-4)


@given(st.floats(1e-6, 50.0))
def test_bounded_range_costs_less_than_pure(epsilon):
    assert selection_mu(SelectionEvent(epsilon)) < selection_mu(SelectionEvent(epsilon, "pure"))


def test_total_mu_counts_both_kinds():
    event = ComposedEvent([GaussianEvent(2.0), SelectionEvent(1.0), GaussianEvent(4.0)])
    expected = math.sqrt(0.25 + 0.0625 + selection_mu(SelectionEvent(1.0)) ** 2)
    assert total_mu(tally(event)) == pytest.approx(expected, rel=1e-12)
