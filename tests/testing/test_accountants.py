"""Every accountant, ours or a user's, passes the contract; broken ones do not."""

import math
from importlib.util import find_spec

import pytest

from skdpflow.accountants import (
    GaussianDPAccountant,
    GaussianEvent,
    NonPrivateEvent,
    PLDAccountant,
    RenyiAccountant,
    UnsupportedEventError,
    ZCDPAccountant,
    calibrate,
    flatten_event,
    noise_multiplier,
)
from skdpflow.testing import check_accountant


class ClassicalConcentration:
    """A user's accountant: Gaussian events only, and the textbook conversion."""

    def rho(self, event):
        parts = [part for part in flatten_event(event) if not isinstance(part, NonPrivateEvent)]
        if unknown := [part for part in parts if not isinstance(part, GaussianEvent)]:
            raise UnsupportedEventError(f"ClassicalConcentration does not know {unknown[0]}.")
        rho = sum(0.5 / part.noise_multiplier**2 for part in parts)
        return rho if len(parts) == len(list(flatten_event(event))) else math.inf

    def epsilon(self, event, delta):
        rho = self.rho(event)
        return rho + 2 * math.sqrt(rho * math.log(1 / delta))

    def delta(self, event, epsilon):
        rho = self.rho(event)
        return 1.0 if rho > epsilon else math.exp(-((epsilon - rho) ** 2) / (4 * rho)) if rho else 0.0


@pytest.mark.parametrize(
    "accountant",
    [
        GaussianDPAccountant(),
        ZCDPAccountant(),
        RenyiAccountant(),
        RenyiAccountant(orders=[1.5, 4.0, 32.0]),
        pytest.param(
            PLDAccountant(value_discretization_interval=1e-3),
            marks=pytest.mark.skipif(find_spec("dp_accounting") is None, reason="needs dp-accounting"),
        ),
        ClassicalConcentration(),
    ],
    ids=lambda accountant: type(accountant).__name__,
)
def test_every_accountant_passes_the_contract(accountant):
    check_accountant(accountant)


def test_a_user_defined_accountant_calibrates():
    mine = ClassicalConcentration()
    m = noise_multiplier(1.0, 1e-5, mine)
    assert mine.epsilon(GaussianEvent(m), 1e-5) <= 1.0
    assert m == pytest.approx(calibrate(lambda x: GaussianEvent(x / 2), 1.0, 1e-5, mine) / 2, rel=1e-9)
    assert m > noise_multiplier(1.0, 1e-5, "zcdp")


class Optimist(GaussianDPAccountant):
    """Takes the multiplier for s / C under replace-one: half of the true mu."""

    def _epsilon(self, parts, delta):
        return super()._epsilon(parts, delta) / 2

    def _delta(self, parts, epsilon):
        return super()._delta(parts, 2 * epsilon)


class OptimistAboutSelections(GaussianDPAccountant):
    def _delta(self, parts, epsilon):
        return 0.0 if parts.selections else super()._delta(parts, epsilon)


class Forgetful(GaussianDPAccountant):
    """Skips what it does not know."""

    def epsilon(self, event, delta):
        try:
            return super().epsilon(event, delta)
        except UnsupportedEventError:
            return 0.0


class Counting(GaussianDPAccountant):
    """Keeps state, so that asking costs."""

    calls = 0

    def _epsilon(self, parts, delta):
        self.calls += 1
        return super()._epsilon(parts, delta) * (1 + self.calls)


class ForgivesEverything(GaussianDPAccountant):
    def epsilon(self, event, delta):
        return min(super().epsilon(event, delta), 100.0)


class IgnoresThresholds(GaussianDPAccountant):
    def delta(self, event, epsilon):
        gaussians = [part for part in flatten_event(event) if "Threshold" not in type(part).__name__]
        return super().delta(type(event)(gaussians) if hasattr(event, "events") else event, epsilon)


@pytest.mark.parametrize(
    ("accountant", "message"),
    [
        (Optimist(), "costs at least epsilon"),
        (OptimistAboutSelections(), "SelectionEvent.* costs at least delta"),
        (Forgetful(), "must refuse the same events"),
        (Counting(), "must not depend on earlier calls"),
        (ForgivesEverything(), "NonPrivateEvent must cost infinite epsilon"),
        (IgnoresThresholds(), "ThresholdEvent.* costs at least delta"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_a_broken_accountant_is_caught(accountant, message):
    with pytest.raises(AssertionError, match=message):
        check_accountant(accountant)


def test_what_is_no_accountant_is_named():
    with pytest.raises(TypeError, match="object cannot be used as an accountant"):
        check_accountant(object())
