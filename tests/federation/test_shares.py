"""Shares of the noise: their sum has the stated noise, and its whole privacy profile is that of the Gaussian."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdpflow.accountants import GaussianDPAccountant, GaussianEvent
from skdpflow.curator.noise import NoiseSource
from skdpflow.exceptions import FederationError
from skdpflow.federation.agreement import MAX_SITES
from skdpflow.federation.shares import HEADROOM, LEAST_SD, MAX_ROWS, MAX_SD, Share, strength
from skdpflow.release.measurement import rounded_normal_pmf


def law_of_sum(sd, n):
    """Probabilities of the sum of n rounded Gaussian numbers, around zero."""
    k = np.arange(-math.ceil(40 * sd), math.ceil(40 * sd) + 1)
    one = rounded_normal_pmf(k, sd)
    law = one
    for _ in range(n - 1):
        law = np.convolve(law, one)
    return law


def profile(law, shift, epsilon):
    """Delta at an epsilon of two neighbours whose sums differ by a whole number."""
    p, q = np.pad(law, (0, shift)), np.pad(law, (shift, 0))
    return float(np.maximum(p - np.exp(epsilon) * q, 0.0).sum())


@pytest.mark.parametrize("n", [1, 2, 3, 7])
@pytest.mark.parametrize("multiplier", [0.7, 2.0])
def test_the_profile_of_a_sum_of_shares_is_at_most_that_of_the_gaussian(n, multiplier):
    law, total = law_of_sum(LEAST_SD, n), LEAST_SD * math.sqrt(n)
    shift = round(total / multiplier)
    accountant = GaussianDPAccountant()
    for epsilon in (0.0, 0.1, 0.5, 1.0, 3.0, 7.6):
        exact = accountant.delta(GaussianEvent(total / shift), epsilon)
        assert profile(law, shift, epsilon) <= exact * (1 + 1e-9) + 1e-15


@pytest.mark.parametrize(
    ("sd", "epsilon", "delta", "times"),
    [
        (0.5, 7.6, 3.365e-7, 1.086),
        # as the documentation says
        (0.25, 1.0, 0.7508, 1.114),
        (0.25, 15.5, 9.339e-6, 29.51),
    ],
)
def test_it_would_not_be_with_small_shares(sd, epsilon, delta, times):
    """Two shares, and a row that changes the sum by one: the numbers are exact to the digits given."""
    exact = GaussianDPAccountant().delta(GaussianEvent(sd * math.sqrt(2)), epsilon)
    assert exact == pytest.approx(delta, rel=1e-3)
    assert profile(law_of_sum(sd, 2), 1, epsilon) == pytest.approx(times * exact, rel=1e-3)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_law_of_a_sum_is_the_ideal_one(n):
    """Step 2 of the proof: the law at n is the density of the Gaussian plus n uniforms there."""
    law, sd = law_of_sum(LEAST_SD, n), LEAST_SD
    x = np.linspace(-0.5, 0.5, 200_001)
    transform = (np.exp(-2 * (np.pi * sd * x) ** 2) * np.sinc(x)) ** n
    centre = len(law) // 2
    for k in (0, 1, 5, 40):
        density = np.trapezoid(transform * np.cos(2 * np.pi * x * k), x)
        assert law[centre + k] == pytest.approx(density, rel=1e-9)


@given(
    st.floats(1e-3, 1e6),
    st.integers(1, MAX_SITES),
    st.integers(0, MAX_SITES),
)
def test_shares_are_large_enough_and_add_up(scale, n_sites, tolerates):
    if tolerates >= n_sites:
        with pytest.raises(FederationError, match="more sites"):
            Share.of(scale, 1.0, n_sites, tolerates)
        return
    try:
        share = Share.of(scale, 1e-3, n_sites, tolerates)
    except FederationError:
        assert 2.0 * LEAST_SD * n_sites**1.5 / scale * 1e-3 > HEADROOM
        return
    own = float(share.scale)
    assert LEAST_SD <= own <= MAX_SD
    assert own * math.sqrt(n_sites - tolerates) == pytest.approx(scale * 2**share.shift)
    assert share.shift == 0 or own < 2 * LEAST_SD * (1 + 1e-12)


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=8), st.integers(0, 12))
def test_sums_come_back_rounded_to_even(values, shift):
    share = Share(shift, np.ones(1), 1)
    back = share.back(np.array(values, dtype=np.int64).view(np.uint64))
    assert back.tolist() == [round(value / 2**shift) for value in values]


def test_sums_have_room_in_64_bits():
    assert HEADROOM * MAX_ROWS <= 2**62
    assert 40 * MAX_SD * MAX_SITES < 2**62
    with pytest.raises(FederationError, match="64 bits"):
        Share.of(1e-7, 1.0, 3, 0)
    with pytest.raises(FederationError, match="64 bits"):
        Share.of(2.0**20, 2.0**25, 3, 0)
    with pytest.raises(FederationError, match="at most"):
        Share.of(2.0**26, 1.0, 3, 0)


def test_step_3_of_the_proof_bounds_the_draws():
    """The relative change of a probability, by the bound on what moves across a boundary."""
    from scipy.special import ndtr

    for sd in (8.0, 11.0, 64.0, 2.0**12):
        step = max(1, int(sd / 16))
        k = np.arange(0, int(12 * sd), step)
        low, high = (k - 0.5) / sd, (k + 0.5) / sd
        moved = sum(
            2.0**-53 * (8 * np.abs(b) * np.exp(-b * b / 2) / math.sqrt(2 * math.pi) + 2 * ndtr(-np.abs(b)))
            for b in (low, high)
        )
        assert (moved / (ndtr(-low) - ndtr(-high))).max() < 2.0**-43.9 * sd


def test_strength_is_the_root_of_the_variances():
    assert strength(5, 0, 1) == pytest.approx(math.sqrt(5 / 4))
    assert strength(5, 4, 0) == pytest.approx(math.sqrt(1 / 5))
    assert strength(3, 1, 3) == math.inf


@pytest.mark.statistical
def test_the_noise_of_a_sum_has_the_stated_variance():
    """False-alarm rate: below 1e-6, six standard deviations of a sample variance of normal numbers, three times."""
    n = 200_000
    for scale, n_sites, tolerates in [(3.0, 5, 0), (40.0, 5, 2), (0.7, 3, 2)]:
        share = Share.of(scale, 1.0, n_sites, tolerates)
        noise = NoiseSource()
        total = sum(noise.rounded_gaussian(share.scale, (n,)) for _ in range(n_sites))
        stated = scale**2 * n_sites / (n_sites - tolerates)
        found = np.var(total / 2.0**share.shift)
        assert abs(found / stated - 1) < 6 * math.sqrt(2 / n) + 2e-3
        found = np.var(share.back(total.view(np.uint64)))
        assert abs(found / (stated + (share.shift > 0) / 12) - 1) < 6 * math.sqrt(2 / n) + 2e-3
