r"""Exponential tilt of leaves, so that the model agrees with counts in the cells of partitions.

The flow learns each leaf from one- and two-way statistics. What they do not show, such as how a target depends on
three columns at once, is corrected by a factor :math:`\exp(\sum_t \lambda_t[\text{cell}_t(z), g])` on the density, the
member of the exponential family of the cells that is closest to the flow [1]_.

References
----------
.. [1] Csiszar, I. (1975). I-divergence geometry of probability distributions and minimization problems. The Annals
   of Probability, 3(1), 146-158.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skdpflow.latent.lookup import bin_of
from skdpflow.transport.flow import Leaf

Array = NDArray[np.float64]

#: Largest factor of a density: one over the least share of proposals that sampling accepts, about.
MAX_FACTOR = 4.0
#: Weight of staying close to the flow, beside the misfit to the counts. A cell that holds n rows is taken to be wrong
#: by n / CLOSENESS rows in the mean square.
CLOSENESS = 0.1
#: Sweeps over the partitions, and Newton steps for a cell.

SWEEPS, NEWTON = 12, 6
#: Least and most proposals at once.
_PROPOSALS = (64, 2**16)


@dataclass(frozen=True, eq=False)
class CellFinder:
    """Finds the cells of latent points.

    Parameters
    ----------
    edges : tuple of ndarray
        Inner bin edges of each column, as latent scores.
    columns : ndarray of shape (n_partitions, width)
        Columns of each partition.
    tables : tuple of ndarray
        For each partition, the cell of every combination of bins.
    """

    edges: tuple[Array, ...]
    columns: NDArray[np.int64]
    tables: tuple[NDArray[np.int64], ...]

    def find(self, z: Array) -> list[NDArray[np.int64]]:
        """Cell of each point in each partition.

        Parameters
        ----------
        z : ndarray of shape (n, d)
            Latent points.

        Returns
        -------
        cells : list of ndarray of shape (n,)
        """
        used = {int(j): bin_of(z[:, j], self.edges[j]) for j in np.unique(self.columns)}
        out = []
        for own, table in zip(self.columns, self.tables, strict=True):
            flat = np.zeros(len(z), dtype=np.int64)
            for j in own:
                flat = flat * (len(self.edges[j]) + 1) + used[int(j)]
            out.append(table[flat])
        return out


@dataclass(frozen=True, eq=False)
class TiltedLeaf:
    """A leaf whose density is multiplied by a bounded factor that is constant on cells.

    Parameters
    ----------
    leaf : Leaf
        What is tilted.
    cells : CellFinder
        The partitions.
    log_factors : tuple of ndarray
        For each partition, the logarithm of the factor of each of its cells.
    log_bound : float
        The logarithm of the product of factors is cut here.
    log_mean : float
        Logarithm of the mean of the bounded product under the leaf.
    """

    leaf: Leaf
    cells: CellFinder
    log_factors: tuple[Array, ...]
    log_bound: float
    log_mean: float

    def log_factor(self, z: Array) -> Array:
        """Logarithm of the bounded factor at points.

        Parameters
        ----------
        z : ndarray of shape (n, d)
            Points.

        Returns
        -------
        log_factor : ndarray of shape (n,)
        """
        total = np.zeros(len(z))
        for factors, cell in zip(self.log_factors, self.cells.find(z), strict=True):
            total += factors[cell]
        return np.minimum(total, self.log_bound)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw points by rejection: exact and independent.

        Parameters
        ----------
        n : int
            How many.
        rng : numpy.random.Generator
            Public randomness.

        Returns
        -------
        z : ndarray of shape (n, d)
        """
        acceptance = np.exp(self.log_mean - self.log_bound)
        found, missing = [], n
        while missing > 0:
            wanted = int(np.clip(1.1 * missing / acceptance, *_PROPOSALS))
            z = self.leaf.sample(wanted, rng)
            kept = z[np.log(rng.random(wanted)) < self.log_factor(z) - self.log_bound][:missing]
            found.append(kept)
            missing -= len(kept)
        return np.concatenate(found) if found else self.leaf.sample(0, rng)

    def log_density(self, z: Array) -> Array:
        """Log-density of points.

        Parameters
        ----------
        z : ndarray of shape (n, d)
            Points.

        Returns
        -------
        log_density : ndarray of shape (n,)
        """
        return self.leaf.log_density(z) + self.log_factor(z) - self.log_mean


def enough_particles(sizes: Array, counts: Sequence[Array], sds: Sequence[float]) -> float:
    """Particles of each leaf whose own sampling error stays below the noise of the counts.

    Parameters
    ----------
    sizes : ndarray of shape (n_leaves,)
        Estimated rows of each leaf.
    counts : sequence of ndarray of shape (n_groups, n_cells)
        Noisy counts of each partition.
    sds : sequence of float
        Standard deviation of their noise.

    Returns
    -------
    n_particles : float

    Notes
    -----
    With N particles for n rows, a cell of h rows is predicted with variance h n / N, and h is n over the number of
    cells on average.
    """
    return float(sizes.sum() ** 2 / min(h.size * sd**2 for h, sd in zip(counts, sds, strict=True)) / len(sizes))


