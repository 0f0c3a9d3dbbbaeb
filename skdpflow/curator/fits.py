"""Checks that a plan stays within the floating-point slack and the memory, before anything is spent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from skdpflow.accountants.slack import differing
from skdpflow.curator.kinds import KINDS
from skdpflow.curator.labels import MAX_LABELS
from skdpflow.curator.noise import MAX_SCALE
from skdpflow.curator.records import Records, check_size
from skdpflow.curator.selection import rounding_epsilon, selection_epsilon
from skdpflow.curator.statistics.pairs import PairScores
from skdpflow.domain import Column, Domain, Interval
from skdpflow.domain.categories import is_undeclared
from skdpflow.release.checks import MAX_NUMBERS, numbers_held
from skdpflow.release.discovery import BOUNDS_GRID, BOUNDS_SHARE, DEFAULT_BOUNDS
from skdpflow.release.request import Demand, PlanContext, Request
from skdpflow.release.sensitivity import of_ones

if TYPE_CHECKING:
    from skdpflow.curator.curator import Curator
    from skdpflow.curator.source import RowSource

#: Most integers that a fit may measure in all: a gibibyte.
MAX_INTEGERS = 2**27


def check_plan(
    curator: Curator,
    source: RowSource,
    mechanism: Any,
    context: PlanContext,
    left: float,
    others: Sequence[Demand],
    n_particles: int = 0,
) -> int:
    """Refuse a plan that could exceed the slack or the memory for some released values."""
    neighbours = context.neighbours

    def excess(context: PlanContext) -> str | None:
        own = [replace(d, share=d.share * left) for d in demands_of(mechanism, context, source)]
        held = numbers_held(n_particles, most_components(mechanism, context), len(context.columns))
        if 2 * held > MAX_NUMBERS:
            return f"more than {MAX_NUMBERS // 2} numbers for its model: use fewer particles, n_particles"
        return excess_of([*others, *own], curator.mu, curator.slack.epsilon, curator.slack.delta, neighbours)

    asked, n_labels = context, MAX_LABELS
    found = is_undeclared(asked.target)
    context = _listing(asked, n_labels)
    problem = excess(context)
    while (found or asked.domain.undeclared) and problem is not None and n_labels > 1:
        n_labels //= 2
        context = _listing(asked, n_labels)
        problem = excess(context)
    if problem is None:
        return n_labels
    width = len(context.domain)
    fits = _largest(width, lambda w: excess(replace(context, domain=_narrower(context.domain, w))) is None)
    classes = f" and {context.n_classes} classes" if context.n_classes > 1 and not found else ""
    advice = f"At most {fits} of these columns fit: use fewer" if fits else "Not even one column fits"
    smaller = [f"a smaller {name}" for name in _numbers_asked(mechanism)]
    instead = ", ".join([*(["fewer classes"] if classes else []), *smaller, "a larger epsilon or delta"])
    raise ValueError(
        f"A fit to {width} column(s){classes} could need {problem}. {advice}, or use {instead}. Nothing was spent."
    )


def _numbers_asked(mechanism: Any) -> list[str]:
    """Name the numbers of statistics that a mechanism was asked for."""
    asked = mechanism.get_params(deep=False) if hasattr(mechanism, "get_params") else {}
    return [name for name, value in asked.items() if name.startswith("n_") and isinstance(value, int) and value > 0]


def check_demands(curator: Curator, demands: Iterable[Demand], neighbours: str) -> None:
    """Refuse what would exceed the slack or the memory."""
    problem = excess_of(demands, curator.mu, curator.slack.epsilon, curator.slack.delta, neighbours)
    if problem is not None:
        raise ValueError(f"What is asked for could need {problem}. Use a larger epsilon or delta. Nothing was spent.")


def excess_of(demands: Iterable[Demand], mu: float, epsilon: float, delta: float, neighbours: str) -> str | None:
    """Return the limit that the demands exceed together, counted as in `Curator.draw` and `Curator.select`, or None."""
    demands = [d for d in demands if d.share > 0.0]
    largest = max((d.scale(mu) for d in demands if not d.n_choices), default=0.0)
    selections = 0.0
    for d in demands:
        if d.n_choices:
            each = selection_epsilon(mu * float(np.sqrt(d.share / d.n_choices)))
            selections += rounding_epsilon(d.n_choices, each, d.sensitivity)
    # a part in a thousand for the rounding of these sums
    if 1.001 * (sum(d.slack(mu, neighbours) for d in demands) + selections) > epsilon:
        return "more than the floating-point slack of the guarantee"
    if 1.001 * sum(differing(d.touched, neighbours) for d in demands) * 2.0**-60 > delta:
        return "more than the floating-point slack of the guarantee"
    if 1.001 * largest > MAX_SCALE:
        return f"noise beyond {MAX_SCALE:g} lattice units"
    if (n := sum(d.n_integers for d in demands)) > MAX_INTEGERS:
        return f"{n} integers, more than the {MAX_INTEGERS} (a gibibyte) that are measured"
    return None


def most_components(mechanism: Any, context: PlanContext) -> int:
    """Return into how many components a mechanism may part the rows; each has a model of its own."""
    own: Callable[[PlanContext], int] | None = getattr(mechanism, "most_components", None)
    return own(context) if callable(own) else context.n_classes


def demands_of(mechanism: Any, context: PlanContext, source: RowSource) -> list[Demand]:
    """Return what a mechanism may ask for, in shares of what its plan may spend."""
    own: Callable[[PlanContext], list[Demand]] | None = getattr(mechanism, "demands", None)
    return own(context) if callable(own) else of_requests(next(mechanism.plan(context), []), context.neighbours, source)


def of_requests(requests: Sequence[Request], neighbours: str, source: RowSource) -> list[Demand]:
    """Return the demands of requests; refuses those that cannot be answered."""
    out, records = [], []
    for request in requests:
        if request.kind == "select_pairs":
            scores = PairScores(request.params)
            entries = int(np.prod(scores.shape))
            out.append(Demand(request.share, scores.sensitivity(neighbours), 0, entries, n_choices=scores.k))
            continue
        if request.kind not in KINDS:
            raise ValueError(f"There is no statistic {request.kind!r}; there are {sorted([*KINDS, 'select_pairs'])}.")
        statistic = KINDS[request.kind](request.params)
        sensitivity = statistic.sensitivity(neighbours) * float(np.max(statistic.relative_scale))
        if isinstance(statistic, Records):
            records.append(statistic)
            touched, n_integers = statistic.n_directions, 0
        else:
            touched, n_integers = statistic.touched, int(np.prod(statistic.shape))
        out.append(Demand(request.share, sensitivity, touched, n_integers))
    check_size(source, records)
    return out


def of_bounds(n_columns: int, neighbours: str) -> Demand:
    """Return the demand of finding bounds."""
    return Demand(BOUNDS_SHARE, of_ones(n_columns, neighbours), n_columns, n_columns * (len(BOUNDS_GRID) + 1))


def of_labels(share: float, n_columns: int, neighbours: str) -> Demand:
    """Return the demand of finding labels, of which two a column may differ even if a row is added."""
    return Demand(share, of_ones(n_columns, neighbours), 2 * n_columns, 0)


def made_up_domain(n_columns: int) -> Domain:
    """Return as many columns as bounds are going to be found for."""
    return Domain({f"x{j}": Interval(*DEFAULT_BOUNDS) for j in range(n_columns)})


def _listing(context: PlanContext, n: int) -> PlanContext:
    """Return the same, with `n` levels wherever they are still to be found."""

    def listed(column: Any) -> Any:
        return column.listing(range(n)) if is_undeclared(column) else column

    domain = Domain({k: listed(c) for k, c in context.domain.items()})
    return replace(context, domain=domain, target=listed(context.target))


def _narrower(domain: Domain, width: int) -> Domain:
    columns: list[tuple[str, Column]] = list(domain.items())
    return Domain(dict(columns[:width]))


def _largest(width: int, fits: Callable[[int], bool]) -> int:
    """Return the largest number below `width` that fits, by halving; 0 if none does."""
    low, high = 0, width
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
