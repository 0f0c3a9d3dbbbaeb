"""Private selection: the exponential mechanism, by Gumbel noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

from skdpflow.accountants import ComposedEvent, SelectionEvent
from skdpflow.curator.noise import NoiseSource


def selection_epsilon(mu: float) -> float:
    r"""Epsilon of a bounded-range selection that costs :math:`\mu` in Gaussian DP.

    Parameters
    ----------
    mu : float
        Gaussian DP parameter.

    Returns
    -------
    epsilon : float
        The inverse of :math:`\mu = 2 \Phi^{-1}(1 / (1 + e^{-\varepsilon / 2}))`, a little rounded down.
    """
    return float(2.0 * (np.log(ndtr(mu / 2.0)) - log_ndtr(-mu / 2.0)) * (1.0 - 1e-9))


def selection_event(epsilon: float, k: int) -> ComposedEvent:
    """Event of choosing `k` candidates one after the other."""
    return ComposedEvent((SelectionEvent(epsilon, kind="bounded-range"),) * k)


def select_top(
    scores: NDArray[np.float64], k: int, epsilon: float, sensitivity: float, noise: NoiseSource
) -> NDArray[np.int64]:
    r"""Choose the `k` candidates with the highest noisy scores.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Private scores; one row changes each by at most `sensitivity`.
    k : int
        How many.
    epsilon : float
        Of each choice.
    sensitivity : float
        Of a score.
    noise : NoiseSource
        Randomness.

    Returns
    -------
    chosen : ndarray of shape (min(k, n),), int64
        Best first.

    Notes
    -----
    Adding Gumbel noise of scale :math:`2 \Delta / \varepsilon` once and taking the top :math:`k` is
    distributed as :math:`k` exponential mechanisms :math:`P(i) \propto \exp(\varepsilon u_i / (2 \Delta))` in sequence,
    each on the candidates that are left. Each has bounded range :math:`\varepsilon`: the log-ratios of its probabilities under
    two neighbours lie in an interval of that length [1]_.

    References
    ----------
    .. [1] Durfee, D., Rogers, R. (2019). Practical differentially private top-k selection with pay-what-you-get
       composition. NeurIPS.
    """
    gumbel = -np.log(-np.log(noise.uniform(len(scores))))
    noisy = scores * (epsilon / (2.0 * sensitivity)) + gumbel
    return np.argsort(-noisy, kind="stable")[:k]
