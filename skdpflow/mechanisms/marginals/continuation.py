"""How a Release of marginals is improved by a further budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from skdpflow.accountants.base import tally
from skdpflow.accountants.gaussian import total_mu
from skdpflow.mechanisms.marginals import allocation as policy
from skdpflow.mechanisms.marginals.adaptive import (
    ask_factorial,
    ask_pairs,
    ask_partitions,
    slices_request,
    subcomponent_requests,
)
from skdpflow.mechanisms.marginals.demands import of_factorial, of_pairs, of_partitions, of_slices, of_subcomponents
from skdpflow.mechanisms.marginals.factorial import FACTORIAL, partitions_measured
from skdpflow.mechanisms.marginals.state import SUBCOMPONENTS, MarginalsState
from skdpflow.release import Release
from skdpflow.release.pooling import groups, n_fits, pool, pooled
from skdpflow.release.request import Demand, PlanContext, Request, Rounds

#: Less than this share of what may be spent is not worth a measurement.
LEAST_SHARE = 0.01
#: Measurements that are no part of the mechanism's own budget.
NOT_OWN = ("bounds", "labels", "levels", "validation")


def continue_rounds(context: PlanContext, release: Release, allocate: Callable[..., policy.Allocation]) -> Rounds:
    """Ask for what the budget of all fits together would have measured, less what was paid for already.

    Notes
    -----
    Bins and the latent space stay those of the first fit, so that the counts match. What led to them, moments of
    columns and the histogram of a numeric target, has done its work and is not measured again. Partitions are
    grown anew on the better model, for the share that the whole budget would give them: those of the worse one are
    kept, but worth less.
    """
    shares, allocation, n_new = _shares(context, release, allocate)
    earlier, again = pooled(release), groups(release)
    state = MarginalsState.of(earlier)
    repeated = [Request(m.name, m.kind, shares[m.name], m.params) for m in earlier.measurements if m.name in shares]
    if repeated:
        answers = yield repeated
        better = {m.name: pool([*again[m.name], m]) for m in answers}
        earlier = replace(earlier, measurements=tuple(better.get(m.name, m) for m in earlier.measurements))
        state = MarginalsState.of(earlier)
    component = {key: state.mean.params[key] for key in ("n_components", "component_edges") if key in state.mean.params}
    latent, suffix = {**component, **state.transform.to_params()}, f"+{n_fits(release) + 1}"

    cut, slices = list[Request](), list[Request]()
    if SUBCOMPONENTS[-1] in shares and not state.subcomponents:
        ball = {**latent, "radius": state.mean.params["radius"], "steps": state.mean.params["steps"]}
        share = sum(shares.get(name, 0.0) for name in SUBCOMPONENTS)
        cut = subcomponent_requests(state, ball, allocation.n_cuts, share)
    if "slices" in shares and state.slices is None:
        slices = [slices_request(context, state, latent, allocation.n_slices, shares["slices"])]
    if cut or slices:
        answers = yield [*cut, *slices]
        state = replace(
            state,
            subcomponents=tuple(answers[: len(cut)]) or state.subcomponents,
            slices=answers[-1] if slices else state.slices,
        )
    if n_new and "new pairs" in shares:
        choice = allocation.selection / (allocation.selection + allocation.pairs)
        share = shares["new pairs"]
        new = yield from ask_pairs(context, state, latent, n_new, share * choice, share * (1.0 - choice), suffix=suffix)
        state = replace(state, pairs=(*state.pairs, new))
    grown = partitions_measured(earlier)[0]
    if "new partitions" in shares:
        share = shares["new partitions"]
        yield from ask_partitions(context, state, latent, allocation, share, earlier=grown, suffix=suffix)
    if FACTORIAL in shares and FACTORIAL not in earlier:
        yield from ask_factorial(context, state, latent, allocation, shares[FACTORIAL])


def continuation_demands(
    context: PlanContext, release: Release, allocate: Callable[..., policy.Allocation]
) -> list[Demand]:
    """Return the most that the rounds of `more` after the first may ask for."""
    shares, allocation, n_new = _shares(context, release, allocate)
    earlier, neighbours = MarginalsState.of(pooled(release)), context.neighbours
    d, n_components, out = len(context.columns), len(earlier.sizes), []
    n_groups = policy.n_groups(n_components, ordered=context.numeric_target)
    if SUBCOMPONENTS[-1] in shares and not earlier.subcomponents:
        share = sum(shares.get(name, 0.0) for name in SUBCOMPONENTS)
        out += of_subcomponents(
            share, allocation.n_cuts, d, n_components, int(earlier.mean.params["steps"]), neighbours
        )
    if "slices" in shares and earlier.slices is None:
        out.append(of_slices(shares["slices"], allocation.n_slices, n_components, neighbours))
    if n_new and "new pairs" in shares:
        choice = allocation.selection / (allocation.selection + allocation.pairs) * shares["new pairs"]
        out += of_pairs(choice, shares["new pairs"] - choice, n_new, d, n_components, neighbours)
    if "new partitions" in shares:
        share, in_round = shares["new partitions"] / allocation.n_rounds, allocation.most_in_round
        out += allocation.n_rounds * [of_partitions(share, in_round, allocation.depth, n_groups, neighbours)]
    if FACTORIAL in shares and FACTORIAL not in release:
        out.append(of_factorial(shares[FACTORIAL], allocation.n_bits, n_groups, neighbours))
    return out


def _shares(
    context: PlanContext, release: Release, allocate: Callable[..., policy.Allocation]
) -> tuple[dict[str, float], policy.Allocation, int]:
    """Divide what may be spent now; return also the allocation of the whole budget, and its number of new tables."""
    earlier, again = pooled(release), groups(release)
    spent = {name: sum(total_mu(tally(m.event)) ** 2 for m in same) for name, same in again.items()}
    mu = float(np.sqrt(context.mu**2 + sum(cost for name, cost in spent.items() if name not in NOT_OWN)))
    state, d = MarginalsState.of(earlier), len(context.columns)
    locating = sum(cost for name, cost in spent.items() if name.startswith("location")) / mu**2
    allocation = allocate(float(state.sizes.sum()), n_components=len(state.sizes), mu=mu, locating=locating)

    # what each statistic lacks of what the whole budget would have given it
    tables = {m.name: len(m.params["pairs"]) for m in state.pairs}
    known = sum(tables.values())
    n_new = max(min(allocation.n_pairs, d * (d - 1) // 2) - known, 0)
    wanted = {
        "counts": policy.FIRST_SHARES["counts"],
        "histograms": allocation.histograms,
        "mean": allocation.mean,
        "second_moment": allocation.second_moment,
        **dict(
            zip(
                SUBCOMPONENTS,
                (share * allocation.subcomponents for share in policy.SUBCOMPONENT_SHARES.values()),
                strict=True,
            )
        ),
        "slices": allocation.slices,
        **{name: allocation.pairs * k / (known + n_new) for name, k in tables.items()},
        "new pairs": (allocation.pairs + allocation.selection) * n_new / max(known + n_new, 1),
        "new partitions": allocation.partitions,
        FACTORIAL: allocation.factorial,
    }
    lacks = {name: share * mu**2 - spent.get(name, 0.0) for name, share in wanted.items()}
    lacks = {name: lack for name, lack in lacks.items() if lack > LEAST_SHARE * context.mu**2}
    return {name: lack / sum(lacks.values()) for name, lack in lacks.items()}, allocation, n_new
