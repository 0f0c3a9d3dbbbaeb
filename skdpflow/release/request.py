"""The vocabulary of a plan: what is asked of the rows, in rounds, and for which share of the budget.

A mechanism's ``plan(context)`` is a generator. It yields lists of `Request` (one list a round), receives the
`Measurement` of each, and decides the next round from them: it sees released values only, so its decisions cost
nothing beyond what it asks for.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from skdpflow.accountants.slack import differing, draw_slack
from skdpflow.domain import Categories, Column, Domain, Interval
from skdpflow.domain.measured import as_measured
from skdpflow.release.measurement import Measurement


@dataclass(frozen=True)
class Request:
    """One statistic to be measured.

    Parameters
    ----------
    name : str
        Name of the measurement in the Release.
    kind : str
        Kind of statistic; see `skdpflow.curator.statistics`.
    share : float
        Share of the fit's total mu**2 (Gaussian DP) that it costs.
    params : mapping
        Public parameters of the statistic.
    columns : tuple of Interval or Categories, or None, default=None
        How the cells of the columns, and of a numeric target, are encoded from this round on, and by the Release: the
        declared columns with grids that were located. None leaves that as it is.
    """

    name: str
    kind: str
    share: float
    params: Mapping[str, Any]
    columns: tuple[Column, ...] | None = None


@dataclass(frozen=True)
class Demand:
    """The most that a request may turn out to ask for, whatever earlier rounds release.

    Parameters
    ----------
    share : float
        Least share of mu**2.
    sensitivity : float
        L2 sensitivity, of the coordinates with the most noise.
    touched : int
        Coordinates to which one row contributes.
    n_integers : int
        How many integers are measured: a matter of memory.
    n_choices : int, default=0
        Choices of a selection, which draws other noise.
    """

    share: float
    sensitivity: float
    touched: int
    n_integers: int
    n_choices: int = 0

    def scale(self, mu: float) -> float:
        """Return the noise scale within a budget."""
        return self.sensitivity / (mu * math.sqrt(self.share))

    def slack(self, mu: float, neighbours: str) -> float:
        """Return the epsilon of the floating-point slack that the noise uses, see `draw_slack`."""
        return 0.0 if self.n_choices else draw_slack(differing(self.touched, neighbours), self.scale(mu))


#: A round-by-round dialogue between a mechanism and the curator.
Rounds = Generator[list[Request], list[Measurement], None]


@dataclass(frozen=True)
class PlanContext:
    """What a mechanism knows before it has seen any measurement.

    Parameters
    ----------
    domain : Domain
        Columns of X, as they are measured; see `of`.
    target : Interval, Categories or None
        What y is, as it is measured.
    mu : float
        Total budget of the mechanism as a Gaussian DP parameter.
    neighbours : {"add-remove", "replace-one"}
        The neighbouring relation.
    seed : int
        Public seed of the directions.
    projections : ProjectionSampler
        Chooses directions.
    slack : float, default=inf
        Epsilon of the floating-point slack that noise may use: see `Demand`.
    chooses : bool, default=True
        Whether requests may choose by private scores, which takes all rows in one place.
    """

    domain: Domain
    target: Column | None
    mu: float
    neighbours: str
    seed: int
    projections: Any
    slack: float = math.inf
    chooses: bool = True

    @classmethod
    def of(cls, domain: Domain, target: Column | None, *others: Any) -> PlanContext:
        """Return what is known of declared columns: how they are measured."""
        return cls(*_as_measured(domain, target), *others)

    def about(self, domain: Domain, target: Column | None) -> PlanContext:
        """Return the same, of other declared columns."""
        domain, target = _as_measured(domain, target)
        return replace(self, domain=domain, target=target)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The measured columns: those of the domain and, last, a numeric target."""
        extra = (self.target,) if isinstance(self.target, Interval) else ()
        return (*self.domain.columns, *extra)

    @property
    def numeric_target(self) -> bool:
        """Whether y is a number."""
        return isinstance(self.target, Interval)

    def encoded_as(self, columns: Sequence[Column]) -> PlanContext:
        """Return the same, with columns as they are encoded from now on."""
        domain = Domain(dict(zip(self.domain.names, columns, strict=False)))
        return replace(self, domain=domain, target=columns[-1] if self.numeric_target else self.target)

    @property
    def n_classes(self) -> int:
        """Number of classes, 1 where y is no class label."""
        if not isinstance(self.target, Categories):
            return 1
        return self.target.n_values if self.target.declared else 0


def _as_measured(domain: Domain, target: Column | None) -> tuple[Domain, Column | None]:
    # constraints are about declared values, not about differences and steps
    columns = {name: as_measured(column) for name, column in domain.items()}
    return Domain(columns, constraints=()), None if target is None else as_measured(target)
