"""What a fit would measure and how accurate it would be, told before any row is there.

Nothing here decides: a fit is rehearsed on made-up rows, by the code that runs on real ones, and the Release of that
rehearsal is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow._validation import check_int
from skdpflow.accountants.base import tally
from skdpflow.accountants.gaussian import total_mu
from skdpflow.domain import Categories, Column, Domain, Interval
from skdpflow.domain.resolve import resolve_domain
from skdpflow.release import Measurement, Release
from skdpflow.release.request import PlanContext, Rounds
from skdpflow.transport.model import Model

#: Part of a made-up value that depends on the made-up target, beside one of its own.
DEPENDENCE = 0.5
#: Standard deviation of a value that is spread evenly over its column, in half-ranges.
EVEN = float(np.sqrt(1.0 / 3.0))
#: Values of a column whose own are to be found.
MADE_UP_LEVELS = tuple(f"level {i}" for i in range(10))
#: Power of `steps` in the lattice unit of kinds whose rows lie in a ball.
_POWERS = {"column_moments": 1, "mean": 1, "second_moment": 2}


@dataclass(frozen=True)
class PlannedMeasurement:
    """One measurement of a plan.

    Parameters
    ----------
    round : int
        Round in which it is made, from 1; each round is decided from what was released before.
    name, kind : str
        As in the Release.
    share : float
        Its part of what the fit spends, in mu**2 of Gaussian privacy.
    n_integers : int
        How many integers are released.
    noise : float
        Standard deviation of the noise of each, in units of the most that one row adds to it: in rows. Of projected
        records it is that of each value of a row, in half-ranges of a column; of a selection that of a score.
    """

    round: int
    name: str
    kind: str
    share: float
    n_integers: int
    noise: float


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
        Standard deviation that it has anyhow, because rows are a sample; NaN where that means nothing.
    source : str
        Name of the measurement.
    """

    quantity: str
    noise: float
    sampling: float
    source: str


