r"""Structural zeros: entries of two-way tables that are empty, though the model has rows there.

A noisy count near zero tells that an entry is empty only if the model expects far more rows than noise hides. Of
ordered columns, neighbouring entries are judged together, too: a block may stand out where none of its entries does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from skdpflow.transport.model import Component
from skdpflow.transport.parities import Finder
from skdpflow.transport.tilt import TiltedComponent

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Variance of the logarithm of a factor: the flow is taken to be wrong by a third in an entry.
ENTRY_LOG_VARIANCE = 0.1
#: Probability that any entry of a Release is taken for empty though its rows are visible, see `empty_entries`.
FALSE_ALARMS = 0.01
#: The noisy count of an empty entry is at most so many deviations: one in 44 is missed.
NEAR_ZERO = 2.0
#: Share of a component that is outside of empty entries when all else is learnt, so that they are cut out.
LEAST_LEFT = 0.975


def _widths(n_bins: int, ordered: bool) -> list[int]:
    """Return the numbers of neighbouring bins that are judged together."""
    return [2**k for k in range((n_bins - 1).bit_length() + 1)] if ordered else [1]


def n_blocks(shape: tuple[int, int], ordered: tuple[bool, bool]) -> int:
    """Return how many blocks of a table are judged."""
    rows, columns = (sum(-(-n // w) for w in _widths(n, o)) for n, o in zip(shape, ordered, strict=True))
    return rows * columns


def deviations_for(n_tests: int) -> float:
    """Return how many deviations noise exceeds in any of so many tests with probability `FALSE_ALARMS`."""
    return float(-ndtri(FALSE_ALARMS / n_tests))


def empty_entries(counts: Array, expected: Array, sd: float, ordered: tuple[bool, bool], deviations: float) -> Mask:
    r"""Say which entries of a table are empty.

    Parameters
    ----------
    counts, expected : ndarray of shape (n_rows, n_columns)
        Noisy counts, and the rows that the model expects.
    sd : float
        Standard deviation of the noise of a count.
    ordered : tuple of bool
        Whether neighbouring rows are alike, and neighbouring columns.
    deviations : float
        Noise is below so many deviations in all tests, but for `FALSE_ALARMS`; call it :math:`q`.

    Notes
    -----
    The logarithm of the factor by which the model is wrong is taken to be normal with variance :math:`\tau`, which is
    `ENTRY_LOG_VARIANCE`. A block is empty if its true count is below :math:`e^{-q \sqrt\tau}` times what is expected,
    :math:`t = e^{-q \sqrt\tau} e`, which no such factor explains, whatever the noise: its noisy count
    :math:`h` with noise :math:`s` obeys :math:`h + q \sqrt{s^2 + t} \le t`, as rows are a sample themselves. Noisy
    counts that are not near zero are no zeros. So an entry of more than `NEAR_ZERO` :math:`+ q` deviations is taken for
    empty with the stated probability at most.
    """
    share = np.exp(-deviations * np.sqrt(ENTRY_LOG_VARIANCE))
    found = np.zeros(counts.shape, dtype=np.bool_)
    for rows in _widths(counts.shape[0], ordered[0]):
        for columns in _widths(counts.shape[1], ordered[1]):
            h, e, n = (_block_sums(x, rows, columns) for x in (counts, expected, np.ones(counts.shape)))
            noise = sd * np.sqrt(n)
            limit = share * e
            empty = (h <= NEAR_ZERO * noise) & (h + deviations * np.sqrt(noise**2 + limit) <= limit)
            whole = np.repeat(np.repeat(empty, rows, axis=0), columns, axis=1)
            found |= whole[: counts.shape[0], : counts.shape[1]]
    return found & (counts <= NEAR_ZERO * sd)


def _block_sums(x: Array, rows: int, columns: int) -> Array:
    """Return the sums over blocks of so many rows and columns."""
    by_rows = np.add.reduceat(x, np.arange(0, x.shape[0], rows), axis=0)
    return np.asarray(np.add.reduceat(by_rows, np.arange(0, x.shape[1], columns), axis=1))


@dataclass(frozen=True, eq=False)
class Zeros:
    """Entries of tables that are empty.

    Parameters
    ----------
    regions : Finder
        Finds the entries of points.
    empty : sequence of ndarray of bool, of shape (n_groups, n_entries)
        Of each table, which entries are empty.
    groups : ndarray of shape (n_components,)
        Group of each component.
    """

    regions: Finder
    empty: Sequence[Mask]
    groups: NDArray[np.int64]

    def inside(self, component: int, z: Array) -> Mask:
        """Say which points of a component are in an empty entry of any table."""
        out = np.zeros(len(z), dtype=np.bool_)
        for empty, entry in zip(self.empty, self.regions.find(z), strict=True):
            out |= empty[self.groups[component]][entry]
        return out

    def cut(self, index: int, component: Component, particles: Array, weights: Array) -> Component | None:
        """Cut empty entries out of a component, whose weighted particles say how much of its mass is there.

        Notes
        -----
        Sampling rejects points there. None if less than `LEAST_LEFT` would be left: margins would move.
        """
        if not any(own[self.groups[index]].any() for own in self.empty):
            return component
        left = float(weights @ ~self.inside(index, particles) / weights.sum())
        if left < LEAST_LEFT:
            return None
        log_factors = tuple(np.where(own[self.groups[index]], -np.inf, 0.0) for own in self.empty)
        return TiltedComponent(component, self.regions, log_factors, 0.0, float(np.log(left)))
