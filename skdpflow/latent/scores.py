r"""Scores of the rank transform on the integer lattice, looked up among thresholds and not computed.

A score on the lattice is the whole number nearest to :math:`2^{10} \Phi^{-1}(u)`. It rises with :math:`u`, so it is the
number of thresholds that :math:`u` has reached. The thresholds are the same for all tables. They are made of whole
numbers alone, so they have the same bits on every processor: :math:`\Phi^{-1}` as a library computes it does not, since
its logarithms and the contraction of its products differ between processors and compilers.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["LATENT_LIMIT", "LATENT_STEPS", "lattice_scores", "thresholds"]

#: Lattice steps per unit of a latent score.
LATENT_STEPS = 2**10
#: Latent values are clipped to plus or minus this many standard deviations.
LATENT_LIMIT = 4.0
_LAST = int(LATENT_LIMIT) * LATENT_STEPS
#: Bits behind the point of whole numbers that stand for fractions; and, as such, one over the root of two pi.
_BITS = 160
_DENSITY = (39894228040143267793994605993438186847585863116493465766592583 << _BITS) // 10**62

#: Slots of an even grid in which a level is looked up.
_SLOTS = 2**16


@cache
def thresholds() -> NDArray[np.float64]:
    r"""Return :math:`\Phi((k - 1/2) / 2^{10})` for the whole k from -4095 to 4096, each the nearest float.

    Notes
    -----
    By the power series of the distribution function in fixed-point arithmetic; its error is far below the last bit of a
    float. Python divides whole numbers with correct rounding.
    """
    above = [_above_half(2 * k - 1) for k in range(1, _LAST + 1)]
    half, one = 1 << (_BITS - 1), 1 << _BITS
    out = np.array([(half - own) / one for own in reversed(above)] + [(half + own) / one for own in above])
    out.flags.writeable = False  # it is shared
    return out


def _above_half(steps: int) -> int:
    """Return the mass between 0 and so many half steps."""
    term, total, n = _DENSITY * steps // (2 * LATENT_STEPS), 0, 0
    while term:
        total += (-term if n % 2 else term) // (2 * n + 1)
        n += 1
        term = term * steps * steps // ((2 * LATENT_STEPS) ** 2 * 2 * n)
    return total


@cache
def _slots() -> tuple[NDArray[np.int16], NDArray[np.float64], float, float]:
    """Return the number of thresholds up to each slot of an even grid, the threshold after each, and where to bisect.

    Ends of slots are binary fractions, so the slot of a point is exact. Between the last two numbers, slots hold one
    threshold at most.
    """
    ends, own = np.arange(_SLOTS + 1) / _SLOTS, thresholds()
    before = np.searchsorted(own, ends, side="right")
    crowded = np.diff(before) > 1
    low = int(np.flatnonzero(crowded[: _SLOTS // 2])[-1]) + 1
    high = _SLOTS // 2 + int(np.flatnonzero(crowded[_SLOTS // 2 :])[0])
    return before.astype(np.int16), np.append(own, np.inf), ends[low], ends[high]


def lattice_scores(u: NDArray[np.float64]) -> NDArray[np.int16]:
    """Return the scores of levels of a distribution function, as whole numbers; that of no number is 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.latent.scores import LATENT_STEPS, lattice_scores
    >>> (lattice_scores(np.array([0.0, 0.5, 0.8413447, 1.0, np.nan])) / LATENT_STEPS).tolist()
    [-4.0, 0.0, 1.0, 4.0, 0.0]
    """
    before, beyond, low, high = _slots()
    u = np.clip(np.nan_to_num(u, nan=0.5), 0.0, 1.0)
    at = before.take((u * _SLOTS).astype(np.int32))
    at += u >= beyond.take(at)
    rare = np.flatnonzero((u < low) | (u >= high))
    at[rare] = np.searchsorted(beyond, u[rare], side="right")
    at -= _LAST
    return at
