"""Statistics that were measured more than once, averaged: a mechanism learns from them after `continue_fit`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from skdpflow.accountants.base import tally
from skdpflow.release.measurement import Measurement
from skdpflow.release.release import Release

#: Between the name of a measurement and the number of its repetition, as in ``"histograms#2"``.
REPEAT = "#"


def pool(measurements: Sequence[Measurement]) -> Measurement:
    r"""Average measurements of one statistic, with weights of inverse variance."""
    if len(measurements) == 1:
        return measurements[0]
    weights = [1.0 / m.sd**2 for m in measurements]
    total = np.sum(np.broadcast_arrays(*weights), axis=0)
    mean = sum(w * m.values for w, m in zip(weights, measurements, strict=True)) / total
    return replace(measurements[0], values=np.asarray(mean, dtype=np.float64), noise_scale=total**-0.5)


def n_fits(release: Release) -> int:
    """Return how many fits a Release is of: each has one Gaussian cap."""
    return len(tally(release.cap).noise_multipliers)


def groups(release: Release) -> dict[str, list[Measurement]]:
    """Return the measurements of a Release by the name they had when they were made first."""
    out: dict[str, list[Measurement]] = {}
    for m in release.measurements:
        first = m.name.partition(REPEAT)[0]
        out.setdefault(first if first in out else m.name, []).append(m)
    return out


def pooled(release: Release) -> Release:
    """Return a Release whose repeated measurements are averaged: what a mechanism learns from."""
    found = groups(release)
    if len(found) == len(release.measurements):
        return release
    return replace(release, measurements=tuple(pool(same) for same in found.values()))
