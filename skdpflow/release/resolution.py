"""From which share of the rows on something can be told from the noise."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from skdpflow.release.measurement import Measurement

#: A count can be told from noise if it exceeds so many standard deviations.
STANDS_OUT = 3.0


def least_share(measurements: Iterable[Measurement], n: float) -> float | None:
    """Return the share of n rows that the count of a level, summed over all classes, needs; None if none is counted."""
    variances = [
        len(m.values) * float(np.max(m.sd)) ** 2
        for m in measurements
        if m.kind == "histograms" and m.name != "target" and m.values.ndim == 2
    ]
    if not variances or n <= 0.0:
        return None
    # counts of several fits are averaged
    return min(STANDS_OUT * sum(1.0 / v for v in variances) ** -0.5 / n, 1.0)


def rarest(share: float) -> str:
    """Return the sentence that says so."""
    return f"Levels of a category that less than about {100 * share:.2g} % of rows hold cannot be told from noise."
