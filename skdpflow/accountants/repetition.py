"""The best of a random number of private trials: how many there are, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import lambertw

__all__ = ["negative_binomial_gamma", "number_of_trials", "poisson_rate", "repeated_divergences", "steepness"]

Array = NDArray[np.float64]


def poisson_rate(mean: float) -> float:
    r"""Rate of the Poisson distribution that has a given mean when it is at least one.

    Examples
    --------
    >>> from skdpflow.accountants.repetition import poisson_rate
    >>> round(poisson_rate(2.0), 4), round(poisson_rate(20.0), 4)
    (1.5936, 20.0)
    """
    return mean + float(np.real(lambertw(-mean * math.exp(-mean))))


def negative_binomial_gamma(mean: float, shape: float) -> float:
    r"""Parameter of the truncated negative binomial distribution that has a given mean.

    Examples
    --------
    >>> from skdpflow.accountants.repetition import negative_binomial_gamma
    >>> round(negative_binomial_gamma(10.0, shape=1.0), 6)  # geometric
    0.1
    """

    def excess(log_gamma: float) -> float:
        if shape == 0.0:
            return math.expm1(-log_gamma) / -log_gamma - mean
        return shape * math.expm1(-log_gamma) / -math.expm1(shape * log_gamma) - mean

    low = -1.0
    while excess(low) < 0.0:
        low *= 2.0
    return math.exp(float(brentq(excess, low, -1e-6, xtol=1e-15, rtol=1e-15)))


def number_of_trials(u: float, mean: float, distribution: str, shape: float) -> int:
    """Turn a uniform number into a number of trials.

    Notes
    -----
    Probabilities are added up in double precision, so their relative error is below 1e-12 wherever they matter, and the
    same for all data. That changes a divergence by as little.

    Examples
    --------
    >>> from skdpflow.accountants.repetition import number_of_trials
    >>> number_of_trials(0.5, 10.0, "poisson", 1.0), number_of_trials(0.5, 10.0, "truncated-negative-binomial", 1.0)
    (10, 7)
    """
    k = 1
    if distribution == "poisson":
        rate = poisson_rate(mean)
        p = rate * math.exp(-rate) / -math.expm1(-rate)
    else:
        gamma = negative_binomial_gamma(mean, shape)
        scale = -math.log(gamma) if shape == 0.0 else math.expm1(-shape * math.log(gamma)) / shape
        p = (1.0 - gamma) / scale
    below = p
    while below < u:
        p *= rate / (k + 1) if distribution == "poisson" else (1.0 - gamma) * (k + shape) / (k + 1)
        if below + p == below:  # what is left is lost in rounding
            break
        k += 1
        below += p
    return k


def steepness(mean: float, distribution: str, shape: float) -> float:
    r"""Largest slope of the logarithm of f', with :math:`f(x) = E[x^K]`.

    Notes
    -----
    *Trials that go wrong with a small probability.* Let a trial be good but for outcomes of probability
    :math:`\eta`, and let the clean trial be the same, given that it is good. An outcome that a trial gives with
    probability P, and gives something worse with probability F, is the best with probability
    :math:`P\,E_u f'(F + uP)`. For a good outcome, P is :math:`1 - \eta` times what it is for the clean trial, and
    :math:`F + uP` differs by at most :math:`\eta`, hence :math:`f'` by a factor of at most :math:`e^{L \eta}`. So the
    probabilities of good outcomes of the two selections have ratios of at most :math:`e^{L \eta} / (1 - \eta)`, both
    ways, and the selection gives a bad outcome with probability at most :math:`E[K]\,\eta`. That is slack of
    :math:`2 (L \eta - \ln(1 - \eta))` in epsilon and :math:`E[K]\,\eta` in delta, whatever epsilon is stated for the
    whole, see :class:`skdpflow.accountants.SlackEvent`.

    Examples
    --------
    >>> from skdpflow.accountants.repetition import steepness
    >>> round(steepness(2.0, "poisson", 1.0), 4), round(steepness(10.0, "truncated-negative-binomial", 1.0), 4)
    (1.5936, 18.0)
    """
    if distribution == "poisson":
        return poisson_rate(mean)
    return (1.0 + shape) * (1.0 / negative_binomial_gamma(mean, shape) - 1.0)


def repeated_divergences(
    orders: Array,
    trial: Array,
    deltas: Callable[[Array], Array],
    mean: float,
    distribution: str,
    shape: float,
) -> Array:
    r"""Renyi divergences of the best of K independent trials, at the same orders.

    Notes
    -----
    With :math:`f(x) = E[x^K]`, an outcome that a trial gives with probability P, and gives something worse with
    probability F, is the best with probability :math:`f(F + P) - f(F) = P\,E_u f'(F + uP)` for u uniform in (0, 1).
    So the moment of order :math:`\alpha` of the selection is, by the joint convexity of :math:`a^\alpha b^{1-\alpha}`,
    at most that of a trial times the supremum of :math:`f'(q)^\alpha f'(q')^{1-\alpha}` over pairs (q, q') of
    probabilities of one event under two neighbours [1]_ (Lemma 7). Ties are broken by a number of the trial's own. Let
    p = 1 - q and p' = 1 - q'.

    *Negative binomial* [1]_ (Theorem 2). :math:`f'(q) = E[K] \gamma^{1+\eta} (\gamma + (1-\gamma) p)^{-1-\eta}`. With
    the divergence of a trial at any order b, :math:`p' \le (e^{r(b)} p)^{1-1/b}`, which gives

    .. math::
        r(\alpha) + (1 + \eta) \min_b \left[(1 - 1/b)\,r(b) + \ln(1/\gamma)/b\right] + \ln E[K] / (\alpha - 1).

    *Poisson.* Conditioned on K >= 1, a Poisson variable of rate m has :math:`f'(q) = E[K] e^{-mp}`, so the supremum is
    that of :math:`E[K] \exp(m ((\alpha - 1) p' - \alpha p))`. If a trial is :math:`(\hat\varepsilon,
    \hat\delta)`-private with :math:`e^{\hat\varepsilon} = \alpha / (\alpha - 1)`, the exponent is at most
    :math:`m (\alpha - 1) \hat\delta`:

    .. math:: r(\alpha) + m \hat\delta + \ln E[K] / (\alpha - 1).

    This is Theorem 6 of [1]_ with E[K] in the place of m in the last term. There, K may be zero; here it is not, so
    no outcome for that case has to be made up.

    Divergences increase with the order, so each is bounded by those at higher orders.

    References
    ----------
    .. [1] N. Papernot, T. Steinke. "Hyperparameter Tuning with Renyi Differential Privacy". ICLR 2022.
    """
    if distribution == "poisson":
        extra: Any = poisson_rate(mean) * deltas(np.log1p(1.0 / (orders - 1.0)))
    else:
        log_gamma = math.log(negative_binomial_gamma(mean, shape))
        extra = (1.0 + shape) * np.min((1.0 - 1.0 / orders) * trial - log_gamma / orders)
    bound = trial + extra + math.log(mean) / (orders - 1.0)
    return np.asarray(np.minimum.accumulate(bound[::-1])[::-1])
