"""Concentrated privacy against brute-force minimisation and dp-accounting."""

import math

import numpy as np
import pytest

from skdpflow.accountants import ComposedEvent, GaussianEvent, SelectionEvent, ZCDPAccountant


@pytest.mark.parametrize("rho", [1e-4, 0.03, 0.5, 2.0, 30.0])
@pytest.mark.parametrize("delta", [1e-2, 1e-5, 1e-9, 1e-30])
def test_epsilon_is_the_minimum_over_alpha(rho, delta):
    alpha = 1 + np.geomspace(1e-4, 1e6, 200_001)
    formula = alpha * rho + np.log1p(-1 / alpha) - (math.log(delta) + np.log(alpha)) / (alpha - 1)
    epsilon = ZCDPAccountant().epsilon(GaussianEvent(1 / math.sqrt(2 * rho)), delta)
    assert epsilon == pytest.approx(max(0.0, formula.min()), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("rho", [1e-4, 0.03, 0.5, 2.0, 30.0, 500.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0, 10.0, 200.0])
def test_delta_is_the_minimum_over_alpha(rho, epsilon):
    alpha = 1 + np.geomspace(1e-12, 1e8, 400_001)
    log_delta = ((alpha - 1) * (alpha * rho - epsilon) + alpha * np.log1p(-1 / alpha) - np.log(alpha - 1)).min()
    delta = ZCDPAccountant().delta(GaussianEvent(1 / math.sqrt(2 * rho)), epsilon)
    if log_delta > -700:
        assert math.log(delta) == pytest.approx(min(0.0, log_delta), rel=1e-6, abs=1e-6)
    else:
        assert 0.0 < delta < 1e-300


@pytest.mark.parametrize("m", [0.5, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("delta", [1e-3, 1e-5, 1e-10])
def test_agrees_with_dp_accounting(m, delta):
    rdp = pytest.importorskip("dp_accounting.rdp")
    # Sampling the orders finely around the best one leaves no visible error.
    best = 1 + math.sqrt(2 * math.log(1 / delta)) * m
    orders = 1 + (best - 1) * np.geomspace(0.5, 2, 500)
    epsilon, _ = rdp.compute_epsilon(orders, orders / (2 * m * m), delta)
    assert ZCDPAccountant().epsilon(GaussianEvent(m), delta) == pytest.approx(epsilon, rel=1e-5)


@pytest.mark.parametrize(
    ("event", "rho"),
    [
        (SelectionEvent(0.4), 0.02),
        (SelectionEvent(0.4, "pure"), 0.4 * math.tanh(0.2)),
        (SelectionEvent(20.0), 20.0 * math.tanh(10.0)),  # below 20^2 / 8
        (ComposedEvent([SelectionEvent(0.4), GaussianEvent(5.0)]), 0.04),
    ],
)
def test_each_event_has_its_rho(event, rho):
    same = GaussianEvent(1 / math.sqrt(2 * rho))
    assert ZCDPAccountant().epsilon(event, 1e-6) == pytest.approx(ZCDPAccountant().epsilon(same, 1e-6), rel=1e-9)


@pytest.mark.parametrize("epsilon", [0.01, 0.5, 2.0, 8.0, 30.0])
def test_pure_rho_bounds_randomised_response_at_every_order(epsilon):
    p, q = 1 / (1 + math.exp(-epsilon)), 1 / (1 + math.exp(epsilon))
    rho = epsilon * math.tanh(epsilon / 2)
    for alpha in 1 + np.geomspace(1e-3, 1e3, 200):
        log_sum = np.logaddexp(
            alpha * math.log(p) + (1 - alpha) * math.log(q), alpha * math.log(q) + (1 - alpha) * math.log(p)
        )
        assert log_sum / (alpha - 1) <= alpha * rho * (1 + 1e-9)