@dataclass(frozen=True)
class FitPlan:
    """What a fit is going to measure; ``print`` it.

    Made by :meth:`skdpflow.DPSlicedWassersteinFlow.plan`.

    Parameters
    ----------
    epsilon, delta : float
        The guarantee.
    neighbours : {"add-remove", "replace-one"}
        The neighbouring relation behind it.
    mechanism : str
        Name of the mechanism.
    n_guess, n_features, n_components : int
        Rows and columns planned for, and the parts into which the rows are split: classes, or bins of a numeric
        target.
    measurements : tuple of PlannedMeasurement
        In order.
    errors : tuple of ExpectedError
        Expected accuracy.

    Examples
    --------
    >>> from skdpflow import Categories, DPSlicedWassersteinFlow
    >>> flow = DPSlicedWassersteinFlow(epsilon=1.0, domain=(0, 1), target=Categories(["no", "yes"]))
    >>> plan = flow.plan(n_guess=2000, n_features=5)
    >>> [m.name for m in plan.measurements if m.round == 1]
    ['counts', 'location1']
    >>> round(sum(m.share for m in plan.measurements), 6)
    1.0
    """

    epsilon: float
    delta: float
    neighbours: str
    mechanism: str
    n_guess: int
    n_features: int
    n_components: int
    measurements: tuple[PlannedMeasurement, ...]
    errors: tuple[ExpectedError, ...]

    @classmethod
    def of(cls, release: Release, rounds: Sequence[Sequence[str]], n_guess: int) -> FitPlan:
        """Read a plan off a Release.

        Parameters
        ----------
        release : Release
            Of a rehearsal, or of a fit.
        rounds : sequence of sequence of str
            Names of the measurements of each round of the mechanism.
        n_guess : int
            Number of rows to reckon with.

        Returns
        -------
        plan : FitPlan
        """
        named = {name for names in rounds for name in names}
        before = [[m.name] for m in release.measurements if m.name in ("bounds", "labels", "levels")]
        after = [m.name for m in release.measurements if m.name not in named and [m.name] not in before]
        number = {name: i for i, names in enumerate([*before, *rounds, after], start=1) for name in names}
        spent = [total_mu(tally(m.event)) ** 2 for m in release.measurements]
        measurements = tuple(
            PlannedMeasurement(number[m.name], m.name, m.kind, cost / sum(spent), m.values.size, noise_in_rows(m))
            for m, cost in zip(release.measurements, spent, strict=True)
        )
        uncut = (m.params for m in release.measurements if "cut_directions" not in m.params)
        n_components = max(int(params.get("n_components", 1)) for params in uncut)
        return cls(
            release.epsilon,
            release.delta,
            release.neighbours,
            str(release.mechanism.get("name")),
            n_guess,
            len(release.domain),
            n_components,
            measurements,
            expected_errors(release.measurements, n_guess),
        )

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the measurements column by column, as ``pandas.DataFrame`` and ``polars.DataFrame`` take them.

        Returns
        -------
        columns : dict of str to list
            The fields of `PlannedMeasurement`.
        """
        return {f.name: [getattr(m, f.name) for m in self.measurements] for f in fields(PlannedMeasurement)}

    def __str__(self) -> str:
        parts = f" in {self.n_components} classes or bins of the target" if self.n_components > 1 else ""
        lines = [
            f"(epsilon, delta) = ({self.epsilon:g}, {self.delta:g}), neighbours: {self.neighbours}, "
            f"mechanism: {self.mechanism}",
            f"planned for {self.n_guess} rows of {self.n_features} columns{parts}; rehearsed on made-up rows, "
            "nothing is spent",
            "",
            f"{'round':>5}  {'measurement':<16}{'share':>7}{'integers':>10}{'noise':>12}",
        ]
        for m in self.measurements:
            lines.append(f"{m.round:>5}  {m.name:<16}{m.share:>7.1%}{m.n_integers:>10}{m.noise:>8.3g} {_unit(m.kind)}")
        lines += ["", f"{'expected error (standard deviation)':<60}{'noise':>9}{'sampling':>10}  from"]
        for e in self.errors:
            sampling = "-" if np.isnan(e.sampling) else f"{e.sampling:.2g}"
            lines.append(f"{e.quantity:<60}{e.noise:>9.2g}{sampling:>10}  {e.source}")
        lines += ["", "Errors are of one measurement alone, before denoising. Later rounds depend on what is released."]
        return "\n".join(lines)


def _unit(kind: str) -> str:
    return {"records": "half-ranges", "select_pairs": "of a score"}.get(kind, "rows")


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


# ---------------------------------------------------------------- expected accuracy


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


# ---------------------------------------------------------------- the rehearsal


class Noting:
    """A mechanism that notes which rounds another one asks for.

    Parameters
    ----------
    mechanism : Mechanism
        Whose plan is carried out.

    Attributes
    ----------
    rounds : list of list of str
        Names of what was asked for, round by round.
    """

    def __init__(self, mechanism: Any) -> None:
        self._mechanism = mechanism
        self.rounds: list[list[str]] = []

    def plan(self, context: PlanContext) -> Rounds:
        """Pass the rounds on."""
        self.rounds = []
        rounds = self._mechanism.plan(context)
        requests = next(rounds, None)
        while requests is not None:
            self.rounds.append([r.name for r in requests])
            answers = yield requests
            try:
                requests = rounds.send(answers)
            except StopIteration:
                requests = None

    @property
    def demands(self) -> Any:
        """The most that the mechanism may ask for, if it says."""
        return getattr(self._mechanism, "demands", None)

    @property
    def most_components(self) -> Any:
        """The most components into which the mechanism may part the rows, if it says."""
        return getattr(self._mechanism, "most_components", None)

    def learn(self, release: Release) -> Model:
        """Learn a model."""
        model: Model = self._mechanism.learn(release)
        return model

    def describe(self) -> dict[str, Any]:
        """Describe the mechanism."""
        description: dict[str, Any] = self._mechanism.describe()
        return description


def planned_columns(
    owner: str, domain: object, target: Column | None, n_features: int | None, n_classes: int | None
) -> tuple[int, Domain | None, Column | None]:
    """Fill in the sizes of a table from what is declared, or the other way round."""
    if n_features is None and isinstance(domain, tuple | list):
        widths = {len(bound) for bound in domain if np.ndim(bound) == 1}
        n_features = widths.pop() if len(widths) == 1 else None
    elif n_features is None and domain is not None:
        n_features = len(domain)  # type: ignore[arg-type]
    if n_features is None:
        raise ValueError(f"{owner}.plan needs n_features: the 'domain' parameter does not tell how many columns X has.")
    n_features = check_int(owner, "n_features", n_features, 1)
    same = [name for name, column in domain.items() if column == target] if isinstance(domain, Mapping) else []
    name_of_y = same[0] if len(same) == 1 else None  # a domain may describe the target too
    resolved = resolve_domain(domain, None, n_features, owner=owner, target=target, target_name=name_of_y)
    declared = len(target.values) if isinstance(target, Categories) and target.declared else None
    if n_classes is None:
        if isinstance(target, Categories) and declared is None:
            raise ValueError(f"{owner}.plan needs n_classes, since target=Categories() does not list the classes.")
        return n_features, resolved, target
    n_classes = check_int(owner, "n_classes", n_classes, 1)
    if isinstance(target, Interval) or declared not in (None, n_classes):
        raise ValueError(f"n_classes={n_classes} contradicts target={target!r}; leave it out to take it from there.")
    return n_features, resolved, Categories(range(n_classes)) if target is None else target


def made_up_rows(
    n: int, n_features: int, domain: Domain | None, target: Column | None, n_classes: int | None
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Make rows whose columns are spread over their domains and depend a little on the target."""
    rng = np.random.default_rng(0)
    y, where = None, rng.uniform(size=n)
    if isinstance(target, Categories):
        labels = list(target.values if target.declared else range(n_classes or 1))
        codes = np.arange(n) % len(labels)
        y, where = _picked(labels, codes), codes / max(len(labels) - 1, 1)
    elif target is not None:
        y = _values(target, where)
    places = (rng.uniform(size=(n, n_features)) + DEPENDENCE * where[:, None]) / (1.0 + DEPENDENCE)
    if domain is None:
        return places, y
    columns = [_values(column, u) for column, u in zip(domain.columns, places.T, strict=True)]
    kinds = {c.dtype for c in columns}
    X = np.empty((n, n_features), dtype=np.float64 if kinds == {np.dtype(np.float64)} else object)
    for j, column in enumerate(columns):
        X[:, j] = column
    return X, y


def _picked(values: Sequence[Any], codes: NDArray[np.int64]) -> NDArray[Any]:
    cells = np.empty(len(values), dtype=object)
    cells[:] = list(values)
    return cells[codes]


def _values(column: Column, places: NDArray[np.float64]) -> NDArray[Any]:
    """Values of a column at places from 0 to 1 of its domain."""
    if isinstance(column, Categories):
        levels = column.categories or MADE_UP_LEVELS
        return _picked(levels, np.minimum((places * len(levels)).astype(np.int64), len(levels) - 1))
    values = column.lower + places * (column.upper - column.lower)
    values = np.rint(values) if column.integer else values
    return np.asarray(values if column.unit is None else values.astype(np.int64).astype(f"datetime64[{column.unit}]"))
