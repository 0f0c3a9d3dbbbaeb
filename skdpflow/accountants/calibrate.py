"""Calibration: the smallest noise that meets a target (epsilon, delta)."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

from scipy.optimize import brentq

from skdpflow.accountants.base import Accountant, resolve_accountant
from skdpflow.accountants.events import Event, GaussianEvent

__all__ = ["calibrate", "gdp_mu", "noise_multiplier", "zcdp_rho"]

_LOG_LIMIT = math.log(1e12)
_LOG_STEP = math.log(4.0)

# Sums of squares of what is calibrated may be rounded by parts in 10^12: see PrivacyFilter.
_MARGIN = 2e-11


def calibrate(
    make_event: Callable[[float], Event],
    epsilon: float,
    delta: float,
    accountant: str | Accountant = "gdp",
) -> float:
    """Find the smallest noise whose event is (epsilon, delta)-private.

    Parameters
    ----------
    make_event : callable
        From a positive float x, the amount of noise, to the event. More noise must not give less privacy.
    epsilon : float
        Target; finite and positive.
    delta : float
        Target; in (0, 1).
    accountant : {"gdp", "zcdp", "rdp", "pld"} or object, default="gdp"
        What decides whether the target is met.

    Returns
    -------
    float
        A noise x, searched for between about 1e-12 and 1e12, with ``accountant.epsilon(make_event(x), delta)
        <= epsilon``; at most one part in 10^9 above the smallest such x.

    Raises
    ------
    ValueError
        If a target is out of range, or no noise meets it, or every noise does.

    See Also
    --------
    noise_multiplier : For a single Gaussian event.

    Notes
    -----
    The search brackets the target in log space and ends by asking the accountant again: rounding can only
    ever give more privacy than asked for. A margin of 2e-11 is left so that a ledger may tolerate
    rounding in its sums. The guarantee is for the neighbouring relation behind the multipliers in the event.

    Examples
    --------
    Two Gaussian releases, the second with twice the noise, after a threshold:

    >>> from skdpflow.accountants import ComposedEvent, GaussianEvent, ThresholdEvent, calibrate
    >>> def plan(x):
    ...     return ComposedEvent([ThresholdEvent(1e-8), GaussianEvent(x), GaussianEvent(2 * x)])
    >>> x = calibrate(plan, epsilon=1.0, delta=1e-5)
    >>> round(x, 4)
    4.1712
    """
    epsilon, delta = check_target(epsilon, delta)
    judge = resolve_accountant(accountant)

    def excess(log_x: float) -> float:
        spent = judge.epsilon(make_event(math.exp(log_x)), delta)
        # Clipped, because the search needs finite values at both ends.
        return min(max(math.log(spent / epsilon), -50.0), 50.0) if spent > 0.0 else -50.0

    low = high = 0.0
    while excess(high) > 0.0:
        if high > _LOG_LIMIT:
            raise ValueError(
                f"No amount of noise meets epsilon={epsilon:g} at delta={delta:g}: what does not depend on "
                "the noise (selections, the deltas of thresholds, the limits of the accountant) already "
                "costs more. Raise the target or lower that share."
            )
        low, high = high, high + _LOG_STEP
    if high == 0.0:
        low = -_LOG_STEP
        while excess(low) <= 0.0:
            if low < -_LOG_LIMIT:
                raise ValueError(
                    f"Every amount of noise meets epsilon={epsilon:g} at delta={delta:g}: "
                    "there is nothing to calibrate."
                )
            low, high = low - _LOG_STEP, low
    log_x = high if excess(high) == 0.0 else float(brentq(excess, low, high, xtol=1e-12, rtol=1e-12))
    x, step = math.exp(log_x), _MARGIN
    x *= 1.0 + step
    while not judge.epsilon(make_event(x), delta) <= epsilon:
        x *= 1.0 + step
        step *= 2.0
    return x


def noise_multiplier(epsilon: float, delta: float, accountant: str | Accountant = "gdp") -> float:
    """Return the smallest noise multiplier of a single (epsilon, delta)-private Gaussian release.

    Parameters
    ----------
    epsilon : float
        Target; finite and positive.
    delta : float
        Target; in (0, 1).
    accountant : {"gdp", "zcdp", "rdp", "pld"} or object, default="gdp"
        What decides whether the target is met.

    Returns
    -------
    float
        Standard deviation of the noise in units of the L2 sensitivity under the relation meant.

    See Also
    --------
    calibrate : For any event.

    Examples
    --------
    >>> from skdpflow.accountants import noise_multiplier
    >>> round(noise_multiplier(1.0, 1e-5), 5)
    3.73063
    """
    return calibrate(GaussianEvent, epsilon, delta, accountant)


def gdp_mu(epsilon: float, delta: float) -> float:
    """Return the largest mu for which mu-GDP implies (epsilon, delta)-privacy.

    Parameters
    ----------
    epsilon : float
        Target; finite and positive.
    delta : float
        Target; in (0, 1).

    Returns
    -------
    float
        The mu; its square is what a :class:`PrivacyFilter` may spend.

    See Also
    --------
    zcdp_rho : The same in concentrated privacy.

    Examples
    --------
    >>> from skdpflow.accountants import gdp_mu
    >>> round(gdp_mu(1.0, 1e-5), 6)
    0.268051
    """
    return 1.0 / noise_multiplier(epsilon, delta, "gdp")


def zcdp_rho(epsilon: float, delta: float) -> float:
    """Return the largest rho for which rho-zCDP implies (epsilon, delta)-privacy.

    Parameters
    ----------
    epsilon : float
        Target; finite and positive.
    delta : float
        Target; in (0, 1).

    Returns
    -------
    float
        The rho.

    See Also
    --------
    gdp_mu : The same in Gaussian privacy.

    Examples
    --------
    >>> from skdpflow.accountants import zcdp_rho
    >>> round(zcdp_rho(1.0, 1e-5), 6)
    0.030557
    """
    return 0.5 / noise_multiplier(epsilon, delta, "zcdp") ** 2


def check_target(epsilon: float, delta: float) -> tuple[float, float]:
    """Check a target (epsilon, delta) and return it as floats."""
    for name, value, upper, wanted in [
        ("epsilon", epsilon, math.inf, "a finite positive number"),
        ("delta", delta, 1.0, "a number in the open interval (0, 1)"),
    ]:
        message = f"The {name!r} parameter must be {wanted}. Got {value!r}."
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(message)
        if not 0.0 < value < upper:
            raise ValueError(message)
    return float(epsilon), float(delta)
