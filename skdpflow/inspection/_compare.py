"""How far a synthetic sample is from what was measured, and whether that stands out of the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import chi2

from skdpflow.inspection._moments import Moment
from skdpflow.inspection._tables import Counted
from skdpflow.release.size import Rows

Array = NDArray[np.float64]

#: Reports in which noise alone stands out somewhere, if the sample is distributed like the rows.
FALSE_ALARMS = 0.01


@dataclass(frozen=True)
class Limits:
    """From where on a difference stands out, of all that are looked at together: each half of the false alarms."""

    z: float
    p_value: float

    @classmethod
    def of(cls, compared: Sequence[Compared]) -> Limits:
        """Divide the false alarms by the numbers that are compared, and by the tables that these belong to."""
        n = max(sum(c.n_values for c in compared), 1)
        return cls(float(-ndtri(FALSE_ALARMS / (4.0 * n))), FALSE_ALARMS / (2.0 * max(len(compared), 1)))


@dataclass(frozen=True)
class Compared:
    """One measured thing, beside the same of the sample.

    Parameters
    ----------
    of : str
        What it is.
    names : tuple of str
        Columns that it is about.
    measurement : str
        Where it was measured.
    n_values : int
        Numbers that were compared.
    distance, noise : float
        How far apart they are, and how far apart they would be expected to be by noise alone: of counts the total
        variation, of moments the difference of means or of products.
    z : float
        Largest difference, in standard deviations.
    p_value : float
        Of all differences together, by a chi-squared test.
    place : str
        Where the largest one is.
    """

    of: str
    names: tuple[str, ...]
    measurement: str
    n_values: int
    distance: float
    noise: float
    z: float
    p_value: float
    place: str

    def to_dict(self, limits: Limits) -> dict[str, Any]:
        """Return it as a dict that JSON can hold."""
        return {
            "of": self.of,
            "names": list(self.names),
            "measurement": self.measurement,
            "n_values": self.n_values,
            "distance": self.distance,
            "distance_is": "difference of moments" if self.of == "moment" else "total variation of noisy counts",
            "noise_alone": self.noise,
            "largest_z": self.z,
            "p_value": self.p_value,
            "stands_out": self.z > limits.z or self.p_value < limits.p_value,
            "place": self.place,
            "fitted": True,
        }


def compare_counts(own: Counted, rows: Rows, n: int) -> Compared:
    """Compare counts bin by bin; of several components, those of each and their sums."""
    total = max(rows.number - own.missed, 1.0)
    z, _ = _z(own.measured, own.sampled, own.sd, total, rows.sd, n)
    summed = own.measured.sum(axis=0)
    sd = own.sd * np.sqrt(len(own.measured))
    z_sum, expected_sum = _z(summed, own.sampled.sum(axis=0), sd, total, rows.sd, n)
    both = np.vstack([z, z_sum]) if len(z) > 1 else z
    k = int(np.argmax(both.max(axis=0)))
    distance = float(np.abs(summed - expected_sum).sum() / (2.0 * total))
    spread = _spread(own.sampled.sum(axis=0), sd, total, rows.sd, n)
    noise = float(np.sqrt(2.0 / np.pi) * spread.sum() / (2.0 * total))
    p_value = _chi_squared(own.measured, own.sampled, own.sd, total, n)
    return Compared(
        own.of, own.names, own.measurement, both.size, distance, noise, float(both.max()), p_value, own.name(k)
    )


def _chi_squared(measured: Array, sampled: Array, sd: Array, total: float, n: int) -> float:
    """Test all bins together, whatever the number of rows is: without the direction in which that moves them."""
    share = (sampled + 1.0) / (n + sampled.size)
    spread = np.sqrt(sd**2 + total**2 * share / n)
    apart, along = ((measured - total * sampled / n) / spread).ravel(), (share / spread).ravel()
    along = along / np.linalg.norm(along)
    apart = apart - (along @ apart) * along
    return float(chi2.sf(apart @ apart, max(apart.size - 1, 1)))


def _spread(sampled: Array, sd: Array, total: float, total_sd: float, n: int) -> Array:
    """Return the standard deviation of a measured count less the one that is expected from the sample."""
    share = (sampled + 1.0) / (n + 2.0)  # a bin that the sample does not have may still have mass
    return np.asarray(np.sqrt(sd**2 + (share * total_sd) ** 2 + total**2 * share * (1.0 - share) / n))


def _z(measured: Array, sampled: Array, sd: Array, total: float, total_sd: float, n: int) -> tuple[Array, Array]:
    """Return z-scores and expected counts; half a count less, since noisy counts are rounded."""
    expected = total * sampled / max(n, 1)
    apart = np.maximum(np.abs(measured - expected) - 0.5, 0.0)
    return apart / _spread(sampled, sd, total, total_sd, n), expected


def compare_moment(own: Moment, rows: Rows, n: int) -> Compared:
    """Compare sums of latent values, of each component."""
    expected = rows.number * own.mean
    spread = np.sqrt(own.sd**2 + (own.mean * rows.sd) ** 2 + rows.number**2 * own.variance / n)
    z = np.abs(own.measured - expected) / spread
    unit = own.unit / rows.number
    distance = abs(float((own.measured - expected).sum())) * unit
    noise = float(np.sqrt(2.0 / np.pi) * np.sqrt((spread**2).sum())) * unit
    k = int(np.argmax(z))
    place = f"component {k + 1}" if len(z) > 1 else ""
    return Compared(
        "moment", own.names, own.measurement, len(z), distance, noise, float(z[k]), float(chi2.sf(z @ z, len(z))), place
    )
