"""How many rows were measured, as far as a Release tells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from skdpflow.release.measurement import Measurement
from skdpflow.release.pooling import pooled
from skdpflow.release.release import Release
from skdpflow.release.tables import histograms_of

__all__ = ["Rows", "released_size"]


@dataclass(frozen=True)
class Rows:
    """An estimate of the number of rows, and its standard deviation."""

    number: float
    sd: float

    @classmethod
    def of(cls, measurements: Iterable[Measurement]) -> Rows:
        """Average all counts of all rows by their precision."""
        sums, variances = list[float](), list[float]()
        for m in measurements:
            sd = float(np.max(m.sd))
            if m.kind == "records":  # one line for each row
                return cls(float(np.sum(m.params["sizes"])), 0.0)
            if m.kind == "counts" and "cut_directions" not in m.params:
                own = m.values[: int(m.params["n_components"])]
                sums.append(float(own.sum()))
                variances.append(sd**2 * len(own))
            elif m.kind == "histograms":
                for _, _, counts in histograms_of(m):
                    sums.append(float(counts.sum()))
                    variances.append(sd**2 * counts.size)
        if not sums:
            return UNKNOWN
        precision = 1.0 / np.array(variances)
        return cls(max(float(np.average(sums, weights=precision)), 1.0), float(precision.sum() ** -0.5))


#: What is told of a Release that counts no rows.
UNKNOWN = Rows(1.0, 1.0)


def released_size(release: Release) -> int:
    """Return the number of rows that a Release estimates, as the default size of a sample."""
    rows = Rows.of(pooled(release).measurements)
    if rows is UNKNOWN:
        raise ValueError("This Release counts no rows, so it does not tell how many to draw: pass n_samples.")
    return round(rows.number)
