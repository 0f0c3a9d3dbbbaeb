"""What noisy counts in bins say of the mass of columns: the posterior mean where few of many bins hold all.

In the first grid of a column most bins are empty, and those that are not lie together. So a bin is taken for empty or
for one that holds 1, 1/2, 1/4, ... of the column's values, like the bin before it or drawn anew. Under this model a
forward and a backward pass give the exact posterior of every bin, at whatever noise: counts that stand out are kept,
and where nothing does, mass is spread over all places where it may be. Columns that are declared alike share what is
expected of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from skdpflow.transport.marginals import to_simplex

Array = NDArray[np.float64]

#: A bin of a first grid holds 2**-k of the values, or nothing. These are the fewest k and the most, down to values that
#: are `VISIBLE` times the noise: the less noise there is, the smaller the bins that can be told from empty ones.
SCALES, VISIBLE = (8, 16), 2.0
#: Probability that a bin is like the one before it, and standard deviation of what bins hold over their scale.
PERSISTENCE, SPREAD = 0.75, 0.5
#: Part of the width of a column that a single value is taken for.
NARROWEST = 2.0**-25
#: Bins that may be empty are taken to be so if they hold less than this part together, and no count of so many standard
#: deviations, and none of the run of likely bins that they are in holds something with this probability.
TRACE, MISSED, CERTAIN = 0.1, 3.0, 0.95
#: The count, in standard deviations, at which a part holds mass that is at most so many from one that does so for
#: certain.
LIKELY, NEAR = 1.5, 2


@dataclass(frozen=True, eq=False)
class Estimate:
    """What counts say of a column.

    Parameters
    ----------
    mass : ndarray
        Of the bins of the last grid; not negative. It sums to the number of values.
    known : float
        Part of it in bins that hold mass for sure; of others, the probability counts.
    concentration : float
        Relative entropy of the column's values to an even spread over its width, as far as they are known. Others are
        taken to be as in columns that are declared alike, or evenly spread if there are none.
    """

    mass: Array
    known: float
    concentration: float


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


def first_masses(
    edges: Sequence[Array], counts: Sequence[Array], variances: Sequence[Array], totals: Sequence[float]
) -> list[Estimate]:
    """Return what counts in the first grids of columns say."""
    size = max(map(len, counts))
    d = len(counts)
    c, v, even, width = (np.zeros((d, size)) for _ in range(4))
    for i, (own, e) in enumerate(zip(counts, edges, strict=True)):
        c[i, : len(own)], v[i, : len(own)] = own, variances[i]
        even[i, : len(own)] = 1.0 / len(own)
        width[i, : len(own)] = np.maximum(np.diff(e) / (e[-1] - e[0]), NARROWEST)
    v[even == 0.0] = np.inf
    total = np.asarray(totals, dtype=np.float64)
    told, on_told, trust = _told(edges, c, v, width, (even + width) / 2.0, total)
    mass, on = _means(c, v, trust[:, None] * told + (1.0 - trust[:, None]) * (even + width) / 2.0, total)
    known = np.minimum((mass * on).sum(axis=1), 1.0)  # it rounds
    mass = np.where(_traces(mass, on, c, v, np.isfinite(v)), 0.0, mass)
    mass /= mass.sum(axis=1, keepdims=True)
    by_others = (1.0 - known) * trust * (told * on_told).sum(axis=1)
    concentration = known * _concentration(mass, width) + by_others * _concentration(told, width)
    return [
        Estimate(total[i] * mass[i, : len(own)], float(known[i]), float(concentration[i]))
        for i, own in enumerate(counts)
    ]


def traces(share: Array, counts: Array, variances: Array, expected: Array, where: NDArray[np.bool_]) -> Array:
    """Say which bins of some hold only what noise leaves: they are empty rather than not, and hold little as a whole.

    On scales of many octaves, and beyond the ends of values, a trace of mass in the wrong place bends every moment.
    """
    _, on = _means(counts, variances, expected, np.maximum(counts.sum(axis=1), 1.0))
    return _traces(share, on, counts, variances, where)


def _traces(share: Array, on: Array, c: Array, v: Array, where: NDArray[np.bool_]) -> Array:
    """Say which bins of some are traces, given the probability that a bin holds anything."""
    unlikely = where.copy()
    for own, probability in zip(unlikely, on, strict=True):
        changes = np.flatnonzero(np.diff(probability >= 0.5)) + 1
        for run in np.split(np.arange(len(own)), changes):  # a run is real if one of its bins is
            own[run] &= probability[run].max() < CERTAIN
    count, variance = np.where(unlikely, c, 0.0).sum(axis=1), np.where(unlikely, v, 0.0).sum(axis=1)
    little = (np.where(unlikely, share, 0.0).sum(axis=1) < TRACE) & (count <= MISSED * np.sqrt(variance))
    return unlikely & little[:, None]


def _concentration(share: Array, width: Array) -> Array:
    """Return the relative entropy of shares to widths; what there is none of has no part in it."""
    ratio = np.maximum(share, 1e-300) / np.maximum(width, NARROWEST)
    return np.asarray((share * np.log(ratio)).sum(axis=1))


def _means(c: Array, v: Array, expected: Array, total: Array) -> tuple[Array, Array]:
    """Return the posterior mean share of every bin, and the probability that it holds anything."""
    most = float(np.max(total / (VISIBLE * np.sqrt(v.min(axis=1)))))
    scale = total[:, None, None] * 2.0 ** -np.arange(int(np.clip(np.log2(max(most, 1.0)), *SCALES)))
    prior = (SPREAD * scale) ** 2
    noise = np.where(np.isfinite(v), v, 1.0)[..., None]
    off = c[..., None] - scale
    log = 0.5 * (c[..., None] ** 2 / noise - off**2 / (noise + prior) - np.log1p(prior / noise))
    mean = np.maximum(scale + off * prior / (prior + noise), 0.0)
    on = _posterior(np.where(np.isfinite(v)[..., None], log, 0.0), expected)
    mass = np.where(np.isfinite(v), (on * mean).sum(axis=2), 0.0)
    held = mass.sum(axis=1, keepdims=True)
    even = expected / expected.sum(axis=1, keepdims=True)
    return np.where(held > 0.0, mass / np.where(held > 0.0, held, 1.0), even), on.sum(axis=2)


def _posterior(log: Array, expected: Array) -> Array:
    """Return the probability of every scale of every bin: what is left is that of none."""
    d, size, n_scales = log.shape
    on = expected[..., None] * 2.0 ** np.arange(n_scales) / n_scales
    on *= np.minimum(1.0, 0.9 / np.maximum(on.sum(axis=2, keepdims=True), 1e-300))
    chance = np.concatenate([1.0 - on.sum(axis=2, keepdims=True), on], axis=2)
    log = np.concatenate([np.zeros((d, size, 1)), log], axis=2)
    like = np.exp(log - log.max(axis=2, keepdims=True))
    forward, backward = np.empty_like(like), np.ones_like(like)
    state = chance[:, 0]
    for b in range(size):
        if b:
            state = PERSISTENCE * state + (1.0 - PERSISTENCE) * chance[:, b]
        state = state * like[:, b]
        state = state / state.sum(axis=1, keepdims=True)
        forward[:, b] = state
    for b in range(size - 2, -1, -1):
        after = backward[:, b + 1] * like[:, b + 1]
        after = PERSISTENCE * after + (1.0 - PERSISTENCE) * (chance[:, b + 1] * after).sum(axis=1, keepdims=True)
        backward[:, b] = after / after.max(axis=1, keepdims=True)
    both = forward * backward
    return np.asarray((both / both.sum(axis=2, keepdims=True))[..., 1:])


def _alike(edges: Sequence[Array]) -> list[list[int]]:
    """Return groups of columns whose intervals lie alike about 0: these tend to be declared alike."""
    groups: dict[float, list[int]] = {}
    for i, e in enumerate(edges):
        groups.setdefault(round(float(e[0] / (e[-1] - e[0])), 3), []).append(i)
    return [own for own in groups.values() if len(own) > 1]


def _told(
    edges: Sequence[Array], counts: Array, variances: Array, width: Array, expected: Array, total: Array
) -> tuple[Array, Array, Array]:
    """Return what `_means` says of columns by all others that are declared alike, and how far to trust that."""
    c, v, trust = counts.copy(), variances.copy(), np.zeros(len(edges))
    for group in _alike(edges):
        relative = {i: np.append(0.0, np.cumsum(width[i, : len(edges[i]) - 1])) for i in group}
        below = {i: np.concatenate([[0.0], np.cumsum(counts[i, : len(edges[i]) - 1])]) for i in group}
        everything: dict[bytes, Array] = {}  # on each grid, of which most columns have the same
        for i in group:
            if (grid := relative[i].tobytes()) not in everything:
                everything[grid] = np.sum([np.interp(relative[i], relative[j], below[j]) for j in group], axis=0)
            others = (everything[grid] - below[i]) / (len(group) - 1)
            c[i, : len(others) - 1] = np.diff(others)
            v[i] /= len(group) - 1
        trust[group] = (len(group) - 1) / (len(group) + 1)
    return (*_means(c, v, expected, total), trust)


def estimated(
    edges: Sequence[Sequence[Array]],
    counts: Sequence[Sequence[Array]],
    sds: Sequence[Sequence[float]],
    totals: Sequence[float],
) -> list[Estimate]:
    """Estimate the mass of the bins of the last of nested grids of columns from the counts of all."""
    nested = [upward(*own) for own in zip(edges, counts, sds, strict=True)]
    first = first_masses([e[0] for e in edges], [x[0] for _, x, _ in nested], [v[0] for _, _, v in nested], totals)
    return [
        replace(estimate, mass=_parted(estimate.mass, total, own_edges, *own))
        for estimate, total, own_edges, own in zip(first, totals, edges, nested, strict=True)
    ]


def _parted(
    mass: Array,
    total: float,
    edges: Sequence[Array],
    starts: Sequence[NDArray[np.int64]],
    x: Sequence[Array],
    v: Sequence[Array],
) -> Array:
    """Split the mass of bins over their parts, round by round."""
    for k, start in enumerate(starts):
        ends = np.append(start[1:], len(x[k + 1]))
        width = np.diff(edges[k + 1])
        out = np.zeros(len(x[k + 1]))
        for i in np.flatnonzero(mass > 1e-9 * total):
            own = slice(int(start[i]), int(ends[i]))
            if own.stop - own.start == 1:
                out[own] = mass[i]
                continue
            expected = mass[i] * (width[own] / width[own].sum())  # widths may be as large as numbers are
            shared = x[k + 1][own] + (mass[i] - x[k + 1][own].sum()) * v[k + 1][own] / v[k + 1][own].sum()
            out[own] = _shrunk(shared, expected, v[k + 1][own], x[k + 1][own])
        mass = out
    return mass


def _shrunk(counts: Array, expected: Array, variance: Array, own: Array) -> Array:
    """Correct what is expected of parts by their counts, as far as these differ from it by more than their noise.

    Parts that stand out hold all where they have most and the other parts' own counts, not made to add up, are noise.
    """
    total, sd = float(expected.sum()), np.sqrt(variance)
    stands = counts > (np.sqrt(2.0 * np.log(len(counts))) + 1.0) * sd
    stands |= _near(stands, NEAR) & (counts > LIKELY * sd)
    held = np.where(stands, counts, 0.0)
    rest = float(own[~stands].sum()), float(np.sqrt(variance[~stands].sum()))
    if held.sum() > (1.0 - TRACE) * total and rest[0] <= MISSED * rest[1]:
        return held * (total / held.sum())
    moved = counts - expected
    found = float((moved**2 / variance).sum())
    keep = max(1.0 - (len(counts) - 1) / max(found, 1e-300), 0.0)
    return to_simplex(expected + keep * moved, total)


def _near(kept: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """Say which bins are near to one of some."""
    around = np.convolve(kept, np.ones(2 * distance + 1))
    return np.asarray(around[distance : distance + len(kept)] > 0.5)
