"""One noisy statistic, and the noise in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from skdpflow.accountants.events import Event


def rounded_normal_pmf(k: NDArray[Any], scale: float) -> NDArray[np.float64]:
    """Exact probability of the integers `k` under ``rint(N(0, scale**2))``.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.release.measurement import rounded_normal_pmf
    >>> bool(np.isclose(rounded_normal_pmf(np.arange(-40, 41), 3.0).sum(), 1.0))
    True
    """
    a = np.abs(np.asarray(k, dtype=np.float64))
    # the lower tail keeps relative precision far from zero
    return np.asarray(ndtr(-(a - 0.5) / scale) - ndtr(-(a + 0.5) / scale))


def rounded_normal_sd(scale: float) -> float:
    """Return the standard deviation of ``rint(N(0, scale**2))``, which is not `scale` for small scales.

    Examples
    --------
    >>> from skdpflow.release.measurement import rounded_normal_sd
    >>> round(rounded_normal_sd(10.0), 4), round(rounded_normal_sd(0.3), 4)
    (10.0042, 0.3092)
    """
    if scale > 3.0:  # Sheppard's correction is exact to double precision here
        return float(np.sqrt(scale * scale + 1.0 / 12.0))
    k = np.arange(-64, 65)
    # hardly any noise: not zero, so that weights 1 / sd**2 stay finite
    return max(float(np.sqrt((rounded_normal_pmf(k, scale) * k**2).sum())), 1e-60)


def _frozen(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.setflags(write=False)
    return value


@dataclass(frozen=True, eq=False)
class Measurement:
    """A noisy integer statistic: what was measured, with which noise, and what it cost.

    Parameters
    ----------
    name : str
        Unique name within its Release.
    kind : str
        Kind of statistic, e.g. ``"histograms"``.
    params : mapping of str to ndarray, int, float, str or bool
        Public parameters of the statistic, e.g. its bin edges: given beforehand or computed from earlier measurements.
    values : ndarray of int64
        The sketch plus rounded Gaussian noise. The mean of repeated measurements, which is learnt from but not stored,
        is of float64.
    noise_scale : ndarray of float64, broadcastable to `values`
        Standard deviation of the noise before rounding, in lattice units; of a mean, that of its noise.
    sensitivity : float
        L2 sensitivity of the statistic, in lattice units, under the Release's neighbouring relation.
    event : Event
        The privacy event that was recorded before the noise was drawn.
    """

    name: str
    kind: str
    params: Mapping[str, Any]
    values: NDArray[Any]
    noise_scale: NDArray[np.float64]
    sensitivity: float
    event: Event

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", {k: _frozen(v) for k, v in self.params.items()})
        object.__setattr__(self, "values", _frozen(self.values))
        object.__setattr__(self, "noise_scale", _frozen(np.asarray(self.noise_scale, dtype=np.float64)))

    @cached_property
    def sd(self) -> NDArray[np.float64]:
        """Exact standard deviation of the noise in `values`, broadcastable to them."""
        if self.values.dtype.kind == "f":
            return self.noise_scale
        scales, inverse = np.unique(self.noise_scale, return_inverse=True)
        sds = np.array([rounded_normal_sd(float(s)) for s in scales])
        return np.asarray(sds[inverse].reshape(self.noise_scale.shape))

    def __repr__(self) -> str:
        return f"Measurement({self.name!r}, kind={self.kind!r}, shape={self.values.shape})"
