"""From raw rows to a Release: the ledger first, then the sketch, then the noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skdpflow.accountants.budget import Budget
from skdpflow.accountants.slack import PLAN_SLACK
from skdpflow.curator.curator import Curator
from skdpflow.curator.fits import check_plan, made_up_domain, of_bounds, of_labels
from skdpflow.curator.labels import find_labels, find_levels, with_levels
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.source import RowSource
from skdpflow.domain import Categories, Column, Domain, Interval
from skdpflow.domain.categories import is_undeclared
from skdpflow.domain.measured import put_back
from skdpflow.exceptions import BudgetExceededError
from skdpflow.ledger import PrivacyLedger
from skdpflow.ledger.lineage import Payer, Resting
from skdpflow.release import Measurement, Release
from skdpflow.release.dialogue import Dialogue
from skdpflow.release.discovery import (
    BOUNDS_GRID,
    BOUNDS_SHARE,
    LABELS_DELTA_SHARE,
    LABELS_SHARE,
    LEVELS_DELTA_SHARE,
    LEVELS_SHARE,
    bounds_from_histogram,
)
from skdpflow.release.encoding import encoded_as
from skdpflow.release.request import PlanContext, Request, Rounds


def converse(
    curator: Curator, rounds: Rounds, share: float, domain: Domain, target: Column | None, *, found_labels: bool = False
) -> tuple[list[Measurement], Domain, Column | None]:
    """Answer a plan, round by round."""
    measured: list[Measurement] = []
    dialogue = Dialogue(rounds)
    for requests in dialogue:
        if found_labels and any(r.kind == "records" for r in requests):
            raise ValueError(
                "Records show how many rows each class has: labels that are found privately do not allow it."
            )
        for request in requests:
            if request.columns is not None:
                domain, target = encoded_as(domain, target, request.columns)
        answers = curator.answer([replace(r, share=r.share * share) for r in requests], domain, target)
        measured += answers
        dialogue.answer(answers)
    return measured, domain, target


@dataclass(frozen=True)
class Prepared:
    """A fit that passed all checks and is not paid for: `measure` debits it, and nothing refuses it after that."""

    curator: Curator
    context: PlanContext
    left: float
    n_labels: int
    labels_delta: float
    levels_delta: float


def prepare(
    source: RowSource,
    domain: Domain | None,
    target: Column | None,
    mechanism: Any,
    projections: Any,
    budget: Budget,
    noise: NoiseSource,
    *,
    seed: int,
    transport: dict[str, Any],
    n_jobs: int | None = None,
) -> Prepared:
    """Refuse a fit that could need more than it may; reads no row and spends nothing. Parameters as for `measure`."""
    source.check_workers(n_jobs)
    find_classes = is_undeclared(target)
    n_found = 0 if domain is None else len(domain.undeclared)
    labels_delta = LABELS_DELTA_SHARE * budget.delta if find_classes else 0.0
    levels_delta = LEVELS_DELTA_SHARE * budget.delta if n_found else 0.0
    curator = Curator(source, budget, noise, threshold_delta=labels_delta + levels_delta, n_jobs=n_jobs)
    left = 1.0 - BOUNDS_SHARE * (domain is None) - LABELS_SHARE * find_classes - LEVELS_SHARE * (n_found > 0)
    mu, slack = curator.mu * float(np.sqrt(left)), PLAN_SLACK * curator.slack.epsilon
    columns = made_up_domain(source.n_features) if domain is None else domain
    context = PlanContext.of(columns, target, mu, budget.neighbours, seed, projections, slack)
    others = [
        *([of_bounds(source.n_features, budget.neighbours)] if domain is None else []),
        *([of_labels(LABELS_SHARE, 1, budget.neighbours)] if find_classes else []),
        *([of_labels(LEVELS_SHARE, n_found, budget.neighbours)] if n_found else []),
    ]
    n_labels = check_plan(curator, source, mechanism, context, left, others, int(transport.get("n_particles", 0)))
    return Prepared(curator, context, left, n_labels, labels_delta, levels_delta)


def _listed(domain: Domain, source: RowSource, ready: Prepared, neighbours: str) -> tuple[Domain, Measurement]:
    """Return the domain with the levels that are found of columns that list none."""
    columns: dict[str, Column] = dict(domain)
    places = [domain.names.index(name) for name in domain.undeclared]
    found, measurement = find_levels(
        source, ready.curator, neighbours, places, LEVELS_SHARE, ready.levels_delta, ready.n_labels
    )
    for j, levels in zip(places, found, strict=True):
        column = domain.columns[j]
        assert isinstance(column, Categories)
        columns[domain.names[j]] = with_levels(column, levels, source.types[j])
    return Domain(columns, constraints=domain.constraints), measurement


def measure(
    source: RowSource,
    domain: Domain | None,
    target: Column | None,
    mechanism: Any,
    projections: Any,
    budget: Budget,
    noise: NoiseSource,
    *,
    payer: Payer | None = None,
    seed: int,
    transport: dict[str, Any],
    n_jobs: int | None = None,
) -> Release:
    """Carry out a mechanism's plan on the rows."""
    if isinstance(target, Interval):
        target = target.without_grid()
    ready = prepare(
        source, domain, target, mechanism, projections, budget, noise, seed=seed, transport=transport, n_jobs=n_jobs
    )
    curator, left = ready.curator, ready.left
    find_classes = is_undeclared(target)
    head = None
    if payer is not None:
        what = f"fit ({budget.epsilon:g}, {budget.delta:g})"
        try:
            head = payer.debit(curator.whole_event, what, neighbours=budget.neighbours)
        except BudgetExceededError as error:
            if not noise.private:
                raise BudgetExceededError(f"{error} Nothing fits while noise_random_state is set.") from None
            assert isinstance(payer, PrivacyLedger | Resting)  # others have no limit
            thresholds = ready.labels_delta + ready.levels_delta
            fits = payer.affordable(budget.delta, budget.accountant, threshold_delta=thresholds)
            advice = f"epsilon={fits:.4g} would fit" if fits else "no epsilon would fit; a smaller one may leave room"
            raise BudgetExceededError(f"{error} With delta={budget.delta:g}, {advice}.") from None
    measured: list[Measurement] = []

    if domain is None:
        grid = {"grid": BOUNDS_GRID, "n_columns": source.n_features}
        found = curator.answer([Request("bounds", "bounds", BOUNDS_SHARE, grid)], None, None)
        names = [str(source.name(j)) for j in range(source.n_features)]
        domain = Domain(dict(zip(names, bounds_from_histogram(found[0]), strict=True)))
        measured += found
    if find_classes:
        labels, measurement = find_labels(
            source, curator, budget.neighbours, LABELS_SHARE, ready.labels_delta, ready.n_labels
        )
        target = Categories(labels) if labels else None
        measured.append(measurement)
    if domain.undeclared:
        domain, measurement = _listed(domain, source, ready, budget.neighbours)
        measured.append(measurement)

    context = ready.context.about(domain, target)
    answers, domain, target = converse(
        curator, mechanism.plan(context), left, domain, target, found_labels=find_classes
    )
    measured += answers

    return Release(
        domain=domain if source.declared is None else put_back(domain, source.declared),
        target=target,
        schema=source.table_schema,
        neighbours=budget.neighbours,
        epsilon=budget.epsilon,
        delta=budget.delta,
        accountant=budget.accountant_name,
        event=curator.filter.event,
        cap=curator.whole_event,
        mechanism=mechanism.describe(),
        measurements=tuple(measured),
        transport={**transport, "seed": seed},
        private=noise.private,
        ledger=head,
    )
