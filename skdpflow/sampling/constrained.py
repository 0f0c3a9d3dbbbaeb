"""Rows that meet the constraints of a domain: those that do not are redrawn, with their class, gaps and labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Domain
from skdpflow.sampling.constraints import Facts
from skdpflow.sampling.where import FEWEST, POOL, completed
from skdpflow.transport.density import log_density
from skdpflow.transport.model import Model

Array = NDArray[np.float64]
Leaves = NDArray[np.int64]

#: Particles that are drawn at most; or that many for each row, if those are more.
MOST_DRAWN, MOST_PER_ROW = 2**19, 32
#: Particles of a leaf, none of which had a row's gaps and labels and met the constraints, after which these are given
#: up; and none of which met them at all, after which the leaf is.
PATTERN_TRIED, LEAF_TRIED = 2**10, 2**16
#: Rows of the sample from which densities take the mass of constraints.
MASS_SAMPLES = 2**15
_LEAVES = 2**20


def _strata(facts: Facts, positions: Array, leaf: Leaves) -> NDArray[np.int64]:
    """Number rows by what they keep: leaf, gaps and labels."""
    return facts.pattern(positions) * _LEAVES + leaf


def _matched(have: NDArray[np.int64], want: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair equal entries of two arrays, each used once, in their order."""
    i, k = np.argsort(have, kind="stable"), np.argsort(want, kind="stable")
    have, want = have[i], want[k]
    rank = np.arange(len(have)) - np.searchsorted(have, have)
    place = np.searchsorted(want, have) + rank
    fits = place < np.searchsorted(want, have, side="right")
    return i[fits], k[place[fits]]


