"""Expected errors of familiar quantities, derived from the noise of what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from skdpflow.release import Measurement
from skdpflow.release.resolution import STANDS_OUT

#: Standard deviation of a value that is spread evenly over its column, in half-ranges.
EVEN = float(np.sqrt(1.0 / 3.0))
#: Density of the logarithm at the median of a column that is as skewed as incomes: log-normal, 0.7 its deviation.
SKEWED = float(1.0 / (0.7 * np.sqrt(2.0 * np.pi)))
#: Power of `steps` in the lattice unit of kinds whose rows lie in a ball.
_POWERS = {"column_moments": 1, "mean": 1, "second_moment": 2}


@dataclass(frozen=True)
class ExpectedError:
    """How far off a quantity is expected to be.

    Parameters
    ----------
    quantity : str
        What is estimated, and in which unit.
    noise : float
        Standard deviation that the noise of the release gives it, with this measurement alone and no denoising: what
        the model makes of all measurements together is closer, unless clipping to a ball moves it.
    sampling : float
        Standard deviation that it has without noise, because rows are a sample; NaN where it has none.
    source : str
        Name of the measurement.
    """

    quantity: str
    noise: float
    sampling: float
    source: str


def noise_in_rows(m: Measurement) -> float:
    """Return the largest standard deviation of the noise, in units of the most that a row adds to a value."""
    sd = float(np.max(m.sd))
    if m.kind == "records":
        return sd * _line_unit(m)
    return sd / float(m.params["steps"]) ** _POWERS[m.kind] if m.kind in _POWERS else sd


def _line_unit(m: Measurement) -> float:
    """Half-ranges of a column in one lattice unit of a projected record."""
    length = np.sqrt((np.asarray(m.params["directions"], dtype=np.float64) ** 2).sum(axis=0))
    return float(m.params["radius"]) / float(m.params["steps"]) / float(length.min())


def _within(n_components: int) -> str:
    return " in a class or bin of the target" if n_components > 1 else ""


def _of_counts(m: Measurement, n: float) -> list[ExpectedError]:
    k, sd = int(m.params["n_components"]), float(np.max(m.sd))
    if k == 1:
        return [ExpectedError("number of rows, relative", sd / n, np.nan, m.name)]
    p = 1.0 / k
    quantity = "share of a subcomponent" if "cut_directions" in m.params else "share of a class"
    # N_c / N with independent noise in all counts
    return [ExpectedError(quantity, sd * np.sqrt(1.0 - p) / n, np.sqrt(p * (1.0 - p) / n), m.name)]


def _of_histograms(m: Measurement, n: float) -> list[ExpectedError]:
    if m.kind == "slices":
        n_components, _, n_bins = m.values.shape
        of = "a direction"
    else:
        n_components, n_bins = len(m.values), int(np.max(m.params["edge_sizes"])) - 1
        of = "the target" if m.name == "target" else "a column"
    rows = n / n_components
    # half of the bins lie on either side: F (1 - F) of the noise of all bins
    noise = float(np.max(m.sd)) * np.sqrt(n_bins) / 2.0 / rows
    quantity = f"cumulative distribution of {of}{_within(n_components)}"
    return [ExpectedError(quantity, noise, 0.5 / np.sqrt(rows), m.name)]


def _of_location(m: Measurement, n: float) -> list[ExpectedError]:
    if m.name != "location1":  # later rounds tell the place of less mass, or of single values
        return []
    noise = STANDS_OUT * float(np.max(m.sd)) / n / SKEWED
    quantity = "located value at the median, relative, if log-normal"
    return [ExpectedError(quantity, noise, 0.5 / np.sqrt(n) / SKEWED, m.name)]


def _of_column_moments(m: Measurement, n: float) -> list[ExpectedError]:
    noise = noise_in_rows(m) * float(m.params["radius"]) / n
    return [ExpectedError("mean of a column, half-ranges", noise, EVEN / np.sqrt(n), m.name)]


def _of_mean(m: Measurement, n: float) -> list[ExpectedError]:
    rows = n / len(m.values)
    quantity = f"mean of a column{_within(len(m.values))}, its sd"
    return [ExpectedError(quantity, noise_in_rows(m) * float(m.params["radius"]) / rows, rows**-0.5, m.name)]


def _of_second_moment(m: Measurement, n: float) -> list[ExpectedError]:
    rows = n / len(m.values)
    if m.values.shape[1] == 1:
        return []
    # off-diagonal entries have the smaller noise, and variances are about one
    noise = float(np.min(m.sd)) * (float(m.params["radius"]) / float(m.params["steps"])) ** 2 / rows
    return [ExpectedError(f"correlation of two columns{_within(len(m.values))}", noise, rows**-0.5, m.name)]


def _of_pairs(m: Measurement, n: float) -> list[ExpectedError]:
    rows, p = n / len(m.values), 1.0 / int(np.max(m.params["pair_edge_sizes"]) + 1) ** 2
    quantity = f"share of an entry of a two-way table{_within(len(m.values))}"
    return [ExpectedError(quantity, float(np.max(m.sd)) / rows, np.sqrt(p * (1.0 - p) / rows), m.name)]


def _of_partitions(m: Measurement, n: float) -> list[ExpectedError]:
    n_groups, n_regions = m.values.shape
    rows, p = n / n_groups, len(m.params["partition_columns"]) / n_regions
    quantity = f"share of a region of a partition{' in a class or group' if n_groups > 1 else ''}"
    return [ExpectedError(quantity, float(np.max(m.sd)) / rows, np.sqrt(p * (1.0 - p) / rows), m.name)]


def _of_levels(m: Measurement, n: float) -> list[ExpectedError]:
    what = "class" if m.kind == "labels" else "value of a column"
    share = m.params["threshold"] / n
    return [ExpectedError(f"share of a {what}, found from {share:.2g} on", float(np.max(m.sd)) / n, np.nan, m.name)]


def _of_records(m: Measurement, n: float) -> list[ExpectedError]:
    rows, noise = n / int(m.params["n_components"]), noise_in_rows(m)
    return [
        ExpectedError("each projected row, half-ranges", noise, np.nan, m.name),
        ExpectedError("mean of a projection, half-ranges", noise / np.sqrt(rows), EVEN / np.sqrt(rows), m.name),
    ]


_ERRORS: dict[str, Callable[[Measurement, float], list[ExpectedError]]] = {
    "labels": _of_levels,
    "levels": _of_levels,
    "counts": _of_counts,
    "location": _of_location,
    "histograms": _of_histograms,
    "slices": _of_histograms,
    "column_moments": _of_column_moments,
    "mean": _of_mean,
    "second_moment": _of_second_moment,
    "pairs": _of_pairs,
    "partitions": _of_partitions,
    "records": _of_records,
}


def expected_errors(measurements: Sequence[Measurement], n: float) -> tuple[ExpectedError, ...]:
    """Derive the accuracy of familiar quantities from the noise of what was measured."""
    return tuple(e for m in measurements if m.kind in _ERRORS for e in _ERRORS[m.kind](m, n))
