"""What a fit would measure and how accurate it would be, read off the Release of a rehearsal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from skdpflow._flow.expected import ExpectedError, expected_errors, noise_in_rows
from skdpflow.accountants.base import tally
from skdpflow.accountants.gaussian import total_mu
from skdpflow.domain import Categories
from skdpflow.domain.differences import since_of
from skdpflow.release import Release
from skdpflow.release.resolution import least_share, rarest


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
        Expected accuracy. A located value is one at the median of a column that is as skewed as incomes are: its
        logarithm is normal, with a standard deviation of 0.7. The narrowest bin there that stands out is so wide.
    least_share : float or None, default=None
        Share of the rows below which a level of a categorical column cannot be told from noise; None if there is none.
    differences : tuple of (str, str), default=()
        Columns that are measured as their differences from others, each with that other one, as constraints say.

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
    least_share: float | None = None
    differences: tuple[tuple[str, str], ...] = ()

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
            Number of rows to plan for.

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
            least_share(release.measurements, n_guess) if _has_categories(release) else None,
            tuple((name, own.name) for name, own in since_of(release.domain).items()),
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
        title = "expected error (standard deviation)"
        names = max(len(m.name) for m in self.measurements) + 2
        quantities = max(len(text) for text in (title, *(e.quantity for e in self.errors))) + 1
        lines = [
            f"(epsilon, delta) = ({self.epsilon:g}, {self.delta:g}), neighbours: {self.neighbours}, "
            f"mechanism: {self.mechanism}",
            f"planned for {self.n_guess} rows of {self.n_features} columns{parts}; rehearsed on made-up rows, "
            "nothing is spent",
            "",
            f"{'round':>5}  {'measurement':<{names}}{'share':>7}{'integers':>10}{'noise':>12}",
        ]
        for m in self.measurements:
            lines.append(
                f"{m.round:>5}  {m.name:<{names}}{m.share:>7.1%}{m.n_integers:>10}{m.noise:>8.3g} {_unit(m.kind)}"
            )
        lines += ["", f"{title:<{quantities}}{'noise':>9}{'sampling':>10}  from"]
        for e in self.errors:
            sampling = "-" if np.isnan(e.sampling) else f"{e.sampling:.2g}"
            lines.append(f"{e.quantity:<{quantities}}{e.noise:>9.2g}{sampling:>10}  {e.source}")
        if self.least_share is not None:
            lines += ["", rarest(self.least_share)]
        if self.differences:
            lines += ["", *(f"{b!r} is measured as its difference from {a!r}." for b, a in self.differences)]
        lines += ["", "Errors are of one measurement alone, before denoising. Later rounds depend on what is released."]
        return "\n".join(lines)


def _has_categories(release: Release) -> bool:
    return any(isinstance(c, Categories) for c in release.domain.columns)


def _unit(kind: str) -> str:
    return {"records": "half-ranges", "select_pairs": "of a score"}.get(kind, "rows")
