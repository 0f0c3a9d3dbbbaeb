"""The model from all measurements: components of the flow, tilted to what was counted in regions."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Interval
from skdpflow.mechanisms.marginals.factorial import FACTORIAL, found_parities
from skdpflow.mechanisms.marginals.partitions import measured_regions
from skdpflow.mechanisms.marginals.state import MarginalsState, of_kind
from skdpflow.release import Release
from skdpflow.release.checks import MAX_NUMBERS, SHARED_PARTICLES
from skdpflow.transport.flow import FlowComponent
from skdpflow.transport.model import Model
from skdpflow.transport.parities import Finder, Finders
from skdpflow.transport.tilt import enough_particles, keep_shares, tilt

Array = NDArray[np.float64]

#: Particles of all components whose weights the tilt learns.
TILT_PARTICLES, PER_REGION = 2**16, 4
#: Share of a single value that a column keeps whatever partitions tell.
LEAST_SHARE = 0.05


def tilted_model(release: Release, state: MarginalsState, learnt: Iterable[tuple[FlowComponent, Array]]) -> Model:
    """Tilt the components to the counts of partitions, and to the parities that stand out of a factorial table.

    Notes
    -----
    The tilt follows its particles, and moves what was measured of axes. So one more step of the flow settles these,
    from new particles. Steps along slices and pairs would move rows out of their regions.
    """
    sizes, transport = state.sizes, release.transport
    measured = of_kind(release, "partitions")
    if not measured:
        return Model(state.transform, sizes / sizes.sum(), tuple(component for component, _ in learnt))
    grown, factorial = [m for m in measured if m.name != FACTORIAL], [m for m in measured if m.name == FACTORIAL]
    groups = np.asarray(measured[0].params["groups"])
    finders: list[Finder] = []
    found: list[Array] = []
    sds: list[float] = []
    if grown:
        regions, found, sds = measured_regions(grown, state.transform)
    # each region has a factor, which must not follow single particles
    least = PER_REGION * sum(h.shape[1] for h in found)
    together = min(TILT_PARTICLES, MAX_NUMBERS // 2 // state.transform.n_columns)
    most = max(together // len(sizes), SHARED_PARTICLES)
    enough = enough_particles(sizes, found, sds) if found else 0.0
    seed, n_particles = int(transport["seed"]), int(transport["n_particles"])
    wanted = int(np.clip(max(enough, least), n_particles, most))
    components: list[FlowComponent] = []
    particles: list[Array] = []
    for component, z in learnt:
        components.append(component)
        particles += [] if wanted > n_particles else [z[:wanted].copy()]
    if wanted > n_particles:
        particles = list(state.push(components, wanted, seed))
    if grown:
        regions, found, sds = keep_shares(
            regions, found, sds, _with_shares(state, len(regions.edges)), particles, sizes, groups
        )
        finders.append(regions)
    for m in factorial:
        parities, rows = found_parities(m, state.transform, particles, sizes, groups)
        finders, found, sds = [*finders, parities], [*found, *rows], [*sds, *[1.0] * len(rows)]
    if not found:
        return Model(state.transform, sizes / sizes.sum(), tuple(components))
    tilted = tilt(components, particles, sizes, Finders(finders), groups, found, sds)
    widest = max(state.axes.counts, key=lambda h: h.size)
    n_fresh = int(np.clip(enough_particles(sizes, [widest], [state.axes.sd]), n_particles, most))
    particles.clear()  # in wide tables they are large, and so are the new ones
    fresh = state.push(components, n_fresh, seed + 1)
    return Model(state.transform, sizes / sizes.sum(), tuple(state.settle(tilted, fresh)))


def _with_shares(state: MarginalsState, n_columns: int) -> list[int]:
    """Return the first columns that have gaps or single values of some mass."""
    out = []
    for j, column in enumerate(state.columns[:n_columns]):
        grid = column.grid if isinstance(column, Interval) else None
        atoms = grid is not None and bool((np.asarray(grid.shares)[grid.atoms] > LEAST_SHARE).any())
        if isinstance(column, Interval) and (column.nullable or atoms):
            out.append(j)
    return out