def keep_shares(
    cells: CellFinder,
    counts: Sequence[Array],
    sds: Sequence[float],
    columns: Sequence[int],
    particles: Sequence[Array],
    sizes: Array,
    groups: NDArray[np.int64],
) -> tuple[CellFinder, list[Array], list[float]]:
    """Add bins of single columns, of which the flow knows the shares better than any partition tells them.

    Parameters
    ----------
    cells : CellFinder
        The partitions.
    counts : sequence of ndarray of shape (n_groups, n_cells)
        Noisy counts of each.
    sds : sequence of float
        Standard deviations of their noise.
    columns : sequence of int
        Columns whose shares are to stay: those with gaps or single values that hold mass.
    particles : sequence of ndarray of shape (n, d)
        Points of each leaf.
    sizes : ndarray of shape (n_leaves,)
        Rows of each leaf.
    groups : ndarray of shape (n_leaves,)
        Group of each leaf.

    Returns
    -------
    cells, counts, sds : as given
        With one partition more for each of the columns.
    """
    width = cells.columns.shape[1]
    own, tables, added = [], [], []
    for j in columns:
        beside = [k for k in range(len(cells.edges)) if k != j][: width - 1]
        shape = [len(cells.edges[k]) + 1 for k in (j, *beside)]
        own.append([j, *beside])
        tables.append(np.repeat(np.arange(shape[0]), int(np.prod(shape[1:]))))
        h = np.zeros((int(groups.max()) + 1, shape[0]))
        for z, size, group in zip(particles, sizes, groups, strict=True):
            h[group] += np.bincount(bin_of(z[:, j], cells.edges[j]), minlength=shape[0]) * (size / len(z))
        added.append(h)
    if not own:
        return cells, list(counts), list(sds)
    finder = CellFinder(cells.edges, np.concatenate([cells.columns, own]), (*cells.tables, *tables))
    return finder, [*counts, *added], [*sds, *[1.0] * len(own)]


def tilt(
    leaves: Sequence[Leaf],
    particles: Sequence[Array],
    sizes: Array,
    cells: CellFinder,
    groups: NDArray[np.int64],
    counts: Sequence[Array],
    sds: Sequence[float],
) -> tuple[list[TiltedLeaf], Array]:
    r"""Tilt leaves towards noisy counts.

    Parameters
    ----------
    leaves : sequence of Leaf
        The flow's leaves.
    particles : sequence of ndarray of shape (n, d)
        Points of each leaf.
    sizes : ndarray of shape (n_leaves,)
        Estimated rows of each leaf.
    cells : CellFinder
        The partitions.
    groups : ndarray of shape (n_leaves,)
        Group of each leaf; leaves of one group share their factors.
    counts : sequence of ndarray of shape (n_groups, n_cells)
        Noisy counts of each partition.
    sds : sequence of float
        Standard deviation of the noise of each.

    Returns
    -------
    tilted : list of TiltedLeaf
        The leaves.
    sizes : ndarray of shape (n_leaves,)
        Their rows after the tilt.

    Notes
    -----
    The factors minimise :math:`\kappa \mathrm{KL}(w \| w_0) + \sum_t \|h_t - A_t w\|^2 / (2 s^2)` over weights
    of the particles, by coordinate descent: the factor of a cell with weight :math:`e` at its optimum obeys
    :math:`e\, e^{\Delta} + \kappa s^2 (\lambda + \Delta) = h`. Weights above `MAX_FACTOR` count as `MAX_FACTOR`.
    :math:`s^2` is the variance of the noise and that of the particles in the cell, which are a sample too.
    """
    leaf = np.repeat(np.arange(len(leaves)), [len(z) for z in particles])
    start = (sizes / [len(z) for z in particles])[leaf]
    found = np.concatenate([np.asarray(cells.find(z)) for z in particles], axis=1)
    log_factors = [np.zeros(h.size) for h in counts]
    total = np.zeros(len(leaf))
    limit = float(np.log(MAX_FACTOR))
    for _ in range(SWEEPS):
        for own, h, factor, sd in zip(found, counts, log_factors, sds, strict=True):
            place = groups[leaf] * h.shape[1] + own
            rows = start * np.exp(np.minimum(total, limit))
            weight = np.bincount(place, rows, h.size)
            penalty = CLOSENESS * (sd**2 + np.bincount(place, rows**2, h.size))
            step = np.zeros(h.size)
            for _ in range(NEWTON):
                grown = weight * np.exp(step)
                step -= np.clip((grown + penalty * (factor + step) - h.ravel()) / (grown + penalty), -1.0, 1.0)
            factor += step
            total += step[place]
    tilted, tilted_sizes = [], []
    for c, model in enumerate(leaves):
        own = np.minimum(total[leaf == c], limit)
        bound, mean = float(own.max()), float(np.log(np.mean(np.exp(own))))
        factors = tuple(f.reshape(h.shape)[groups[c]] for f, h in zip(log_factors, counts, strict=True))
        tilted.append(TiltedLeaf(model, cells, factors, bound, mean))
        tilted_sizes.append(float(sizes[c]) * np.exp(mean))
    return tilted, np.array(tilted_sizes)
