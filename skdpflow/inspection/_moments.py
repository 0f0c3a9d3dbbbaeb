"""Measured sums of latent values and of their products, beside those of a synthetic sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skdpflow.inspection._names import column_names
from skdpflow.inspection._sample import Sample
from skdpflow.latent.rank import RankTransform
from skdpflow.release import Measurement

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moment:
    """Noisy sums of one latent column, or of the product of two, by component.

    Parameters
    ----------
    names : tuple of str
        The columns.
    measurement : str
        Name of the measurement.
    measured : ndarray of shape (n_components,)
        Noisy sums, in lattice units.
    sd : float
        Standard deviation of their noise.
    mean, variance : ndarray of shape (n_components,)
        Of what a synthetic row adds to each sum.
    unit : float
        One lattice unit, in (squared) standard deviations of a latent column.
    """

    names: tuple[str, ...]
    measurement: str
    measured: Array
    sd: float
    mean: Array
    variance: Array
    unit: float


def moments(sample: Sample, measurements: tuple[Measurement, ...]) -> Iterator[Moment]:
    """Yield every moment that can be compared."""
    for m in measurements:
        if m.kind in ("mean", "second_moment") and "latent_cdf" in m.params and "cut_directions" not in m.params:
            yield from _of(sample, m)


def _of(sample: Sample, m: Measurement) -> Iterator[Moment]:
    names = column_names(sample.release)
    radius, steps = float(m.params["radius"]), float(m.params["steps"])
    z = sample.latent(RankTransform.from_params(m.params))
    # a row is clipped to the ball in which it was measured; its rounding is too fine to matter here
    y = z * (steps / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), radius))
    component = sample.components(m.params)
    pooled = bool(m.params.get("pooled", False))
    component = np.where(component >= 0, 0, -1) if pooled else component
    member = (component[:, None] == np.arange(len(m.values))).astype(np.float64)
    sd = np.broadcast_to(m.sd, m.values.shape)[0]
    if m.kind == "mean":
        first = member.T @ y / len(y)
        second = member.T @ y**2 / len(y)
        for j, name in enumerate(names):
            variance = second[:, j] - first[:, j] ** 2
            own = np.asarray(m.values[:, j], dtype=np.float64)
            yield Moment((name,), m.name, own, float(sd[j]), first[:, j], variance, radius / steps)
        return
    upper = np.column_stack(np.triu_indices(len(names))).tolist()
    for k, (i, j) in enumerate(upper):
        product = y[:, i] * y[:, j]
        mean = member.T @ product / len(y)
        variance = member.T @ product**2 / len(y) - mean**2
        if i == j:  # rounding to the lattice adds to squares
            mean = mean + member.mean(axis=0) / 12.0
        own = np.asarray(m.values[:, k], dtype=np.float64)
        pair = (names[i],) if i == j else (names[i], names[j])
        yield Moment(pair, m.name, own, float(sd[k]), mean, variance, (radius / steps) ** 2)
