"""Rows that meet the constraints of a domain: those that do not are redrawn, with their class, gaps and labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Domain
from skdpflow.sampling.constraints import Constraints
from skdpflow.sampling.where import FEWEST, POOL, completed
from skdpflow.transport.density import log_density
from skdpflow.transport.model import Model

Array = NDArray[np.float64]
Components = NDArray[np.int64]

#: Particles that are drawn at most; or that many for each row, if those are more.
MOST_DRAWN, MOST_PER_ROW = 2**19, 32
#: Particles of a component, none of which had a row's gaps and labels and met the constraints, after which these are
#: given up; and none of which met them at all, after which the component is.
PATTERN_TRIED, COMPONENT_TRIED = 2**10, 2**16
#: Rows of the sample from which densities take the mass of constraints.
MASS_SAMPLES = 2**15
_COMPONENTS = 2**20


def _strata(constraints: Constraints, positions: Array, component: Components) -> NDArray[np.int64]:
    """Number rows by what they keep: component, gaps and labels."""
    return constraints.pattern(positions) * _COMPONENTS + component


def _matched(have: NDArray[np.int64], want: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair equal entries of two arrays, each used once, in their order."""
    i, k = np.argsort(have, kind="stable"), np.argsort(want, kind="stable")
    have, want = have[i], want[k]
    rank = np.arange(len(have)) - np.searchsorted(have, have)
    place = np.searchsorted(want, have) + rank
    fits = place < np.searchsorted(want, have, side="right")
    return i[fits], k[place[fits]]


