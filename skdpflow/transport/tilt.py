r"""Exponential tilt of components, so that the model agrees with counts in the regions of partitions.

The flow learns each component from one- and two-way statistics. What they do not show, such as how a target depends on
three columns at once, is corrected by a factor :math:`\exp(\sum_t \lambda_t[\text{region}_t(z), g])` on the density,
the member of the exponential family of the regions that is closest to the flow [1]_.

References
----------
.. [1] Csiszar, I. (1975). I-divergence geometry of probability distributions and minimization problems. The Annals
   of Probability, 3(1), 146-158.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from skdpflow.latent.kdtree import KDTree, grid
from skdpflow.latent.lookup import Bins
from skdpflow.transport.model import Component
from skdpflow.transport.parities import Finder

Array = NDArray[np.float64]

#: Least share of proposals that sampling accepts: factors of the density are cut so that it holds for the particles.
ACCEPTANCE = 0.25
#: Times that proposals are made for the rows that are missing, before the last proposals are resampled.
MOST_ROUNDS = 64
#: Variance of the logarithm of a factor: the flow is taken to be wrong by about a half in a region.
LOG_VARIANCE = 0.3
#: Most sweeps over the partitions, and Newton steps for a region.
SWEEPS, NEWTON = 12, 3
#: Sweeps end when the rows that are predicted of no region move by more than this part of the noise of their count.
SETTLED = 0.02
#: Rows that are predicted of a region at least, so that it has a factor even if no particle lies there.
LEAST_ROWS = 1e-3
#: Products of factors, in units of their limit, lie between this and its inverse.
_LARGEST = 1e250
#: Particles whose factors are computed together, about.
_BATCH = 2**15
#: Regions of points in all partitions that are held at once, about.
_REGIONS_HELD = 2**24
#: Least and most proposals at once.
_PROPOSALS = (64, 2**16)
#: Proposals suffice for the rows that are missing but for so many deviations.
_SPARE = 3.0


@dataclass(frozen=True, eq=False)
class RegionFinder:
    """Finds the regions of latent points.

    Parameters
    ----------
    edges : tuple of ndarray
        Inner bin edges of each column, as latent scores.
    trees : tuple of KDTree
        The partitions, over the bins of the columns.
    """

    edges: tuple[Array, ...]
    trees: tuple[KDTree, ...]

    def find(self, z: Array) -> list[NDArray[np.int64]]:
        """Region of each point in each partition."""
        bins = {j: own.of(z[:, j]).astype(np.int32) for j, own in self._bins.items()}
        return [tree.find(bins) for tree in self.trees]

    @cached_property
    def _bins(self) -> dict[int, Bins]:
        used = {j for tree in self.trees for j in tree.columns.tolist()}
        return {j: Bins(self.edges[j]) for j in sorted(used)}


@dataclass(frozen=True, eq=False)
class TiltedComponent:
    """A component whose density is multiplied by a bounded factor that is constant on regions.

    Parameters
    ----------
    component : Component
        What is tilted.
    regions : Finder
        The partitions.
    log_factors : tuple of ndarray
        For each partition, the logarithm of the factor of each of its regions.
    log_bound : float
        The logarithm of the product of factors is cut here.
    log_mean : float
        Logarithm of the mean of the bounded product under the component.
    """

    component: Component
    regions: Finder
    log_factors: tuple[Array, ...]
    log_bound: float
    log_mean: float

    def log_factor(self, z: Array) -> Array:
        """Logarithm of the bounded factor at points."""
        total = np.zeros(len(z))
        n_rows = max(_REGIONS_HELD // max(len(self.log_factors), 1), 1)
        for start in range(0, len(z), n_rows):
            rows = slice(start, start + n_rows)
            for factors, region in zip(self.log_factors, self.regions.find(z[rows]), strict=True):
                total[rows] += factors[region]
        return np.minimum(total, self.log_bound)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw points by rejection: exact and independent.

        Notes
        -----
        Should proposals be accepted far more seldom than those that the factors were learnt from, the last of them are
        drawn with probabilities in proportion to their factors, which is exact for many proposals.
        """
        acceptance = min(float(np.exp(self.log_mean - self.log_bound)), 1.0)
        found, missing = [self.component.sample(0, rng)], n
        for _ in range(MOST_ROUNDS + int(2 * n / (acceptance * _PROPOSALS[1]))):
            if missing == 0:
                return np.concatenate(found)
            likely = missing + _SPARE * np.sqrt(missing * (1.0 - acceptance))
            wanted = int(np.clip(np.ceil(likely / acceptance), *_PROPOSALS))
            z = self.component.sample(wanted, rng)
            log_kept = self.log_factor(z) - self.log_bound
            kept = z[np.log(rng.random(wanted)) < log_kept][:missing]
            found.append(kept)
            missing -= len(kept)
        if missing:
            found.append(z[rng.choice(wanted, size=missing, p=softmax(log_kept))])
        return np.concatenate(found)

    def log_density(self, z: Array) -> Array:
        """Log-density of points."""
        return self.component.log_density(z) + self.log_factor(z) - self.log_mean


