"""Gaussian differential privacy: exact for compositions of Gaussian mechanisms."""

from __future__ import annotations

import math
import sys

import numpy as np
from scipy.optimize import brentq
from scipy.special import erfcx, erfinv, ndtri_exp

from skdpflow.accountants.base import Tally, TallyAccountant, exp_at_most_one
from skdpflow.accountants.events import SelectionEvent

__all__ = ["GaussianDPAccountant", "selection_mu", "total_mu"]

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


class GaussianDPAccountant(TallyAccountant):
    r"""Accountant that turns events into a single Gaussian mechanism.

    The default. Exact for any number of Gaussian events; a valid upper bound with selections.

    See Also
    --------
    ZCDPAccountant : Concentrated privacy.
    RenyiAccountant : Better than zCDP when pure selections weigh much.
    PLDAccountant : Numerical, through ``dp-accounting``.

    Notes
    -----
    Gaussian events compose to mu-GDP with ``mu = sqrt(sum 1 / m_i^2)`` [1]_, and then, exactly [2]_,

    .. math::
        \delta(\epsilon) = \Phi(\mu/2 - \epsilon/\mu) - e^{\epsilon} \Phi(-\mu/2 - \epsilon/\mu).

    A selection is charged the mu of the Gaussian mechanism that dominates it, see :func:`selection_mu`.
    Epsilon and delta are rounded up: epsilon by at most one part in 10^9. Both refer to the neighbouring
    relation for which the noise multipliers of the events were computed.

    References
    ----------
    .. [1] J. Dong, A. Roth, W. Su. "Gaussian Differential Privacy". J. R. Stat. Soc. B, 2022.
    .. [2] B. Balle, Y.-X. Wang. "Improving the Gaussian Mechanism for Differential Privacy: Analytical
       Calibration and Optimal Denoising". ICML 2018.

    Examples
    --------
    >>> from skdpflow.accountants import ComposedEvent, GaussianDPAccountant, GaussianEvent
    >>> accountant = GaussianDPAccountant()
    >>> event = ComposedEvent([GaussianEvent(5.0), GaussianEvent(6.0)])
    >>> round(accountant.epsilon(event, delta=1e-5), 4)
    0.9685
    >>> accountant.delta(event, epsilon=1.0) < 1e-5
    True
    """

    def _epsilon(self, parts: Tally, delta: float) -> float:
        return _gaussian_epsilon(total_mu(parts), delta)

    def _delta(self, parts: Tally, epsilon: float) -> float:
        return exp_at_most_one(_gaussian_log_delta(total_mu(parts), epsilon))


def total_mu(parts: Tally) -> float:
    """Return the mu of all Gaussian and selection events together."""
    return math.hypot(parts.gaussian_mu, *map(selection_mu, parts.selections))


def selection_mu(event: SelectionEvent) -> float:
    """Return the mu of the Gaussian mechanism that dominates a selection.

    Notes
    -----
    A pure epsilon-private choice is dominated by randomised response, whose trade-off function has one
    corner, at ``1 / (1 + e^epsilon)`` for both errors: ``mu = -2 Phi^-1(1 / (1 + e^epsilon))``. A choice
    of bounded range epsilon is dominated by a family of two-point pairs with log-ratios t and t - epsilon;
    mu is largest in the middle of the family, which is randomised response at epsilon / 2.

    Examples
    --------
    >>> from skdpflow.accountants import SelectionEvent
    >>> from skdpflow.accountants.gaussian import selection_mu
    >>> round(selection_mu(SelectionEvent(1.0)), 4)
    0.6239
    """
    epsilon = event.epsilon if event.kind == "pure" else event.epsilon / 2.0
    if epsilon < 1.0:
        # Phi^-1(1/2 + tanh(epsilon/2) / 2), without the loss of digits around 1/2.
        mu = 2.0 * math.sqrt(2.0) * float(erfinv(math.tanh(epsilon / 2.0)))
    else:
        mu = -2.0 * float(ndtri_exp(-epsilon - math.log1p(math.exp(-epsilon))))
    return mu * (1.0 + 1e-12)  # rounded up, beyond the accuracy of the special functions


def _gaussian_log_delta(mu: float, epsilon: float) -> float:
    """Return ln delta of mu-GDP at epsilon, rounded up.

    With M(x) = Phi(-x) / phi(x) (Mills ratio) and x = epsilon / mu - mu / 2, the two terms of the formula
    share the factor phi(x): delta = phi(x) (M(x) - M(x + mu)). This keeps its digits for large epsilon and
    tiny delta, where the two terms themselves agree to all digits.
    """
    if math.isinf(mu):
        return 0.0
    x = epsilon / mu - mu / 2.0
    if x > 40.0:
        return -x * x / 2.0  # an upper bound, and below the smallest float
    log_phi = -x * x / 2.0 - _LOG_SQRT_2PI
    if mu <= 1.0:
        # M' = x M - 1: integrate it, as the difference would cancel for small mu.
        t = x + mu * (_NODES + 1.0) / 2.0
        log_delta = log_phi + math.log(mu / 2.0 * float(_WEIGHTS @ (1.0 - t * _mills(t))))
    elif x < 0.0:
        # delta close to one: M(x) = 1 / phi(x) - M(-x).
        log_delta = math.log1p(-math.exp(log_phi) * float(_mills(-x) + _mills(x + mu)))
    else:
        log_delta = log_phi + math.log(float(_mills(x) - _mills(x + mu)))
    return min(0.0, log_delta + 1e-12 * (1.0 + epsilon / mu))


def _mills(x: float | np.ndarray) -> np.ndarray:
    return math.sqrt(math.pi / 2.0) * np.asarray(erfcx(np.asarray(x) / math.sqrt(2.0)))


def _gaussian_epsilon(mu: float, delta: float) -> float:
    """Return epsilon of mu-GDP at delta > 0, rounded up by at most one part in 10^9."""
    target = math.log(delta)
    if _gaussian_log_delta(mu, 0.0) <= target:
        return 0.0
    upper = mu * mu / 2.0 + mu * math.sqrt(-2.0 * target)  # from concentrated privacy, so never too low
    if math.isinf(upper):
        return math.inf
    while _gaussian_log_delta(mu, upper) > target:
        upper *= 2.0

    def excess(epsilon: float) -> float:
        return _gaussian_log_delta(mu, epsilon) - target

    epsilon = float(brentq(excess, 0.0, upper, xtol=sys.float_info.min, rtol=1e-14, maxiter=1000))
    step = 1e-10
    epsilon *= 1.0 + step
    while excess(epsilon) > 0.0:
        epsilon *= 1.0 + step
        step *= 2.0
    return epsilon
