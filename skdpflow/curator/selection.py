"""Private selection: the exponential mechanism, by Gumbel noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, log_ndtr

from skdpflow.accountants import ComposedEvent, SelectionEvent
from skdpflow.curator.noise import NoiseSource

#: Scaled scores are clipped to this distance from the last one that would be chosen without noise.
_REACH = 64.0
#: Largest magnitude of a Gumbel draw, except with a probability of 2**-1000.
_LARGEST_GUMBEL = 1024.0


def selection_epsilon(mu: float) -> float:
    r"""Epsilon of a bounded-range selection that costs at most :math:`\mu` in Gaussian DP.

    See Also
    --------
    skdpflow.accountants.gaussian.selection_mu : What a selection costs.

    Examples
    --------
    >>> from skdpflow.curator.selection import selection_epsilon
    >>> round(selection_epsilon(0.6239), 3)
    1.0
    """
    if mu < 1.0:  # without the loss of digits around 1/2
        epsilon = 4.0 * math.atanh(float(erf(mu / math.sqrt(8.0))))
    else:
        epsilon = 2.0 * float(log_ndtr(mu / 2.0) - log_ndtr(-mu / 2.0))
    return epsilon * (1.0 - 1e-9)


def selection_event(epsilon: float, k: int) -> ComposedEvent:
    """Event of choosing several candidates one after the other."""
    return ComposedEvent((SelectionEvent(epsilon, kind="bounded-range"),) * k)


def rounding_epsilon(k: int, epsilon: float, sensitivity: float) -> float:
    r"""Epsilon that floating-point arithmetic may add to a selection.

    See Also
    --------
    select_top : The selection.

    Notes
    -----
    A noisy score is off by at most :math:`\eta`: a Gumbel draw is below 1024 in magnitude, a scaled score below its
    reach :math:`r`, and less than eight units in the last place are lost in all (the uniform, two logarithms of four
    units each for the larger term, the product and the sum): :math:`\eta = (1024 + r) 2^{-50}`. If the computed order
    of the chosen is :math:`i_1, \dots, i_k`, then it is also the exact order after :math:`2 \eta (k - j + 1)` is added
    to the :math:`j`-th of them, which raises the probability of that order by a factor of at most
    :math:`e^{2 \eta (k + \dots + 1)} = e^{\eta k (k + 1)}`; subtracting it shows the opposite bound. This happens in
    each of two neighbours: :math:`2 \eta k (k + 1)`.
    """
    _, reach = _clipping(epsilon, sensitivity)
    return 2.0 * (_LARGEST_GUMBEL + reach) * 2.0**-50 * k * (k + 1)


def _clipping(epsilon: float, sensitivity: float) -> tuple[int, float]:
    """Distance at which scores are clipped, and the same after scaling."""
    factor = epsilon / (2.0 * sensitivity)
    distance = math.ceil(min(_REACH / factor, 2.0**62))
    return distance, distance * factor


def gumbel(n: int, noise: NoiseSource) -> NDArray[np.float64]:
    r"""Draw standard Gumbel noise that is accurate in both tails.

    Notes
    -----
    It is minus the logarithm of an exponential variable :math:`-\log v`. A uniform :math:`v` close to one has few
    digits, which are the ones that decide who wins; so :math:`v` is :math:`u / 2` or :math:`1 - u / 2` with equal
    chances, with a full-exponent uniform :math:`u`.
    """
    u = noise.uniform(2 * n)
    half, lower = u[:n] / 2.0, u[n:] < 0.5
    g = -np.log(np.where(lower, -np.log(half), -np.log1p(-half)))
    if not np.isfinite(g).all():
        raise FloatingPointError("A noise draw was not finite; nothing was released.")
    return np.asarray(g)


def select_top(
    scores: NDArray[np.int64], k: int, epsilon: float, sensitivity: float, noise: NoiseSource
) -> NDArray[np.int64]:
    r"""Choose the candidates with the highest noisy scores.

    See Also
    --------
    rounding_epsilon : What floating-point arithmetic adds.

    Notes
    -----
    Adding Gumbel noise of scale :math:`2 \Delta / \varepsilon` once and taking the top :math:`k` is distributed as
    :math:`k` exponential mechanisms :math:`P(i) \propto \exp(\varepsilon u_i / (2 \Delta))` in sequence, each on the
    candidates that are left. Each has bounded range :math:`\varepsilon`: the log-ratios of its probabilities under
    two neighbours lie in an interval of that length [1]_.

    The scores are first clipped to a public distance from the :math:`k`-th largest of them, so that the arithmetic has
    a bounded error whatever the number of rows is. An order statistic changes no more than the scores do, and
    neither does the median of a score and the two ends; subtracting one number from all changes no probability.

    References
    ----------
    .. [1] Durfee, D., Rogers, R. (2019). Practical differentially private top-k selection with pay-what-you-get
       composition. NeurIPS.
    """
    distance, _ = _clipping(epsilon, sensitivity)
    centre = np.partition(scores, len(scores) - k)[len(scores) - k]
    clipped = np.clip(scores - centre, -distance, distance)
    noisy = clipped * (epsilon / (2.0 * sensitivity)) + gumbel(len(scores), noise)
    return np.argsort(-noisy, kind="stable")[:k]