def enough_particles(sizes: Array, counts: Sequence[Array], sds: Sequence[float]) -> float:
    """Particles of each component whose own sampling error stays below the noise of the counts.

    Notes
    -----
    With N particles for n rows, a region of h rows is predicted with variance h n / N, and h is n over the number of
    regions on average.
    """
    return float(sizes.sum() ** 2 / min(h.size * sd**2 for h, sd in zip(counts, sds, strict=True)) / len(sizes))


def keep_shares(
    regions: RegionFinder,
    counts: Sequence[Array],
    sds: Sequence[float],
    columns: Sequence[int],
    particles: Sequence[Array],
    sizes: Array,
    groups: NDArray[np.int64],
) -> tuple[RegionFinder, list[Array], list[float]]:
    """Add bins of single columns, whose shares the flow knows more precisely than a partition shows them."""
    own = tuple(grid([j], [len(regions.edges[j]) + 1]) for j in columns)
    added = [np.zeros((int(groups.max()) + 1, tree.n_regions)) for tree in own]
    for z, size, group in zip(particles, sizes, groups, strict=True):
        for h, at in zip(added, RegionFinder(regions.edges, own).find(z), strict=True):
            h[group] += np.bincount(at, minlength=h.shape[1]) * (size / len(z))
    return RegionFinder(regions.edges, (*regions.trees, *own)), [*counts, *added], [*sds, *[1.0] * len(own)]


def _log_bounds(log_factors: Array) -> Array:
    """Return for each row of factors the largest bound, at most their maximum, at which enough proposals pass."""
    largest, n = log_factors.max(axis=1, keepdims=True), log_factors.shape[1]
    w = np.sort(np.exp(np.maximum(log_factors - largest, -600.0)), axis=1)
    accepted = (np.cumsum(w, axis=1) + w * np.arange(n - 1, -1, -1)) / (n * w)  # falls from one
    last = n - 1 - np.argmax(accepted[:, ::-1] >= ACCEPTANCE, axis=1)
    return np.asarray(np.log(np.take_along_axis(w, last[:, None], axis=1)) + largest)


