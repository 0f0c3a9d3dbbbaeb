"""What a Release tells about rows that lie outside of what was declared."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from skdpflow._callers import caller_level
from skdpflow.domain.check import in_words, percent
from skdpflow.domain.codes import outside_of
from skdpflow.domain.columns import Categories, Interval
from skdpflow.exceptions import DomainMismatchWarning
from skdpflow.release.content import Content
from skdpflow.release.measurement import Measurement
from skdpflow.release.tables import histograms_of

__all__ = ["Mismatch", "mismatches", "warn_of_mismatch"]

#: Probability that a Release of rows that all lie inside reports a mismatch, over all columns and bins together.
FALSE_ALARMS = 1e-3
#: Mismatches that a warning names.
_NAMED = 5


@dataclass(frozen=True)
class Mismatch:
    """A share of a column, or of the target, that lies outside of what was declared.

    Parameters
    ----------
    column : str, int or None
        Name of the column; None for the target.
    outside : {"below", "above", "unreadable", "unlisted", "not found"}
        How it lies outside.
    share : float
        Estimated share of the rows, in [0, 1].
    error : float
        Two standard deviations of the noise in it.

    Examples
    --------
    >>> from skdpflow.release.mismatch import Mismatch
    >>> print(Mismatch("sex", "unlisted", 0.95, 0.01))
    about 95 % of 'sex' (+- 1 %) is none of its declared categories
    """

    column: str | int | None
    outside: str
    share: float
    error: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that JSON can hold."""
        return {**asdict(self), "text": str(self)}

    def __str__(self) -> str:
        error = f" (+- {percent(self.error)})"
        return f"about {percent(self.share)} of {in_words(self.column, self.outside, error)}"


@dataclass
class _Estimate:
    """Inverse-variance averages of noisy counts of one bin, and of all rows."""

    count: float = 0.0
    precision: float = 0.0
    rows: float = 0.0
    rows_precision: float = 0.0

    def add(self, count: float, sd: float, rows: float, rows_sd: float) -> None:
        precision, rows_precision = sd**-2, rows_sd**-2
        self.count += precision * (count - self.count) / (self.precision + precision)
        self.rows += rows_precision * (rows - self.rows) / (self.rows_precision + rows_precision)
        self.precision, self.rows_precision = self.precision + precision, self.rows_precision + rows_precision

    def mismatch(self, column: str | int | None, outside: str) -> Mismatch:
        rows = max(self.rows, 1.0)
        share = float(np.clip(self.count / rows, 0.0, 1.0))
        error = 2.0 * float(np.sqrt(1.0 / self.precision + share**2 / self.rows_precision)) / rows
        return Mismatch(column, outside, share, min(error, 1.0))


def mismatches(release: Content) -> tuple[Mismatch, ...]:
    """Return the mismatches of the columns and of the target that stand out of the noise."""
    estimates: dict[tuple[int, str], _Estimate] = {}
    for m in release.measurements:
        for j, outside, *counted in _counted(m, release):
            estimates.setdefault((j, outside), _Estimate()).add(*counted)
    limit = -float(ndtri(FALSE_ALARMS / max(len(estimates), 1)))
    names = [*release.measured.names, None]
    found = []
    for (j, outside), estimate in sorted(estimates.items(), key=lambda item: item[0][0]):
        # half a count more than for normal noise, since it is rounded
        if estimate.count > limit * estimate.precision**-0.5 + 0.5:
            found.append(estimate.mismatch(names[j], outside))
    return tuple(found)


def _counted(m: Measurement, release: Content) -> Iterator[tuple[int, str, float, float, float, float]]:
    """Yield column, way to lie outside, noisy count and its noise, and those of all rows."""
    # below one count, rounding makes the deviation smaller than a single count that noise alone gives
    d, sd = len(release.measured), float(max(np.max(m.sd), np.max(m.noise_scale)))
    declared = "bounds" not in release and not release.handed_domain
    if m.kind == "counts" and m.params.get("unlisted") is True and "labels" not in release:
        if isinstance(release.target, Categories) and m.values.ndim == 1:
            yield d, "unlisted", float(m.values[-1]), sd, float(m.values.sum()), sd * len(m.values) ** 0.5
    if m.kind != "histograms" or m.values.ndim != 2:
        return
    parts = [(j, e, counts.sum(axis=0)) for j, e, counts in histograms_of(m)]
    sd *= len(m.values) ** 0.5
    # a row is in one bin of each column that has all of them
    sizes = np.array([len(h) for _, _, h in parts], dtype=np.float64)
    rows, rows_sd = _average(np.array([h.sum() for _, _, h in parts]), sizes), sd * (1.0 / sizes).sum() ** -0.5
    for j, e, h in parts:
        # rows are sorted by a numeric target: those that have none are in no component
        if (declared and j < d) or (
            j == d and isinstance(release.target, Interval) and "component_edges" not in m.params
        ):
            column = release.columns[j]
            for k, outside in enumerate(outside_of(column), start=column.n_levels):
                at = np.flatnonzero((e[:-1] == k) & (e[1:] == k + 1))
                if at.size and j in release.found_columns:
                    yield j, "not found", float(h[at[0]]), sd, rows, rows_sd
                elif at.size:
                    yield j, outside, float(h[at[0]]), sd, rows, rows_sd


def _average(sums: NDArray[Any], sizes: NDArray[np.float64]) -> float:
    """Average sums of bins, whose noise grows with their number."""
    return float(np.average(sums, weights=1.0 / sizes))


def warn_of_mismatch(*releases: Content) -> None:
    """Warn of rows that do not fit the declarations; the warning is a function of the Releases alone."""
    found = [str(mismatch) for release in releases for mismatch in mismatches(release)]
    if found:
        more = f"; {len(found) - _NAMED} more are in the privacy statement" if len(found) > _NAMED else ""
        warnings.warn(
            f"By the released counts, rows do not fit what was declared: {'; '.join(found[:_NAMED])}{more}. Samples "
            "hold declared values only. If that is not meant, correct the declaration before you fit again: "
            "Domain.check tells whoever holds the rows what it lacks.",
            DomainMismatchWarning,
            stacklevel=caller_level(),
        )
