"""Renyi privacy against dp-accounting at the same orders."""

import math

import numpy as np
import pytest

from skdpflow.accountants import (
    ComposedEvent,
    GaussianEvent,
    RenyiAccountant,
    SelectionEvent,
    ZCDPAccountant,
)

ORDERS = [1.1, 1.5, 2.0, 3.7, 8.0, 16.0, 33.3, 128.0, 1024.0]


@pytest.fixture
def oracle():
    dp_accounting = pytest.importorskip("dp_accounting")
    return dp_accounting


@pytest.mark.parametrize("multipliers", [[0.5], [1.0], [4.0, 7.0], [30.0] * 50, [1e3]])
@pytest.mark.parametrize("delta", [1e-2, 1e-5, 1e-9])
def test_gaussian_agrees(oracle, multipliers, delta):
    theirs = oracle.rdp.RdpAccountant(ORDERS)
    for m in multipliers:
        theirs.compose(oracle.GaussianDpEvent(m))
    ours, event = RenyiAccountant(ORDERS), ComposedEvent([GaussianEvent(m) for m in multipliers])
    assert ours.epsilon(event, delta) == pytest.approx(theirs.get_epsilon(delta), rel=1e-6)
    for epsilon in (0.0, 0.5, 3.0):
        assert ours.delta(event, epsilon) == pytest.approx(theirs.get_delta(epsilon), rel=1e-6, abs=1e-300)


@pytest.mark.parametrize("epsilon", [0.01, 0.3, 1.0, 4.0, 12.0])
def test_pure_selection_agrees_with_randomised_response(oracle, epsilon):
    theirs = oracle.rdp.RdpAccountant(ORDERS, oracle.NeighboringRelation.REPLACE_ONE)
    theirs.compose(oracle.RandomizedResponseDpEvent(2 / (1 + math.exp(epsilon)), 2), 3)
    ours, event = RenyiAccountant(ORDERS), ComposedEvent([SelectionEvent(epsilon, "pure")] * 3)
    assert ours.epsilon(event, 1e-5) == pytest.approx(theirs.get_epsilon(1e-5), rel=1e-6)
    assert ours.delta(event, 0.5) == pytest.approx(theirs.get_delta(0.5), rel=1e-6)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 6.0, 20.0])
@pytest.mark.parametrize("order", [1.5, 4.0, 40.0])
def test_bounded_range_selection_is_above_every_pair_of_the_range(epsilon, order):
    t = np.linspace(0.0, epsilon, 501)[1:-1]
    q = -np.expm1(t - epsilon) / (np.exp(t) - np.exp(t - epsilon))
    p = np.exp(t) * q
    one_minus_p = np.exp(t - epsilon) * (1 - q)
    first, second = order * np.log(p / q), order * np.log(one_minus_p / (1 - q))
    worst = np.max(np.logaddexp(first + np.log(q), second + np.log1p(-q)) / (order - 1))
    # One order and delta = 1/e undo the conversion.
    reported = RenyiAccountant([order]).epsilon(SelectionEvent(epsilon), math.exp(-50))
    divergence = reported - math.log1p(-1 / order) + (-50 + math.log(order)) / (order - 1)
    assert worst <= divergence * (1 + 1e-9)


def test_small_selections_lose_no_digits():
    # alpha epsilon^2 / 2 to first order; the log of a sum would round this to zero.
    event = ComposedEvent([SelectionEvent(1e-9, "pure")])
    delta = RenyiAccountant([2.0]).delta(event, 0.0)
    assert delta == pytest.approx(math.sqrt(1e-18), rel=1e-6)


@pytest.mark.parametrize("m", [0.2, 1.0, 5.0, 100.0, 5000.0])
def test_default_orders_lose_little(m):
    continuous = ZCDPAccountant().epsilon(GaussianEvent(m), 1e-6)
    assert RenyiAccountant().epsilon(GaussianEvent(m), 1e-6) == pytest.approx(continuous, rel=5e-3)
