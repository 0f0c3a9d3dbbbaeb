"""Zero-concentrated differential privacy."""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.optimize import brentq

from skdpflow.accountants.base import Tally, TallyAccountant, exp_at_most_one
from skdpflow.accountants.events import SelectionEvent

__all__ = ["ZCDPAccountant"]


class ZCDPAccountant(TallyAccountant):
    r"""Accountant that adds up rho-zCDP.

    See Also
    --------
    GaussianDPAccountant : Exact, hence tighter, for Gaussian events.
    RenyiAccountant : Keeps one bound per order instead of a straight line through all of them.

    Notes
    -----
    A Gaussian event costs ``rho = 1 / (2 m^2)``. A pure selection costs ``epsilon tanh(epsilon / 2)``, the
    Kullback-Leibler divergence of randomised response; one of bounded range costs ``epsilon^2 / 8`` [1]_,
    or the pure cost where that is smaller. With alpha > 1 chosen best [2]_,

    .. math::
        \epsilon = \alpha \rho + \ln(1 - 1/\alpha) - \frac{\ln \delta + \ln \alpha}{\alpha - 1},

    valid for every alpha, so that the search for the best one cannot harm the guarantee. Epsilon and
    delta refer to the neighbouring relation for which the events' multipliers were computed.

    References
    ----------
    .. [1] M. Cesar, R. Rogers. "Bounding, Concentrating, and Truncating: Unifying Privacy Loss Composition
       for Data Analytics". ALT 2021.
    .. [2] C. Canonne, G. Kamath, T. Steinke. "The Discrete Gaussian for Differential Privacy".
       NeurIPS 2020.

    Examples
    --------
    >>> from skdpflow.accountants import GaussianEvent, ZCDPAccountant
    >>> round(ZCDPAccountant().epsilon(GaussianEvent(4.0), delta=1e-5), 4)
    1.0123
    """

    def _epsilon(self, parts: Tally, delta: float) -> float:
        rho = _rho(parts)
        if math.isinf(rho):
            return math.inf
        log_inverse = -math.log(delta)

        # d epsilon / d alpha = 0 where rho u^2 + ln(1 + u) = ln(1/delta), with u = alpha - 1.
        def slope(log_u: float) -> float:
            return rho * math.exp(2.0 * log_u) + math.log1p(math.exp(log_u)) - log_inverse

        low = min(math.log(log_inverse / 2.0), 0.5 * math.log(log_inverse / (2.0 * rho)))
        u = math.exp(_root(slope, low, 0.5 * math.log(log_inverse / rho)))
        epsilon = (1.0 + u) * rho - math.log1p(1.0 / u) + (log_inverse - math.log1p(u)) / u
        return max(0.0, epsilon)

    def _delta(self, parts: Tally, epsilon: float) -> float:
        rho = _rho(parts)
        if math.isinf(rho):
            return 1.0

        # ln delta is convex in alpha; its derivative is this.
        def slope(log_u: float) -> float:
            return (2.0 * math.exp(log_u) + 1.0) * rho - epsilon - math.log1p(math.exp(-log_u))

        low = max(min(0.0, epsilon - 3.0 * rho), -700.0)
        u = math.exp(_root(slope, low, math.log(epsilon / (2.0 * rho) + 1.0 / math.sqrt(2.0 * rho))))
        return exp_at_most_one(u * ((1.0 + u) * rho - epsilon - math.log1p(1.0 / u)) - math.log1p(u))


def _rho(parts: Tally) -> float:
    mu = parts.gaussian_mu
    rho = math.fsum([mu * mu / 2.0, *map(_selection_rho, parts.selections)])
    # Outside this range squares overflow; both ends are rounded towards less privacy.
    return max(rho, 1e-100) if rho < 1e100 else math.inf


def _selection_rho(event: SelectionEvent) -> float:
    pure = event.epsilon * math.tanh(event.epsilon / 2.0)
    return pure if event.kind == "pure" else min(pure, event.epsilon * event.epsilon / 8.0)


def _root(increasing: Callable[[float], float], low: float, high: float) -> float:
    """Return the root of a function, or the end of the bracket nearest to it if rounding lost the sign."""
    if increasing(low) >= 0.0:
        return low
    if increasing(high) <= 0.0:
        return high
    return float(brentq(increasing, low, high, maxiter=500))
