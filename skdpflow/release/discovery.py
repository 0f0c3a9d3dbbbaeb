"""What is found privately before a plan begins, if it is not declared: bounds, levels of columns, and class labels."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from skdpflow.accountants.slack import differing
from skdpflow.domain import Interval
from skdpflow.release.measurement import Measurement

#: Share of mu**2 that finds bounds: that of one round that locates columns, which it is like.
BOUNDS_SHARE = 0.04
#: Shares of mu**2 that find labels and levels; shares of delta of the thresholds that these have to pass.
LABELS_SHARE = 0.05
LABELS_DELTA_SHARE = 0.1
LEVELS_SHARE = 0.05
LEVELS_DELTA_SHARE = 0.1


def threshold_of(scale: float, delta: float, n_columns: int, neighbours: str) -> int:
    """Return the count from which levels are shown, so that those of a single row are with probability delta at most.

    One count and noise of N(0, scale**2), rounded, reach it with probability at most delta over the number of levels
    that only one of two neighbouring tables may have.
    """
    each = delta / differing(n_columns, neighbours)
    return 1 + int(np.ceil(-scale * ndtri(each) + 0.5))


#: Bounds of a column for which none stand out of the noise.
DEFAULT_BOUNDS = (-1.0, 1.0)

#: Candidate bounds: zero, and plus and minus the powers of two whose squares double precision holds, from about 1e-150
#: to 1e150.
_MAGNITUDES = 2.0 ** np.arange(-500, 500)
BOUNDS_GRID = np.concatenate([-_MAGNITUDES[::-1], [0.0], _MAGNITUDES])


def bounds_from_histogram(m: Measurement) -> list[Interval]:
    """Choose an interval per column from noisy counts on the public grid of magnitudes."""
    grid, counts = m.params["grid"], m.values
    # half a count more than for normal noise, since it is rounded
    threshold = float(np.max(m.noise_scale)) * np.sqrt(2.0 * np.log(100.0 * counts.size)) + 0.5
    edges = np.concatenate([[2 * grid[0]], grid, [2 * grid[-1]]])
    likely, out = threshold / 1.5, []
    for row in counts:
        stands = row > threshold
        stands |= (row > likely) & (np.append(stands[1:], False) | np.append(False, stands[:-1]))
        found = np.flatnonzero(stands)
        low, high = (edges[found[0]], edges[found[-1] + 1]) if found.size else DEFAULT_BOUNDS
        out.append(Interval(float(low), float(high)))
    return out
