"""Whether what a Release states agrees with itself, and with what a ledger was charged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.accountants.algebra import ROUNDING
from skdpflow.accountants.base import tally
from skdpflow.accountants.events import ComposedEvent, flatten_event
from skdpflow.accountants.gaussian import total_mu
from skdpflow.accountants.resting import all_allowed, covers_a_trial, guarantee
from skdpflow.domain.differences import since_of
from skdpflow.exceptions import ReleaseError
from skdpflow.release.content import Content
from skdpflow.release.discovery import threshold_of
from skdpflow.release.implied import implied_sensitivity, relative_scale
from skdpflow.release.measurement import Measurement

#: Least and largest value of each whole number that the flow is made with; a seed is a 64-bit number.
TRANSPORT_LIMITS = {"seed": (0, 2**63 - 1), "n_steps": (1, 2**10), "n_particles": (2, 2**20)}
#: Most numbers that a model may hold at once, a gibibyte. Fits may have half of it, so that they can be loaded.
MAX_NUMBERS = 2**27
#: Particles of each component that are held together with those of all others, however many components there are.
SHARED_PARTICLES = 2**10
#: Particles of each component that are held together with their regions in all partitions, at least.
LEAST_FOLLOWED = 2**4
#: Square matrices of a component: its covariance, and the directions of its layers.
_MATRICES = 8


def together(releases: Iterable[Content]) -> ComposedEvent:
    """Return what several Releases were allowed, with all that they rest on."""
    return all_allowed((release.cap, release.before) for release in releases)


def _noise_implied(m: Measurement) -> float | NDArray[np.float64]:
    """Return the noise scale of each coordinate that the event of a measurement stands for, per sensitivity."""
    parts = tally(m.event)
    if m.kind == "select_pairs":  # a choice for each value, by Gumbel noise of twice the sensitivity over epsilon
        if len(parts.selections) < len(m.values):
            return math.inf
        return 2.0 / min((s.epsilon for s in parts.selections), default=math.inf)
    if not parts.noise_multipliers:
        return math.inf
    return relative_scale(m.kind, m.values.shape[-1]) / parts.gaussian_mu


def _check_measurement(m: Measurement, neighbours: str) -> None:
    """Refuse a measurement whose sensitivity is not that of its kind, or whose noise is not that of its event."""
    problem = None
    try:
        implied = implied_sensitivity(m, neighbours)
    except Exception as e:  # parameters may be anything
        problem = str(e) if isinstance(e, ValueError) else type(e).__name__
    if problem is not None:
        raise ReleaseError(f"The measurement {m.name!r} is not one of its kind ({problem}).")
    if not _equal(m.sensitivity, implied):
        raise ReleaseError(f"The measurement {m.name!r} has another sensitivity than its kind has.")
    if not _equal(m.noise_scale, m.sensitivity * _noise_implied(m)):
        raise ReleaseError(f"The measurement {m.name!r} has more or less noise than its event says.")
    if m.kind in ("labels", "levels"):
        _check_threshold(m, neighbours)


def _check_threshold(m: Measurement, neighbours: str) -> None:
    """Refuse levels that were shown at a lower threshold than their event pays for."""
    delta, threshold = tally(m.event).threshold_delta, m.params["threshold"]
    n_columns = len(m.params["columns"]) if m.kind == "levels" else 1
    least = threshold_of(float(np.max(m.noise_scale)), delta, n_columns, neighbours) if 0.0 < delta < 1.0 else math.inf
    if isinstance(threshold, bool) or not isinstance(threshold, int) or not threshold >= least:
        raise ReleaseError(f"The measurement {m.name!r} has a lower threshold than its event pays for.")
    if not np.all(m.values >= threshold):
        raise ReleaseError(f"The measurement {m.name!r} has counts below its threshold.")


def _equal(given: float | NDArray[np.float64], expected: float | NDArray[np.float64]) -> bool:
    ratio = np.asarray(given) / expected
    return bool(np.all((ratio <= ROUNDING) & (ratio >= 1.0 / ROUNDING)))


def check_transport(transport: Mapping[str, Any]) -> None:
    """Refuse parameters of a flow that no fit can have."""
    if not isinstance(transport, Mapping) or "seed" not in transport:
        raise ReleaseError("The file lacks the seed of what was made of its measurements.")
    for name, (low, high) in TRANSPORT_LIMITS.items():
        value = transport.get(name, low)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ReleaseError(f"The parameter {name!r} of the flow in the file is no whole number in [{low}, {high}].")
    step = transport.get("step_size", 1.0)
    if isinstance(step, bool) or not isinstance(step, int | float) or not 0.0 < step <= 1.0:
        raise ReleaseError("The parameter 'step_size' of the flow in the file is no number in (0, 1].")


def numbers_held(n_particles: int, n_components: int, n_columns: int) -> int:
    """Return about how many numbers are held at once while a model is learnt.

    All particles are those of one component at a time: the flow of one is followed after the other.
    """
    return n_columns * (n_particles + n_components * (SHARED_PARTICLES + _MATRICES * n_columns))


def regions_held(n_partitions: int, groups: NDArray[np.int64]) -> int:
    """Return how many regions are held at once for each particle of a component, with their places among all."""
    return 2 * n_partitions * int(np.bincount(groups).max())


def check_partitions(release: Content) -> None:
    """Refuse more partitions than a model can follow in little memory."""
    measured = [m for m in release.measurements if m.kind == "partitions"]
    held = sum(regions_held(len(m.params["partition_columns"]), np.asarray(m.params["groups"])) for m in measured)
    if LEAST_FOLLOWED * held > MAX_NUMBERS:
        raise ReleaseError(
            f"The flow of this Release would hold more than {MAX_NUMBERS} numbers: its partitions are "
            "too many for its components."
        )


def check_particles(release: Content) -> None:
    """Refuse a flow whose particles would need too much memory."""
    # subcomponents tell where components start, and have no particles of their own
    own = (m for m in release.measurements if not m.name.startswith("subcomponent_"))
    components = (m.params.get("n_components", 1) for m in own)
    n_particles, n_components = release.transport.get("n_particles", 0), max(map(int, components), default=1)
    if numbers_held(n_particles, n_components, len(release.columns)) > MAX_NUMBERS:
        raise ReleaseError(
            f"The flow of this Release would hold more than {MAX_NUMBERS} numbers (a gibibyte): its n_particles are "
            "too many for its columns and components."
        )


def check_consistency(release: Content) -> None:
    """Refuse a Release whose noise, events, cap and (epsilon, delta) do not agree."""
    check_transport(release.transport)
    since_of(release.domain)  # refuses columns that were measured since none, or since themselves
    for m in release.measurements:
        _check_measurement(m, release.neighbours)
    check_particles(release)
    check_partitions(release)
    measured = ComposedEvent(tuple(m.event for m in release.measurements))
    if Counter(flatten_event(measured)) != Counter(flatten_event(release.event)):
        raise ReleaseError("The event of the file is not that of its measurements.")
    spent, cap = tally(release.event), tally(release.cap)
    if total_mu(spent) > cap.gaussian_mu * ROUNDING or spent.threshold_delta > cap.threshold_delta * ROUNDING:
        raise ReleaseError("The measurements of the file exceed its cap.")
    for source in release.before:
        if source.contains and not covers_a_trial(source.event, release.cap, ROUNDING):
            raise ReleaseError("The search that the file names did not allow its cap in a trial.")
    if guarantee(release.allowed, release.delta)[0] > release.epsilon * ROUNDING:
        raise ReleaseError("The cap of the file, with what it rests on, costs more than the stated epsilon and delta.")
    if tally(release.allowed, repetitions=True).non_private == release.private or spent.non_private:
        raise ReleaseError("The file contradicts itself on whether its noise is private.")
