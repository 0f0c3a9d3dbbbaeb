"""Histograms of columns as they were released, and of a synthetic sample in the same bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Categories, Column, Interval
from skdpflow.inspection._names import codes_name, column_names
from skdpflow.inspection._sample import Sample
from skdpflow.release import Release
from skdpflow.release.pooling import pooled
from skdpflow.release.size import Rows
from skdpflow.release.tables import histograms_of

Array = NDArray[np.float64]

#: A numeric column is drawn on a logarithmic axis if most of its mass lies in so small a part of its range.
_SKEWED = 20.0


@dataclass(frozen=True, eq=False)
class Marginal:
    """A column: shares of the rows in its bins, as they were released and of a sample.

    Parameters
    ----------
    name : str
        Name of the column.
    column : Interval or Categories
        The column.
    edges : ndarray of shape (n_bins + 1,) or None
        Ends of the bins, of numbers; None of categories.
    labels : sequence of str of shape (n_bins,)
        What the bins are called.
    measured : ndarray of shape (n_bins,)
        Released shares, with their noise.
    sd : float
        Standard deviation of the noise of a share.
    sampled : ndarray of shape (n_bins,) or None
        Shares of a synthetic sample.
    missing : tuple of float, or None
        Released and, if there is a sample, synthetic share of missing cells; None if none can be missing.
    """

    name: str
    column: Column
    edges: Array | None
    labels: Sequence[str]
    measured: Array
    sd: float
    sampled: Array | None
    missing: tuple[float, ...] | None

    @property
    def atoms(self) -> NDArray[np.bool_]:
        """Which bins are single values among wider ones."""
        if self.edges is None or (isinstance(self.column, Interval) and self.column.discrete):
            return np.zeros(len(self.measured), dtype=np.bool_)
        width = self.edges[-1] - self.edges[0]
        return np.asarray(np.diff(self.edges) <= 1e-9 * width)

    @property
    def logarithmic(self) -> bool:
        """Whether a logarithmic axis shows more: the column is not negative and skewed."""
        if self.edges is None or self.edges[0] < 0.0:
            return False
        assert isinstance(self.column, Interval)
        held = np.where(self.atoms, 0.0, np.maximum(self.measured, 0.0))
        if self.column.unit is not None or not held.sum() > 0.0:
            return False
        half, most = np.interp([0.5, 0.98], np.cumsum(held) / held.sum(), self.edges[1:])
        return bool(half > 0.0 and most > _SKEWED * half)


def marginals(release: Release, sample: Sample | None, wanted: Sequence[str] | None) -> list[Marginal]:
    """Read the columns off a Release, in their order."""
    release, names = pooled(release), column_names(release)
    rows, found = Rows.of(release.measurements).number, dict[str, Marginal]()
    for m in release.measurements:
        if m.kind == "histograms":
            sd = float(np.max(m.sd)) * len(m.values) ** 0.5 / rows
            for j, edges, counts in histograms_of(m):
                if wanted is None or names[j] in wanted:
                    shares = counts.sum(axis=0) / rows
                    found[names[j]] = _marginal(names[j], j, release.declared[j], edges, shares, sd, sample)
    return [found[name] for name in (names if wanted is None else wanted) if name in found]


def _marginal(
    name: str, j: int, column: Column, edges: NDArray[np.int64], shares: Array, sd: float, sample: Sample | None
) -> Marginal:
    n_bins = int((edges[:-1] < column.n_values).sum())
    own = edges[: n_bins + 1]
    labels = [codes_name(a, b, column) for a, b in pairwise(own.tolist())]
    missing: tuple[float, ...] | None = None
    if column.nullable:
        missing = (float(shares[edges[:-1] == column.n_values].sum()),)
    sampled = None
    if sample is not None:
        codes = sample.codes[:, j]
        value = codes < column.n_values
        bins = np.searchsorted(own, codes[value], side="right") - 1
        sampled = np.bincount(np.minimum(bins, n_bins - 1), minlength=n_bins) / len(sample)
        if missing is not None:
            missing = (*missing, float(1.0 - value.mean()))
    ends = None
    if not isinstance(column, Categories):
        at = own.astype(np.float64)
        if column.discrete:
            ends = column.lower + at - 0.5
            if column.lattice is not None:
                ends = column.lattice.numbers(column.lattice.first + at - 0.5)
        else:
            ends = np.asarray(column.numbers(np.minimum(at, np.nextafter(float(column.n_values), 0.0))))
    return Marginal(name, column, ends, labels, shares[:n_bins], sd, sampled, missing)
