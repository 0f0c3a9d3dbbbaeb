"""Renyi differential privacy on a grid of orders."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from skdpflow.accountants.base import Tally, TallyAccountant, exp_at_most_one, tally
from skdpflow.accountants.events import RepeatAndSelectEvent, SelectionEvent
from skdpflow.accountants.gaussian import total_mu
from skdpflow.accountants.repetition import repeated_divergences

__all__ = ["RenyiAccountant"]

# Dense where common budgets have their optimum, then geometric up to tiny epsilons.
_DEFAULT_ORDERS = np.concatenate([np.arange(1.05, 11.0, 0.05), np.geomspace(11.0, 1e6, 200)])


class RenyiAccountant(TallyAccountant):
    r"""Accountant that adds up Renyi divergences at fixed orders.

    Parameters
    ----------
    orders : sequence of float, default=None
        The orders alpha, each finite and above 1. None takes about 400 orders between 1.05 and 10^6.

    See Also
    --------
    GaussianDPAccountant : Exact, hence tighter, for Gaussian events.
    ZCDPAccountant : One number in place of a curve.

    Notes
    -----
    A Gaussian event costs ``alpha / (2 m^2)`` at order alpha. A pure selection costs the Renyi divergence of
    randomised response; one of bounded range costs ``alpha epsilon^2 / 8``, or the pure cost where that is
    smaller. The best of many trials costs what
    :func:`~skdpflow.accountants.repetition.repeated_divergences` says. The sum r(alpha) is converted by [1]_

    .. math::
        \epsilon = \min_\alpha r + \ln(1 - 1/\alpha) - \frac{\ln \delta + \ln \alpha}{\alpha - 1},

    and by ``delta^2 <= 1 - exp(-r)``, which decides when epsilon is zero [2]_. Epsilon and delta refer to
    the neighbouring relation for which the events' multipliers were computed.

    References
    ----------
    .. [1] C. Canonne, G. Kamath, T. Steinke. "The Discrete Gaussian for Differential Privacy".
       NeurIPS 2020.
    .. [2] J. Bretagnolle, C. Huber. "Estimation des densites: risque minimax". 1979.

    Examples
    --------
    >>> from skdpflow.accountants import GaussianEvent, RenyiAccountant
    >>> round(RenyiAccountant().epsilon(GaussianEvent(4.0), delta=1e-5), 3)
    1.012
    >>> round(RenyiAccountant(orders=[8, 16, 32]).epsilon(GaussianEvent(4.0), delta=1e-5), 3)
    1.018
    """

    _composes_repetitions = True

    def __init__(self, orders: Sequence[float] | None = None) -> None:
        self.orders = orders

    def _epsilon(self, parts: Tally, delta: float) -> float:
        orders = self._checked_orders()
        divergences = _divergences(parts, orders)
        if np.any(delta * delta + np.expm1(-divergences) > 0.0):
            return 0.0
        epsilons = divergences + np.log1p(-1.0 / orders) - (math.log(delta) + np.log(orders)) / (orders - 1.0)
        return max(0.0, float(np.min(epsilons)))

    def _delta(self, parts: Tally, epsilon: float) -> float:
        orders = self._checked_orders()
        divergences = _divergences(parts, orders)
        with np.errstate(over="ignore"):
            exponents = (orders - 1.0) * (divergences - epsilon + np.log1p(-1.0 / orders)) - np.log(orders)
        kullback_leibler = 0.5 * math.log(max(-math.expm1(-float(divergences.min())), np.finfo(float).tiny))
        return exp_at_most_one(min(float(exponents.min()), kullback_leibler))

    def _checked_orders(self) -> np.ndarray:
        if self.orders is None:
            return _DEFAULT_ORDERS
        orders = np.asarray(self.orders, dtype=np.float64)
        if orders.ndim != 1 or orders.size == 0 or not np.all(np.isfinite(orders) & (orders > 1.0)):
            raise ValueError(
                "The 'orders' parameter of RenyiAccountant must be a non-empty sequence of finite numbers "
                f"above 1, or None. Got {self.orders!r}."
            )
        return orders


def _divergences(parts: Tally, orders: np.ndarray) -> np.ndarray:
    mu = parts.gaussian_mu
    with np.errstate(over="ignore"):  # an infinite divergence is a valid bound
        total = orders * (mu * mu / 2.0)
        for selection in parts.selections:
            total = total + _selection_divergences(selection, orders)
        for repeated in parts.repetitions:
            total = total + _repeated_divergences(repeated, orders)
    return total


def _repeated_divergences(event: RepeatAndSelectEvent, orders: np.ndarray) -> np.ndarray:
    r"""Return the cost of the best of many trials.

    Let floating-point arithmetic change a trial's probabilities by a factor within :math:`e^{\pm s / 2}` in each of two
    neighbours. Its moment of order alpha then changes by at most :math:`e^{s (2 \alpha - 1) / 2}`, and if the exact
    trial is :math:`(\varepsilon - s, \delta)`-private, it is :math:`(\varepsilon, e^{s/2} \delta)`-private.
    """
    parts, slack = tally(event.event), event.slack
    trial = _divergences(parts, orders) + slack * (2.0 * orders - 1.0) / (2.0 * (orders - 1.0))
    mu = total_mu(parts)

    def deltas(epsilons: np.ndarray) -> np.ndarray:
        """Return the exact deltas of the Gaussian mechanism that dominates a trial, beyond rounding."""
        with np.errstate(over="ignore"):
            x = np.maximum(epsilons - slack, 0.0) / mu
        gaussian = ndtr(mu / 2.0 - x) - np.exp(np.maximum(epsilons - slack, 0.0)) * ndtr(-mu / 2.0 - x)
        return np.where(epsilons > slack, np.minimum(gaussian * math.exp(slack / 2.0) + 1e-12, 1.0), 1.0)

    return repeated_divergences(orders, trial, deltas, event.mean, event.distribution, event.shape)


def _selection_divergences(event: SelectionEvent, orders: np.ndarray) -> np.ndarray:
    """Return the cost of a selection at each order.

    For randomised response it is ln(cosh((alpha - 1/2) epsilon) / cosh(epsilon / 2)) / (alpha - 1).
    """
    epsilon = event.epsilon
    spread, base = (orders - 0.5) * epsilon, epsilon / 2.0
    pure = epsilon + (np.log1p(np.exp(-2.0 * spread)) - math.log1p(math.exp(-2.0 * base))) / (orders - 1.0)
    small = spread < 1.0
    if small.any():
        # The ratio minus one as a product of sinh: exact to the last digits where the ratio is near one.
        x = spread[small]
        excess = 2.0 * np.sinh((x + base) / 2.0) * np.sinh((x - base) / 2.0) / math.cosh(base)
        pure[small] = np.log1p(excess) / (orders[small] - 1.0)
    return pure if event.kind == "pure" else np.minimum(pure, orders * (epsilon * epsilon / 8.0))
