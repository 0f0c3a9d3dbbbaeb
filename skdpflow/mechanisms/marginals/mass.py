"""What noisy counts in nested bins say of the mass of a column: what stands out, and what is missed in that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from skdpflow.transport.marginals import to_simplex

Array = NDArray[np.float64]

#: The count, in standard deviations, at which a bin holds mass that is at most so many bins from one that does so for
#: certain.
LIKELY, NEAR = 1.5, 2
#: Where so many standard deviations of mass are missed, runs of bins are taken for their place from so many on.
MISSED, RUN, LONGEST_RUN = 3.0, 2.5, 32
#: Fewer values, in standard deviations of a count, are too few to tell bins apart: less mass has to be missed then.
SCARCE = 20.0
#: Narrow bins are narrower than this part of a column's width.
NARROW = 1.0 / 32.0


@dataclass(frozen=True, eq=False)
class Estimate:
    """What counts say of a column.

    Parameters
    ----------
    mass : ndarray
        Of the bins of the last grid; not negative. It sums to `total` unless all is zero.
    known, narrow : float
        Part of it that stands out of its noise, and that in bins far narrower than the column.
    narrow_count, narrow_variance : float
        All that was counted in such bins, and the variance of its noise.
    total : float
        About how many values there are.
    """

    mass: Array
    known: float
    narrow: float
    narrow_count: float
    narrow_variance: float
    total: float


def upward(
    edges: Sequence[Array], counts: Sequence[Array], sds: Sequence[float]
) -> tuple[list[NDArray[np.int64]], list[Array], list[Array]]:
    """Correct counts of bins by those of their parts; return where parts start, the counts and their variances."""
    starts = [np.searchsorted(fine, coarse[:-1]) for coarse, fine in pairwise(edges)]
    x = [np.asarray(c, dtype=np.float64) for c in counts]
    v = [np.full(len(c), sd**2) for c, sd in zip(counts, sds, strict=True)]
    for k in range(len(starts) - 1, -1, -1):
        sums, variances = np.add.reduceat(x[k + 1], starts[k]), np.add.reduceat(v[k + 1], starts[k])
        weight = v[k] / (v[k] + variances)
        x[k], v[k] = x[k] + weight * (sums - x[k]), v[k] * (1.0 - weight)
    return starts, x, v


def estimated(
    edges: Sequence[Array],
    counts: Sequence[Array],
    sds: Sequence[float],
    total: float,
    certain: float,
    profile: Array | None = None,
) -> Estimate:
    """Estimate the mass of the bins of the last of nested grids from the counts of all."""
    starts, x, v = upward(edges, counts, sds)
    mass, known = _first_mass(x[0], np.sqrt(v[0]), total, certain, x[0] if profile is None else profile)
    part = np.diff(edges[0]) / (edges[0][-1] - edges[0][0])
    narrow_bins = (part < NARROW) & (part > NARROW**3)
    narrow = float(known[part < NARROW].sum()), float(x[0][narrow_bins].sum()), float(v[0][narrow_bins].sum())
    for k, start in enumerate(starts):
        ends = np.append(start[1:], len(x[k + 1]))
        width = np.diff(edges[k + 1])
        out = np.zeros(len(x[k + 1]))
        for i in np.flatnonzero(mass > 1e-9 * total):
            own = slice(int(start[i]), int(ends[i]))
            if own.stop - own.start == 1:
                out[own] = mass[i]
                continue
            expected = mass[i] * width[own] / width[own].sum()
            shared = x[k + 1][own] + (mass[i] - x[k + 1][own].sum()) * v[k + 1][own] / v[k + 1][own].sum()
            out[own] = _shrunk(shared, expected, v[k + 1][own])
        mass = out
    return Estimate(mass, float(known.sum()), *narrow, total)


def _first_mass(counts: Array, sd: Array, total: float, certain: float, profile: Array) -> tuple[Array, Array]:
    """Estimate the mass of bins of the first grid; return also the part of the total that is in bins that stand out.

    Bins that stand out are kept, and what stands out beside them. While mass is clearly missing in these, it is in
    other bins: those runs of bins are added that stand out most.
    """
    kept, likely = counts > certain * sd, counts > LIKELY * sd
    while not ((grown := kept | (_near(kept, NEAR) & likely)) == kept).all():
        kept = grown
    mass = np.where(kept, np.maximum(counts, 0.0), 0.0)
    known = mass / total
    if not kept.any():  # little can be told apart: leave it to the histograms
        positive = np.maximum(profile, 0.0)
        return positive * (total / max(float(positive.sum()), 1e-300)), known
    while total - mass.sum() > MISSED * float(np.sqrt((sd[kept] ** 2).sum())):
        z, run = _best_run(np.where(kept, 0.0, counts), np.where(kept, 0.0, sd**2))
        if z < RUN:
            break
        run &= ~kept
        positive = np.where(run, np.maximum(counts, 0.0), 0.0)
        positive *= max(float(counts[run].sum()), 0.0) / max(float(positive.sum()), 1e-300)
        mass += positive
        known += positive / total if z > certain else 0.0
        kept |= run
    missing = total - float(mass.sum())
    scarce = total < SCARCE * float(np.median(sd))
    if missing > (1.0 if scarce else MISSED) * float(np.sqrt((sd[kept] ** 2).sum())):
        positive = np.where(kept, 0.0, np.maximum(profile, 0.0))
        mass += positive * (missing / max(float(positive.sum()), 1e-300))
    excess = mass.sum() - total
    return to_simplex(mass, total) if excess > 0.0 else mass * (total / max(mass.sum(), 1e-300)), known


def _best_run(counts: Array, variance: Array) -> tuple[float, NDArray[np.bool_]]:
    """Return the run of 1, 2, 4, ... bins whose sum stands out most, and by how many standard deviations."""
    sums, variances = (np.concatenate([[0.0], np.cumsum(own)]) for own in (counts, variance))
    best, run = -np.inf, np.zeros(len(counts), dtype=np.bool_)
    length = 1
    while length <= min(LONGEST_RUN, len(counts)):
        found, noise = sums[length:] - sums[:-length], variances[length:] - variances[:-length]
        z = np.where(noise > 0.0, found / np.sqrt(np.maximum(noise, 1e-300)), -np.inf)
        at = int(np.argmax(z))
        if z[at] > best:
            best, place = float(z[at]), np.arange(len(counts)) - at
            run = (place >= 0) & (place < length)
        length *= 2
    return best, run


def _shrunk(counts: Array, expected: Array, variance: Array) -> Array:
    """Correct what is expected of parts by their counts, as far as these differ from it by more than their noise."""
    moved = counts - expected
    found = float((moved**2 / variance).sum())
    keep = max(1.0 - (len(counts) - 1) / max(found, 1e-300), 0.0)
    total, sd = float(expected.sum()), np.sqrt(variance)
    stands = counts > (np.sqrt(2.0 * np.log(len(counts))) + 1.0) * sd
    stands |= _near(stands, NEAR) & (counts > LIKELY * sd)
    own = np.where(stands, counts, 0.0)
    if stands.any() and total - own.sum() < 2.0 * float(np.sqrt(variance[stands].sum())):
        return own * (total / own.sum())  # these parts hold all: what is left is noise
    return to_simplex(expected + keep * moved, total)


def _near(kept: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """Say which bins are near to one of some."""
    around = np.convolve(kept, np.ones(2 * distance + 1))
    return np.asarray(around[distance : distance + len(kept)] > 0.5)
