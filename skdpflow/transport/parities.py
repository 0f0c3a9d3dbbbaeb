r"""Parities: which of the ways in which many columns may depend on each other at once stand out of a noisy table.

A factorial table counts rows by coarse bins of many columns at once. Its Walsh coefficients, sums over its cells with
signs, each belong to a set of bits of the bins. Their noise is known and all alike, and most of them are what the
model predicts. Those that differ by more than noise can are kept. Each says how many rows have an even parity of its
bits, and how many an odd one [1]_.

References
----------
.. [1] Barak, B., Chaudhuri, K., Dwork, C., Kale, S., McSherry, F., Talwar, K. (2007). Privacy, accuracy, and
   consistency too: a holistic solution to contingency table release. PODS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri

from skdpflow.latent.kdtree import KDTree
from skdpflow.latent.lookup import bin_of

Array = NDArray[np.float64]

#: Most parities that the model is told.
MOST_PARITIES = 64
#: Probability that noise alone passes for a parity, over all parities of a table.
FALSE_ALARMS = 0.01


def walsh(table: Array) -> Array:
    """Return the Walsh coefficients of the last axis, whose length is a power of two.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.transport.parities import walsh
    >>> walsh(np.array([5.0, 0.0, 0.0, 5.0]))
    array([10.,  0.,  0., 10.])
    """
    out = np.array(table, dtype=np.float64)
    step = 1
    while step < table.shape[-1]:
        halves = out.reshape(*table.shape[:-1], -1, 2, step)
        out = np.stack([halves[..., 0, :] + halves[..., 1, :], halves[..., 0, :] - halves[..., 1, :]], axis=-2)
        step *= 2
    return out.reshape(table.shape)


@dataclass(frozen=True, eq=False)
class ParityFinder:
    """Finds the cells of latent points in a factorial table, and their parities.

    Parameters
    ----------
    columns : ndarray of shape (n_columns,)
        Columns that are binned.
    edges : tuple of ndarray
        Inner bin edges of each of them, as latent scores.
    tree : KDTree
        Its regions are the cells, which are numbered by the bits of their bins.
    chosen : ndarray of int
        Bits of each parity, as a number.
    """

    columns: NDArray[np.int64]
    edges: tuple[Array, ...]
    tree: KDTree
    chosen: NDArray[np.int64]

    def cells(self, z: Array) -> NDArray[np.int64]:
        """Return the cell of each point."""
        return self.tree.find([bin_of(z[:, j], e) for j, e in zip(self.columns, self.edges, strict=True)])

    def find(self, z: Array) -> list[NDArray[np.int64]]:
        """Return for each parity whether it is odd at each point."""
        cells = self.cells(z)
        return [np.bitwise_count(cells & bits).astype(np.int64) & 1 for bits in self.chosen]


def standing_out(counts: Array, expected: Array, sd: float, sampling: Array) -> tuple[NDArray[np.int64], list[Array]]:
    r"""Return the parities that stand out of the noise, and the rows of each group with an even and an odd one.

    Parameters
    ----------
    counts : ndarray of shape (n_groups, n_cells)
        Noisy counts.
    expected : ndarray of shape (n_groups, n_cells)
        What the model predicts.
    sd : float
        Standard deviation of the noise of a count.
    sampling : ndarray of shape (n_groups,)
        Variance of a predicted coefficient, since the model is known by a sample.

    Notes
    -----
    The coefficients :math:`r` of all groups are judged together: :math:`\|r\|^2` in units of the noise has a
    chi-squared distribution if the model is right. What is kept is shrunk by the factor of James and Stein.
    """
    noise = sd**2 * counts.shape[1] + sampling
    misfit = walsh(counts - expected)
    length = (misfit**2 / noise[:, None]).sum(axis=0)
    length[0] = 0.0  # no bits: the number of rows
    limit = chdtri(len(counts), FALSE_ALARMS / len(length))
    chosen = np.argsort(-length, kind="stable")[:MOST_PARITIES]
    chosen = chosen[length[chosen] > limit].astype(np.int64)
    rows, predicted, found = expected.sum(axis=1), walsh(expected), []
    for bits in chosen:
        shrunk = misfit[:, bits] * (1.0 - len(counts) / length[bits])
        even = np.clip(0.5 * (rows + predicted[:, bits] + shrunk), 0.0, rows)
        found.append(np.column_stack([even, rows - even]))
    return chosen, found


class Finder(Protocol):
    """What finds the regions of latent points in some partitions."""

    def find(self, z: Array) -> list[NDArray[np.int64]]:
        """Region of each point in each partition."""
        ...


@dataclass(frozen=True, eq=False)
class Finders:
    """Several finders of regions as one.

    Parameters
    ----------
    parts : sequence of Finder
        The finders.
    """

    parts: Sequence[Finder]

    def find(self, z: Array) -> list[NDArray[np.int64]]:
        """Return the region of each point in each partition of all finders."""
        return [regions for part in self.parts for regions in part.find(z)]
