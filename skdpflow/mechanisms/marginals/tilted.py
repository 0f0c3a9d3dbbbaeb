"""The model from all measurements: components of the flow, tilted to what was counted in regions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from skdpflow.domain import Interval
from skdpflow.mechanisms.marginals.factorial import found_parities, partitions_measured
from skdpflow.mechanisms.marginals.partitions import measured_regions
from skdpflow.mechanisms.marginals.state import SELECTION_PARTICLES, MarginalsState
from skdpflow.mechanisms.marginals.zeros import TablesWithZeros, tables_with_zeros
from skdpflow.release import Measurement, Release
from skdpflow.release.checks import MAX_NUMBERS, SHARED_PARTICLES, regions_held
from skdpflow.transport.flow import FlowComponent
from skdpflow.transport.model import Component, Model
from skdpflow.transport.parities import Finder, Finders
from skdpflow.transport.tilt import RegionFinder, enough_particles, keep_shares, tilt
from skdpflow.transport.zeros import Zeros

Array = NDArray[np.float64]
#: Regions of partitions, their counts, and the noise of these.
Counted = tuple[RegionFinder, list[Array], list[float]]

#: Particles of all components whose weights the tilt learns at most, and particles of a component for each factor.
TILT_PARTICLES, PER_REGION = 2**16, 4
#: Particles of a component whose weights decide where further partitions are grown.
GROWTH_PARTICLES = 2**13
#: Share of a single value that a column keeps whatever partitions tell.
LEAST_SHARE = 0.05


def tilted_particles(state: MarginalsState, measured: Sequence[Measurement], seed: int) -> Iterator[Array]:
    """Yield particles of one component after the other, tilted to the counts of the partitions so far."""
    regions, found, sds = measured_regions(measured, state.transform)
    groups = np.asarray(measured[0].params["groups"])
    n_particles = min(GROWTH_PARTICLES, _most_particles(state, len(found), groups))
    components, particles = zip(*state.learn(seed, n_particles, 1, 1.0), strict=True)
    tilted = tilt(components, particles, state.sizes, regions, groups, found, sds)
    rng = np.random.default_rng([seed, 4])
    for component, z in zip(tilted, particles, strict=True):
        yield z[rng.choice(len(z), SELECTION_PARTICLES, p=softmax(component.log_factor(z)))]


def _most_particles(state: MarginalsState, n_partitions: int, groups: NDArray[np.int64]) -> int:
    """Return the most particles of a component whose weights the tilt learns: groups are tilted one after another."""
    together = min(TILT_PARTICLES, MAX_NUMBERS // 2 // state.transform.n_columns)
    each = max(together // len(state.sizes), SHARED_PARTICLES)
    regions_each = regions_held(n_partitions, groups)
    return min(each, MAX_NUMBERS // 2 // regions_each) if regions_each else each


def tilted_model(release: Release, state: MarginalsState, learnt: Iterable[tuple[FlowComponent, Array]]) -> Model:
    """Tilt the components to the counts of partitions, and to the parities that stand out of a factorial table.

    Notes
    -----
    The tilt follows its particles, and moves what was measured of axes. So one more step of the flow settles these,
    from new particles. Steps along slices and pairs would move rows out of their regions.

    Two-way tables that have empty entries are followed again before the tilt, which then counts them as partitions, and
    after it. What is left in these entries is cut out if it is little, so that no margin moves. If it is not, other
    measurements contradict the tables, and nothing is cut out.
    """
    sizes, transport = state.sizes, release.transport
    grown, factorial = partitions_measured(release)
    measured = [*grown, *factorial]
    groups = np.asarray(measured[0].params["groups"]) if measured else np.arange(len(sizes))
    counted = measured_regions(grown, state.transform) if grown else None
    found, sds = counted[1:] if counted else ([], [])
    # each region has a factor, which must not follow single particles
    least = PER_REGION * sum(h.shape[1] for h in found)
    most = _most_particles(state, len(found), groups)
    enough = enough_particles(sizes, found, sds) if found else 0.0
    seed, n_particles = int(transport["seed"]), int(transport["n_particles"])
    wanted = int(np.clip(max(enough, least), n_particles, most))
    components: list[FlowComponent] = []
    particles: list[Array] = []
    for component, z in learnt:
        components.append(component)
        particles += [z] if wanted == n_particles else []
    if wanted != n_particles:  # some of a component's particles are no sample: each of its pieces has a run of them
        particles = list(state.push(components, wanted, seed))
    widest = max(state.axes.counts, key=lambda h: h.size)
    n_fresh = int(np.clip(enough_particles(sizes, [widest], [state.axes.sd]), n_particles, most))
    zeros = list(tables_with_zeros(state.pairs, state.transform, state.columns, particles, sizes, groups))
    fresh = n_fresh, seed + 1
    final = _tilted(state, components, particles, (counted, factorial, zeros), groups, fresh)
    if final is None:
        final = _tilted(state, components, particles, (counted, factorial, []), groups, fresh)
    assert final is not None  # nothing is cut out without zeros
    return Model(state.transform, sizes / sizes.sum(), final)


def _tilted(
    state: MarginalsState,
    components: list[FlowComponent],
    particles: list[Array],
    counts: tuple[Counted | None, Sequence[Measurement], Sequence[TablesWithZeros]],
    groups: NDArray[np.int64],
    fresh: tuple[int, int],
) -> tuple[Component, ...] | None:
    """Tilt components to all that was counted, and settle them; None if zeros contradict the rest."""
    sizes, (counted, factorial, zeros) = state.sizes, counts
    again = [target for own in zeros for target in own.among(state.targets, groups)]
    if again:
        components, particles = state.follow(components, particles, again)
    finders: list[Finder] = []
    found: list[Array] = []
    sds: list[float] = []
    if counted:
        shares = _with_shares(state, len(counted[0].edges))
        regions, found, sds = keep_shares(*counted, shares, particles, sizes, groups)
        finders.append(regions)
    for m in factorial:
        parities, rows = found_parities(m, state.transform, particles, sizes, groups)
        finders, found, sds = [*finders, parities], [*found, *rows], [*sds, *[1.0] * len(rows)]
    for own in zeros:
        finders, found, sds = [*finders, own.regions], [*found, *own.counts], [*sds, *[own.sd] * len(own.counts)]
    if not found:
        return tuple(components)
    tilted = tilt(components, particles, sizes, Finders(finders), groups, found, sds)
    particles.clear()  # in wide tables they are large, and so are the new ones
    settled = state.settle(tilted, state.push(components, *fresh), again)
    # only here: later steps would move the holes
    empty = Zeros(Finders([own.regions for own in zeros]), [mask for own in zeros for mask in own.empty], groups)
    final = [empty.cut(c, component, z, w) for c, (component, z, w) in enumerate(settled)]
    return tuple(own for own in final if own is not None) if all(own is not None for own in final) else None


def _with_shares(state: MarginalsState, n_columns: int) -> list[int]:
    """Return the first columns that have gaps or single values of some mass."""
    out = []
    for j, column in enumerate(state.columns[:n_columns]):
        grid = column.grid if isinstance(column, Interval) else None
        atoms = grid is not None and bool((np.asarray(grid.shares)[grid.atoms] > LEAST_SHARE).any())
        if isinstance(column, Interval) and (column.nullable or atoms):
            out.append(j)
    return out