def _nearest(
    constraints: Constraints, wanted: NDArray[np.int64], possible: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Replace strata that are not possible by one of those of the same component that differ least."""
    wanted = wanted.copy()
    for key in np.setdiff1d(wanted, possible):
        options = possible[possible % _COMPONENTS == key % _COMPONENTS]
        differ = constraints.differences(int(key) // _COMPONENTS, options // _COMPONENTS)
        rows = wanted == key
        wanted[rows] = rng.choice(options[differ == differ.min()], size=int(rows.sum()))
    return wanted


def _filled(
    model: Model,
    constraints: Constraints,
    found: tuple[Array, Components],
    wanted: NDArray[np.int64],
    drawn: int,
    rng: np.random.Generator,
) -> Array:
    """Draw rows of wanted strata, or at least of their components, from kernel estimates around those found."""
    positions, component = found
    strata = _strata(constraints, positions, component)
    out = np.empty((len(wanted), positions.shape[1]))
    for key in np.unique(wanted):
        like, rows = strata == key, wanted == key
        like = like if like.any() else component == key % _COMPONENTS
        if len(component) < FEWEST or not like.any():
            rarest = constraints.rarest(model.sample(model.draw_components(POOL, rng), rng))
            raise ValueError(
                f"The constraints have almost no mass: under the model, too few of {drawn} rows meet all. The fewest "
                f"meet {rarest!r}: see if it says what you mean."
            )
        out[rows] = completed(model, positions[like], int(rows.sum()), constraints.indices, rng)
    return out


def sample_met(
    model: Model, constraints: Constraints, component: Components, rng: np.random.Generator, *, fixed: bool
) -> tuple[Array, Components]:
    """Draw rows that meet constraints.

    Notes
    -----
    A row that violates a constraint is redrawn until it meets all, in its own component and, in the columns that
    constraints name, with the same gaps and the same labels (where they are few). So these keep the frequencies that
    were released. Otherwise gaps would become more frequent, as what hangs on a missing cell counts as met, and labels
    that the model gets wrong would become rarer. What no row can have, such as the gaps that "bmi is not None"
    excludes, changes after `PATTERN_TRIED` particles: to one of the possibilities that differ least, all of them
    equally likely.

    Effort is bounded. Rows for which it does not suffice come from a kernel estimate around those that were found, from
    one of which they take all columns that constraints name.
    """
    component, n = component.copy(), len(component)
    positions, met, _ = constraints.solve(model.sample(component, rng))
    waiting = np.flatnonzero(~met)
    if not waiting.size:
        return positions, component
    wanted = _strata(constraints, positions, component)
    possible, spare = np.unique(wanted[met]), (positions[:0], component[:0])
    tried = np.bincount(component, minlength=len(model.components))
    drawn, slow = n, 0
    while waiting.size and drawn < max(MOST_DRAWN, MOST_PER_ROW * n):
        size = min(POOL, max(2 * waiting.size, FEWEST) << slow)
        own = component[waiting[np.arange(size) % waiting.size]]
        drawn, tried = drawn + size, tried + np.bincount(own, minlength=len(tried))
        pool, met, _ = constraints.solve(model.sample(own, rng))
        pool, own = pool[met], own[met]
        strata = _strata(constraints, pool, own)
        possible = np.union1d(possible, strata)
        i, k = _matched(strata, wanted[waiting])
        positions[waiting[k]] = pool[i]
        slow = slow + 1 if 4 * len(k) < waiting.size else 0
        waiting = np.delete(waiting, k)
        if len(spare[1]) < POOL:
            spare = np.concatenate([spare[0], np.delete(pool, i, axis=0)]), np.append(spare[1], np.delete(own, i))

        alive = np.isin(np.arange(len(tried)), possible % _COMPONENTS)
        dead = waiting[(tried[component[waiting]] > COMPONENT_TRIED) & ~alive[component[waiting]]]
        if dead.size and (fixed or not alive.any()):
            break
        if dead.size:
            weights = np.where(alive, model.weights, 0.0)
            component[dead] = replace(model, weights=weights / weights.sum()).draw_components(len(dead), rng)
            wanted[dead] = wanted[dead] // _COMPONENTS * _COMPONENTS + component[dead]
        lost = waiting[(tried[component[waiting]] > PATTERN_TRIED) & alive[component[waiting]]]
        wanted[lost] = _nearest(constraints, wanted[lost], possible, rng)
    if waiting.size:
        done = np.delete(np.arange(n), waiting)
        found = np.concatenate([positions[done], spare[0]]), np.append(component[done], spare[1])
        positions[waiting] = _filled(model, constraints, found, wanted[waiting], drawn, rng)
    return positions, component


class ConditionalDensity:
    """The density of rows that meet constraints: that of `sample_met`, up to its bounds on effort.

    Parameters
    ----------
    model : Model
        The learned model.
    facts : Constraints
        The constraints.

    Raises
    ------
    ValueError
        If constraints compute columns from others: given those, they have no density. Or if no row of a fixed public
        sample, from which the mass of the constraints is taken, meets all.
    """

    def __init__(self, model: Model, constraints: Constraints) -> None:
        if constraints.solved:
            raise ValueError(
                f"Constraints compute the columns {list(constraints.solved)} from others, so rows have no density. "
                "Score rows with `score`, or take the columns out of the domain."
            )
        rng = np.random.default_rng(0)
        component = model.draw_components(MASS_SAMPLES, rng)
        positions, met, _ = constraints.solve(model.sample(component, rng))
        if not met.any():
            raise ValueError(
                f"None of {MASS_SAMPLES} rows of the model meets all constraints, so rows have no density."
            )
        self._model, self._constraints = model, constraints
        self._met = _strata(constraints, positions[met], component[met])
        self._kept = _strata(constraints, *sample_met(model, constraints, component, rng, fixed=False))

    def _weights(self, pattern: int) -> Array:
        """Return the weights of the components for rows of one pattern: redrawing makes these more frequent."""
        weights = self._model.weights.copy()
        for c in range(len(weights)):
            key = pattern * _COMPONENTS + c
            shares = (
                ((self._kept == key).sum(), (self._met == key).sum()),
                ((self._kept // _COMPONENTS == pattern).sum(), (self._met // _COMPONENTS == pattern).sum()),
                (len(self._kept), len(self._met)),
            )
            kept, met = next((s for s in shares if s[1] >= FEWEST), shares[-1])
            weights[c] *= kept / met
        return weights

    def log_density(self, codes: NDArray[np.int64], numbers: Array, domain: Domain) -> Array:
        """Log-density of rows, as `skdpflow.transport.density.log_density` gives it."""
        out = np.full(len(codes), -np.inf)
        met, pattern = self._constraints.met_by(codes, numbers), self._constraints.pattern(codes)
        for own in np.unique(pattern[met]):
            rows = met & (pattern == own)
            out[rows] = log_density(replace(self._model, weights=self._weights(own)), codes[rows], domain)
        return out