def _nearest(
    facts: Facts, wanted: NDArray[np.int64], possible: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Replace strata that are not possible by one of those of the same leaf that differ least."""
    wanted = wanted.copy()
    for key in np.setdiff1d(wanted, possible):
        options = possible[possible % _LEAVES == key % _LEAVES]
        differ = facts.differences(int(key) // _LEAVES, options // _LEAVES)
        rows = wanted == key
        wanted[rows] = rng.choice(options[differ == differ.min()], size=int(rows.sum()))
    return wanted


def _filled(
    model: Model,
    facts: Facts,
    found: tuple[Array, Leaves],
    wanted: NDArray[np.int64],
    drawn: int,
    rng: np.random.Generator,
) -> Array:
    """Draw rows of wanted strata, or at least of their leaves, from kernel estimates around those that were found."""
    positions, leaf = found
    strata = _strata(facts, positions, leaf)
    out = np.empty((len(wanted), positions.shape[1]))
    for key in np.unique(wanted):
        like, rows = strata == key, wanted == key
        like = like if like.any() else leaf == key % _LEAVES
        if len(leaf) < FEWEST or not like.any():
            rarest = facts.rarest(model.sample(model.draw_leaves(POOL, rng), rng))
            raise ValueError(
                f"The constraints have almost no mass: under the model, too few of {drawn} rows meet all. The fewest "
                f"meet {rarest!r}: see if it says what you mean."
            )
        out[rows] = completed(model, positions[like], int(rows.sum()), facts.indices, rng)
    return out


def sample_met(
    model: Model, facts: Facts, leaf: Leaves, rng: np.random.Generator, *, fixed: bool
) -> tuple[Array, Leaves]:
    """Draw rows that meet constraints.

    Parameters
    ----------
    model : Model
        The learned model.
    facts : Facts
        The constraints.
    leaf : ndarray of shape (n,), int64
        A leaf for each row.
    rng : numpy.random.Generator
        Public randomness.
    fixed : bool
        Whether rows have to be of these leaves. Otherwise rows of a leaf that cannot meet the constraints are drawn
        from others.

    Returns
    -------
    positions : ndarray of shape (n, d)
    leaf : ndarray of shape (n,), int64

    Raises
    ------
    ValueError
        If the constraints have almost no mass under the model.

    Notes
    -----
    A row that violates a constraint is redrawn until it meets all, in its own leaf and, in the columns that constraints
    name, with the same gaps and the same labels (where they are few). So these keep the frequencies that were
    released. Otherwise gaps would become more frequent, as what hangs on a missing cell counts as met, and labels that
    the model gets wrong would become rarer. What no row can have, such as the gaps that "bmi is not None" excludes,
    changes after `PATTERN_TRIED` particles: to one of the possibilities that differ least, all of them equally likely.

    Effort is bounded. Rows for which it does not suffice come from a kernel estimate around those that were found, from
    one of which they take all columns that constraints name.
    """
    leaf, n = leaf.copy(), len(leaf)
    positions, met, _ = facts.settle(model.sample(leaf, rng))
    waiting = np.flatnonzero(~met)
    if not waiting.size:
        return positions, leaf
    wanted = _strata(facts, positions, leaf)
    possible, spare = np.unique(wanted[met]), (positions[:0], leaf[:0])
    tried = np.bincount(leaf, minlength=len(model.leaves))
    drawn, slow = n, 0
    while waiting.size and drawn < max(MOST_DRAWN, MOST_PER_ROW * n):
        size = min(POOL, max(2 * waiting.size, FEWEST) << slow)
        own = leaf[waiting[np.arange(size) % waiting.size]]
        drawn, tried = drawn + size, tried + np.bincount(own, minlength=len(tried))
        pool, met, _ = facts.settle(model.sample(own, rng))
        pool, own = pool[met], own[met]
        strata = _strata(facts, pool, own)
        possible = np.union1d(possible, strata)
        i, k = _matched(strata, wanted[waiting])
        positions[waiting[k]] = pool[i]
        slow = slow + 1 if 4 * len(k) < waiting.size else 0
        waiting = np.delete(waiting, k)
        if len(spare[1]) < POOL:
            spare = np.concatenate([spare[0], np.delete(pool, i, axis=0)]), np.append(spare[1], np.delete(own, i))

        alive = np.isin(np.arange(len(tried)), possible % _LEAVES)
        dead = waiting[(tried[leaf[waiting]] > LEAF_TRIED) & ~alive[leaf[waiting]]]
        if dead.size and (fixed or not alive.any()):
            break
        if dead.size:
            weights = np.where(alive, model.weights, 0.0)
            leaf[dead] = replace(model, weights=weights / weights.sum()).draw_leaves(len(dead), rng)
            wanted[dead] = wanted[dead] // _LEAVES * _LEAVES + leaf[dead]
        lost = waiting[(tried[leaf[waiting]] > PATTERN_TRIED) & alive[leaf[waiting]]]
        wanted[lost] = _nearest(facts, wanted[lost], possible, rng)
    if waiting.size:
        done = np.delete(np.arange(n), waiting)
        found = np.concatenate([positions[done], spare[0]]), np.append(leaf[done], spare[1])
        positions[waiting] = _filled(model, facts, found, wanted[waiting], drawn, rng)
    return positions, leaf


class ConditionalDensity:
    """The density of rows that meet constraints: that of `sample_met`, up to its bounds on effort.

    Parameters
    ----------
    model : Model
        The learned model.
    facts : Facts
        The constraints.

    Raises
    ------
    ValueError
        If constraints compute columns from others: given those, they have no density. Or if no row of a fixed public
        sample, from which the mass of the constraints is taken, meets all.
    """

    def __init__(self, model: Model, facts: Facts) -> None:
        if facts.solved:
            raise ValueError(
                f"Constraints compute the columns {list(facts.solved)} from others, so rows have no density. Score "
                "rows with `score`, or take the columns out of the domain."
            )
        rng = np.random.default_rng(0)
        leaf = model.draw_leaves(MASS_SAMPLES, rng)
        positions, met, _ = facts.settle(model.sample(leaf, rng))
        if not met.any():
            raise ValueError(
                f"None of {MASS_SAMPLES} rows of the model meets all constraints, so rows have no density."
            )
        self._model, self._facts = model, facts
        self._met = _strata(facts, positions[met], leaf[met])
        self._kept = _strata(facts, *sample_met(model, facts, leaf, rng, fixed=False))

    def _weights(self, pattern: int) -> Array:
        """Return the weights of the leaves for rows of one pattern: by how much redrawing makes these more frequent."""
        weights = self._model.weights.copy()
        for c in range(len(weights)):
            key = pattern * _LEAVES + c
            shares = (
                ((self._kept == key).sum(), (self._met == key).sum()),
                ((self._kept // _LEAVES == pattern).sum(), (self._met // _LEAVES == pattern).sum()),
                (len(self._kept), len(self._met)),
            )
            kept, met = next((s for s in shares if s[1] >= FEWEST), shares[-1])
            weights[c] *= kept / met
        return weights

    def log_density(self, codes: NDArray[np.int64], numbers: Array, domain: Domain) -> Array:
        """Log-density of rows, as `skdpflow.transport.density.log_density` gives it.

        Parameters
        ----------
        codes : ndarray of shape (n, d), int64
            Codes of the rows.
        numbers : ndarray of shape (n, n_numeric)
            Their numeric columns, NaN where a cell is missing.
        domain : Domain
            The columns.

        Returns
        -------
        log_density : ndarray of shape (n,)
            -inf for rows that violate a constraint.
        """
        out = np.full(len(codes), -np.inf)
        met, pattern = self._facts.met_by(codes, numbers), self._facts.pattern(codes)
        for own in np.unique(pattern[met]):
            rows = met & (pattern == own)
            out[rows] = log_density(replace(self._model, weights=self._weights(own)), codes[rows], domain)
        return out
