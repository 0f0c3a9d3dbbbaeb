"""Smooth first guesses of the distributions of numeric columns, from few noisy numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, softmax

from skdpflow.release import Measurement

Array = NDArray[np.float64]

_SHARE = 1.0 / (1.0 + np.exp(-np.linspace(-4.0, 4.0, 25)))
_CONCENTRATION = np.geomspace(0.2, 2000.0, 14)
_A = np.outer(_SHARE, _CONCENTRATION).ravel()
_B = np.outer(1.0 - _SHARE, _CONCENTRATION).ravel()
#: Candidates lighter than this are left out of a mixture.
_LIGHT = 1e-3
#: Bins that are first looked at together, and log-likelihoods below the best at which a candidate is left out.
_RUN, _HOPELESS = 8, 60.0
#: Rounds of expectation maximisation, and the prior weight of all candidates together, in columns.
_ROUNDS, _SPREAD = 30, 1.0


def _masses(candidates: Any, edges: Array) -> Array:
    """Return the mass of some candidates in bins."""
    return np.asarray(np.diff(betainc(_A[candidates, None], _B[candidates, None], edges), axis=1))


def beta_mixtures(
    moments: Measurement, total: float, pooled: Sequence[Array], edges: Sequence[Array], sd: float
) -> list[tuple[Array, Array, Array]]:
    r"""Fit a mixture of beta distributions to each numeric column.

    Notes
    -----
    Each column is taken to follow one of a grid of beta distributions. The weights are posterior probabilities given
    the noisy moments and counts, whose noise is known; the prior over the grid is estimated from all columns
    together (empirical Bayes), so a table with many nearly constant columns is recognised as such.
    """
    step = float(moments.params["radius"]) / float(moments.params["steps"])
    noise = float(np.max(moments.sd)) * step
    share = _A / (_A + _B)
    square = share * (1.0 + _A) / (1.0 + _A + _B)
    expected = total * np.stack([2.0 * share - 1.0, 4.0 * square - 4.0 * share + 2.0 / 3.0])
    likelihood = -((moments.values[:, :, None] * step - expected[:, None]) ** 2).sum(axis=0) / (2.0 * noise**2)
    coarse: dict[bytes, Array] = {}
    for own, h, e in zip(likelihood, pooled, edges, strict=True):
        starts = np.arange(0, len(h), _RUN)
        if (key := e.tobytes()) not in coarse:
            coarse[key] = _masses(slice(None), np.append(e[starts], e[-1]))
        # what runs of bins miss, over their number of bins, the bins miss at least: few candidates are left
        missed = (np.add.reduceat(h, starts) - total * coarse[key]) ** 2 / np.diff(np.append(starts, len(h)))
        most = own - missed.sum(axis=1) / (2.0 * sd**2)
        best = np.argmax(most)
        least = own[best] - ((h - total * _masses([best], e)) ** 2).sum() / (2.0 * sd**2) - _HOPELESS
        kept = most >= least
        own[kept] -= ((h - total * _masses(kept, e)) ** 2).sum(axis=1) / (2.0 * sd**2)
        own[~kept] = -np.inf
    prior = np.full(len(_A), 1.0 / len(_A))
    for _ in range(_ROUNDS):
        posterior = softmax(likelihood + np.log(prior), axis=1)
        prior = (posterior.sum(axis=0) + _SPREAD / len(_A)) / (len(posterior) + _SPREAD)
    out = []
    for weights in posterior:
        kept = weights > _LIGHT * weights.max()
        out.append((weights[kept] / weights[kept].sum(), _A[kept], _B[kept]))
    return out
