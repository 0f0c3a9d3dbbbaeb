"""Calibration: known values, never above the target, and clear refusals."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from skdpflow.accountants import (
    ComposedEvent,
    GaussianDPAccountant,
    GaussianEvent,
    PLDAccountant,
    RenyiAccountant,
    SelectionEvent,
    ThresholdEvent,
    ZCDPAccountant,
    calibrate,
    gdp_mu,
    noise_multiplier,
    resolve_accountant,
    zcdp_rho,
)

ANALYTIC = ["gdp", "zcdp", "rdp", RenyiAccountant(orders=[2.0, 8.0, 64.0])]
epsilons = st.floats(math.log(1e-3), math.log(100.0)).map(math.exp)
deltas = st.floats(math.log(1e-14), math.log(0.1)).map(math.exp)


@pytest.mark.parametrize(
    ("epsilon", "delta", "multiplier", "mu", "rho"),
    [
        (0.5, 1e-5, 7.03183, 0.142211, 0.008506),
        (1.0, 1e-5, 3.73063, 0.268051, 0.030557),
        (3.0, 1e-5, 1.39059, 0.719117, 0.224249),
        (5.0, 1e-5, 0.89187, 1.121242, 0.550973),
        (10.0, 1e-5, 0.49989, 2.000446, 1.782696),
        (1.0, 1e-9, 5.49527, 1 / 5.49527, 0.014973),
    ],
)
def test_calibration_gives_known_values(epsilon, delta, multiplier, mu, rho):
    assert noise_multiplier(epsilon, delta) == pytest.approx(multiplier, abs=5.1e-6)
    assert gdp_mu(epsilon, delta) == pytest.approx(mu, abs=6e-7)
    assert zcdp_rho(epsilon, delta) == pytest.approx(rho, abs=6e-7)


@pytest.mark.parametrize("epsilon", [0.1, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("delta", [1e-3, 1e-6])
def test_agrees_with_analytic_calibration(epsilon, delta):
    dp_accounting = pytest.importorskip("dp_accounting")
    theirs = dp_accounting.get_sigma_gaussian(epsilon, delta)
    assert noise_multiplier(epsilon, delta) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("delta", [1e-3, 1e-6])
def test_pld_calibration_is_close_to_the_exact_one(delta):
    pytest.importorskip("dp_accounting")
    accountant = PLDAccountant(1e-3)
    m = noise_multiplier(1.0, delta, accountant)
    assert accountant.epsilon(GaussianEvent(m), delta) <= 1.0
    assert m == pytest.approx(noise_multiplier(1.0, delta), rel=1e-5)


@given(epsilons, deltas, st.sampled_from(ANALYTIC))
def test_never_above_the_target_and_not_wasteful(epsilon, delta, accountant):
    judge = resolve_accountant(accountant)
    try:
        m = noise_multiplier(epsilon, delta, accountant)
    except ValueError:
        # Few orders reach few targets.
        assert judge.epsilon(GaussianEvent(1e11), delta) > epsilon
        return
    assert judge.epsilon(GaussianEvent(m), delta) <= epsilon
    assert judge.epsilon(GaussianEvent(m * (1 - 1e-9)), delta) > epsilon * (1 - 1e-12)


@settings(max_examples=40)
@given(epsilons, deltas, st.sampled_from(ANALYTIC), st.lists(st.floats(0.1, 10.0), min_size=1, max_size=4))
def test_whole_plans_are_never_above_the_target(epsilon, delta, accountant, weights):
    def plan(x):
        return ComposedEvent(
            [
                ThresholdEvent(delta / 3),
                SelectionEvent(1 / (10 * x)),
                SelectionEvent(1 / (20 * x), "pure"),
                *[GaussianEvent(w * x) for w in weights],
            ]
        )

    assume(resolve_accountant(accountant).epsilon(plan(1e11), delta) <= epsilon)  # few orders reach few targets
    x = calibrate(plan, epsilon, delta, accountant)
    assert resolve_accountant(accountant).epsilon(plan(x), delta) <= epsilon


@given(epsilons, deltas)
def test_mu_and_rho_keep_the_promise(epsilon, delta):
    mu, rho = gdp_mu(epsilon, delta), zcdp_rho(epsilon, delta)
    assert GaussianDPAccountant().epsilon(GaussianEvent(1 / mu), delta) <= epsilon
    assert ZCDPAccountant().epsilon(GaussianEvent(1 / math.sqrt(2 * rho)), delta) <= epsilon


@pytest.mark.parametrize(("epsilon", "delta"), [(1e-8, 1e-9), (1e6, 1e-5), (1.0, 1e-280), (1e-6, 0.9)])
def test_extreme_targets(epsilon, delta):
    m = noise_multiplier(epsilon, delta)
    assert GaussianDPAccountant().epsilon(GaussianEvent(m), delta) <= epsilon
    assert GaussianDPAccountant().epsilon(GaussianEvent(m * (1 - 1e-8)), delta) > epsilon * (1 - 1e-12)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.inf, math.nan])
def test_epsilon_is_checked(epsilon):
    with pytest.raises(ValueError, match=r"'epsilon' parameter must be a finite positive number. Got"):
        noise_multiplier(epsilon, 1e-5)


@pytest.mark.parametrize("delta", [0.0, 1.0, -1e-5, 1.5, math.nan])
def test_delta_is_checked(delta):
    with pytest.raises(ValueError, match=r"'delta' parameter must be a number in the open interval \(0, 1\)"):
        gdp_mu(1.0, delta)


@pytest.mark.parametrize("value", ["1", None, True])
def test_targets_must_be_numbers(value):
    with pytest.raises(TypeError, match="'epsilon' parameter must be a finite positive number"):
        zcdp_rho(value, 1e-5)


@pytest.mark.parametrize("accountant", ANALYTIC)
@pytest.mark.parametrize("fixed", [ThresholdEvent(2e-5), SelectionEvent(50.0)])
def test_targets_that_cannot_be_met(accountant, fixed):
    with pytest.raises(ValueError, match="No amount of noise meets epsilon=1 at delta=1e-05"):
        calibrate(lambda x: ComposedEvent([fixed, GaussianEvent(x)]), 1.0, 1e-5, accountant)


def test_targets_that_are_always_met():
    with pytest.raises(ValueError, match="Every amount of noise meets"):
        calibrate(lambda x: ComposedEvent(()), 1.0, 1e-5)
