"""Privacy loss distributions: close to what is exact, never below it, and optional."""

import math
import sys

import pytest

from skdpflow.accountants import (
    ComposedEvent,
    GaussianDPAccountant,
    GaussianEvent,
    PLDAccountant,
    SelectionEvent,
    ThresholdEvent,
)


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dp_accounting.pld", None)
    with pytest.raises(ImportError, match=r'pip install "skdpflow\[accounting\]"'):
        PLDAccountant().epsilon(GaussianEvent(1.0), 1e-5)


@pytest.fixture
def oracle():
    return pytest.importorskip("dp_accounting")


@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize("m", [0.5, 4.0, 50.0])
def test_gaussian_is_close_to_exact(m):
    event = ComposedEvent([GaussianEvent(2 * m)] * 4)
    pld, exact = PLDAccountant(), GaussianDPAccountant()
    assert pld.epsilon(event, 1e-5) == pytest.approx(exact.epsilon(event, 1e-5), rel=1e-5)
    assert pld.epsilon(event, 1e-5) >= exact.epsilon(event, 1e-5) * (1 - 1e-8)
    assert pld.delta(event, 0.1) == pytest.approx(exact.delta(event, 0.1), rel=1e-5)


def test_agrees_with_the_accountant_of_the_library(oracle):
    theirs = oracle.pld.PLDAccountant()
    theirs.compose(oracle.GaussianDpEvent(2.5)).compose(oracle.GaussianDpEvent(4.0), 3)
    event = ComposedEvent([GaussianEvent(2.5), *[GaussianEvent(4.0)] * 3])
    assert PLDAccountant().epsilon(event, 1e-6) == pytest.approx(theirs.get_epsilon(1e-6), rel=1e-6)


def test_the_sensitivity_is_not_doubled_for_replace_one(oracle):
    theirs = oracle.pld.PLDAccountant(oracle.NeighboringRelation.REPLACE_ONE)
    theirs.compose(oracle.GaussianDpEvent(4.0))
    ours = PLDAccountant()
    # Their multiplier is s / C, ours s / Delta with Delta = 2 C.
    assert theirs.get_epsilon(1e-6) == pytest.approx(ours.epsilon(GaussianEvent(2.0), 1e-6), rel=1e-6)
    assert theirs.get_epsilon(1e-6) > 1.5 * ours.epsilon(GaussianEvent(4.0), 1e-6)


@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_pure_selection_is_randomised_response(epsilon):
    event = SelectionEvent(epsilon, "pure")
    assert PLDAccountant().epsilon(event, 1e-12) == pytest.approx(epsilon, rel=1e-3)
    for at in (0.0, 0.3):
        exact = (math.exp(epsilon) - math.exp(at)) / (1 + math.exp(epsilon))
        assert exact * (1 - 1e-12) <= PLDAccountant().delta(event, at) <= exact + 2e-4


@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize(("epsilon", "n"), [(0.3, 2), (0.3, 6), (1.0, 4)])
def test_equal_pure_selections_cost_what_as_many_randomised_responses_do(epsilon, n):
    """The exact delta is a sum over how many of n responses were true."""
    event = ComposedEvent([SelectionEvent(epsilon, "pure")] * n)
    true = 1 / (1 + math.exp(-epsilon))
    for at in (0.0, 0.5 * epsilon, (n - 1) * epsilon):
        exact = sum(
            math.comb(n, k) * true**k * (1 - true) ** (n - k) * max(0.0, 1 - math.exp(at - (2 * k - n) * epsilon))
            for k in range(n + 1)
        )
        assert exact * (1 - 1e-12) <= PLDAccountant().delta(event, at) <= exact + 1e-3
    assert PLDAccountant().epsilon(event, 1e-12) == pytest.approx(n * epsilon, rel=1e-2)


@pytest.mark.usefixtures("oracle")
def test_selections_compose_with_gaussians():
    gaussian, pure, ranged = GaussianEvent(3.0), SelectionEvent(0.3, "pure"), SelectionEvent(0.3)
    pld, exact = PLDAccountant(1e-3), GaussianDPAccountant()
    for selection in (pure, ranged):
        event = ComposedEvent([gaussian, selection, selection])
        alone = pld.epsilon(gaussian, 1e-5)
        assert alone < pld.epsilon(event, 1e-5) <= exact.epsilon(event, 1e-5) * (1 + 1e-4)
    event = ComposedEvent([gaussian, ThresholdEvent(4e-6)])
    assert pld.epsilon(event, 1e-5) == pytest.approx(pld.epsilon(gaussian, 6e-6), rel=1e-9)


@pytest.mark.usefixtures("oracle")
def test_little_noise_stays_affordable():
    pld, exact = PLDAccountant(), GaussianDPAccountant()
    for m in (0.2, 0.05):
        expected = exact.epsilon(GaussianEvent(m), 1e-5)
        assert expected * (1 - 1e-8) <= pld.epsilon(GaussianEvent(m), 1e-5) <= expected * 1.001
    assert pld.epsilon(GaussianEvent(0.005), 1e-5) == math.inf
    assert pld.epsilon(GaussianEvent(1e-200), 1e-5) == math.inf
    assert pld.delta(GaussianEvent(1e-200), 1.0) == 1.0
    assert pld.epsilon(SelectionEvent(1e4, "pure"), 1e-5) > 1e3


@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize("m", [1e3, 1e6, 1e8, 1e100, 1e308])
def test_much_noise_is_never_below_exact(m):
    pld, exact = PLDAccountant(), GaussianDPAccountant()
    event = GaussianEvent(m)
    for delta in (1e-3, 1e-9, 1e-12):
        assert exact.epsilon(event, delta) * (1 - 1e-8) <= pld.epsilon(event, delta) < 0.01
    assert exact.delta(event, 0.0) <= pld.delta(event, 0.0) * (1 + 1e-9)
    assert pld.epsilon(event, 1e-15) == math.inf


@pytest.mark.usefixtures("oracle")
@pytest.mark.parametrize("interval", [0.0, -1e-4, 2.0, math.nan])
def test_the_interval_is_checked(interval):
    with pytest.raises(ValueError, match="'value_discretization_interval' parameter of PLDAccountant"):
        PLDAccountant(interval).epsilon(GaussianEvent(1.0), 1e-5)