def tilt(
    components: Sequence[Component],
    particles: Sequence[Array],
    sizes: Array,
    regions: Finder,
    groups: NDArray[np.int64],
    counts: Sequence[Array],
    sds: Sequence[float],
) -> list[TiltedComponent]:
    r"""Tilt components towards noisy counts; each is known by as many particles.

    Notes
    -----
    Log-factors :math:`\lambda` are taken to be normal with variance :math:`\tau`, which is `LOG_VARIANCE`. Counts
    :math:`h` are taken to vary about :math:`e`, the rows that the tilted particles predict, with variance
    :math:`e + s^2`: rows are a sample, :math:`s^2` is the variance of the noise, and that of the particles, which are a
    sample too. By coordinate descent, a step :math:`\Delta` of a factor towards its most probable value obeys
    :math:`e\, e^{\Delta} + (1 + s^2 / e) (\lambda + \Delta) / \tau = h`. Factors are cut so that sampling accepts a
    share of at least `ACCEPTANCE`.
    """
    tilted: dict[int, TiltedComponent] = {}
    n = len(particles[0])
    for first, last in _batches(groups, n):
        own = np.flatnonzero((groups >= first) & (groups < last)).tolist()
        found = regions.find(np.concatenate([particles[c] for c in own]))
        log_factors, totals = _fitted(found, sizes[own] / n, groups[own] - first, [h[first:last] for h in counts], sds)
        bounds = _log_bounds(totals)
        means = np.log(np.mean(np.exp(np.minimum(totals - bounds, 0.0)), axis=1)) + bounds[:, 0]
        for c, bound, mean in zip(own, bounds[:, 0].tolist(), means.tolist(), strict=True):
            factors = tuple(f[groups[c] - first].copy() for f in log_factors)
            tilted[c] = TiltedComponent(components[c], regions, factors, bound, mean)
    return [tilted[c] for c in range(len(components))]


def _batches(groups: NDArray[np.int64], n_particles: int) -> Iterator[tuple[int, int]]:
    """Part the groups, no factor of which depends on another one, so that what is computed of some stays in a cache."""
    batch = np.cumsum(np.bincount(groups) * n_particles) // _BATCH
    starts = np.flatnonzero(np.diff(batch, prepend=-1)).tolist()
    yield from pairwise([*starts, len(batch)])


@np.errstate(over="ignore")  # of products of factors: counts may contradict each other
def _fitted(
    found: Sequence[NDArray[np.int64]],
    start: Array,
    groups: NDArray[np.int64],
    counts: Sequence[Array],
    sds: Sequence[float],
) -> tuple[list[Array], Array]:
    """Return the logarithms of the factors of some groups, and their sums at the particles of each component."""
    group = np.repeat(groups, len(found[0]) // len(groups))
    places = [group * h.shape[1] + own for h, own in zip(counts, found, strict=True)]
    log_factors = [np.zeros(h.size) for h in counts]
    limits = np.full((len(groups), 1), -np.log(ACCEPTANCE))  # of factors whose mean is one
    products = np.full((len(groups), len(group) // len(groups)), ACCEPTANCE)  # of factors, in units of their limit
    rows = np.empty_like(products)
    flat, flat_rows = products.reshape(-1), rows.reshape(-1)  # views
    for _ in range(SWEEPS):
        # samples have factors with a mean of one, so limits that move do not change how many rows there are
        np.minimum(products, 1.0, out=rows)
        rows_each, moved = start[:, None] / rows.mean(axis=1, keepdims=True), 0.0
        for place, h, factor, sd in zip(places, counts, log_factors, sds, strict=True):
            np.minimum(products, 1.0, out=rows)
            rows *= rows_each
            weight = np.maximum(np.bincount(place, flat_rows, h.size), LEAST_ROWS)
            rows *= rows
            noise = sd**2 + np.bincount(place, flat_rows, h.size)
            penalty = (1.0 + noise / weight) / LOG_VARIANCE
            step = np.zeros(h.size)
            for _ in range(NEWTON):
                grown = weight * np.exp(step)
                step -= np.clip((grown + penalty * (factor + step) - h.ravel()) / (grown + penalty), -1.0, 1.0)
            factor += step
            flat *= np.exp(step).take(place)
            moved = max(moved, float(np.abs(weight * step).max()) / sd)
        np.clip(products, 1.0 / _LARGEST, _LARGEST, out=products)
        total = np.log(products) + limits
        limits = _log_bounds(total)
        if moved < SETTLED:
            break
        np.exp(total - limits, out=products)
    return [f.reshape(h.shape) for f, h in zip(log_factors, counts, strict=True)], total
