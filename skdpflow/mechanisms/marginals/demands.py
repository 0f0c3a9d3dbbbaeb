"""The most that the rounds of the marginals mechanism may ask for, whatever is released: known before the first one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from skdpflow.domain import Column, Interval
from skdpflow.mechanisms.marginals import allocation as policy
from skdpflow.mechanisms.marginals import locate
from skdpflow.mechanisms.marginals.histograms import bin_edges
from skdpflow.mechanisms.marginals.locate import MOST_ISOLATED, most_bins, wants_locating
from skdpflow.release.request import Demand, PlanContext
from skdpflow.release.sensitivity import of_ball, of_ones, of_score, of_squares

#: Cells into which a numeric target is cut at most, if the policy chooses, and bins of its own histogram.
TARGET_BINS, TARGET_HISTOGRAM_BINS = policy.TARGET_BINS[1], 64


def all_demands(
    context: PlanContext, allocations: Sequence[policy.Allocation], steps: int, n_bins: int | None, n_components: int
) -> list[Demand]:
    """Return the demands of all rounds, over all allocations that the released number of rows may lead to."""
    columns, neighbours = context.columns, context.neighbours
    d, n_groups = len(columns), policy.n_groups(n_components, ordered=context.numeric_target)
    numeric = sum(isinstance(c, Interval) for c in columns)
    bins = n_bins or max(r.n_bins for r in allocations)
    values = max(bins, *(r.n_values for r in allocations))

    first = policy.FIRST_SHARES
    out = [_ones(first["counts"], 1, context.n_classes + 1, neighbours)]  # labels that are not declared are counted
    if numeric:
        out.append(Demand(first["column_moments"], of_ball(steps, neighbours), 2 * numeric, 2 * numeric))
    out += of_locations(columns, neighbours)
    if context.numeric_target:
        n_bins = _most_histogram_bins(columns[-1], TARGET_HISTOGRAM_BINS, TARGET_HISTOGRAM_BINS)
        out.append(_ones(policy.TARGET_SHARE, 1, n_bins, neighbours))
    width = sum(_most_histogram_bins(c, bins, values) for c in columns)
    out.append(_ones(min(r.histograms for r in allocations), d, n_components * width, neighbours))
    out += _moments(
        min(r.mean for r in allocations), min(r.second_moment for r in allocations), d, n_components, steps, neighbours
    )
    if cut := [r for r in allocations if r.n_cuts]:
        out += of_subcomponents(
            min(r.subcomponents for r in cut), max(r.n_cuts for r in cut), d, n_components, steps, neighbours
        )
    if sliced := [r for r in allocations if r.n_slices]:
        out.append(of_slices(min(r.slices for r in sliced), max(r.n_slices for r in sliced), n_components, neighbours))
    if paired := [r for r in allocations if r.n_pairs]:
        n_pairs = max(r.n_pairs for r in paired)
        shares = min(r.selection for r in paired), min(r.pairs for r in paired)
        out += of_pairs(*shares, n_pairs, d, n_components, neighbours)
    if parted := [r for r in allocations if r.n_partitions]:
        n_rounds, depth = max(r.n_rounds for r in parted), max(r.depth for r in parted)
        share = min(r.partitions / r.n_rounds for r in parted)
        in_round = max(r.most_in_round for r in parted)
        out += n_rounds * [of_partitions(share, in_round, depth, n_groups, neighbours)]
    if crossed := [r for r in allocations if r.n_bits]:
        share, n_bits = min(r.factorial for r in crossed), max(r.n_bits for r in crossed)
        out.append(of_factorial(share, n_bits, n_groups, neighbours))
    return out


def _most_histogram_bins(column: Column, n_bins: int, n_values: int) -> int:
    """Return the most bins of a column's histogram, those of what lies outside among them."""
    return len(bin_edges(column, n_bins, n_values)) - 1 + (4 * n_bins if wants_locating(column) else 0)


def of_locations(columns: Sequence[Column], neighbours: str) -> list[Demand]:
    """Return the demands of the rounds that locate columns."""
    located = [c for c in columns if isinstance(c, Interval) and wants_locating(c)]
    out, most = [], [most_bins(c) for c in located]
    for k, share in enumerate(locate.LOCATION_ROUNDS):
        n_bins = sorted((own[k] for own in most if own[k]), reverse=True)
        if k >= len(policy.LOCATION_SHARES):
            n_bins = n_bins[:MOST_ISOLATED]
        if n_bins:
            out.append(_ones(share * len(n_bins) / len(located), len(n_bins), sum(n_bins), neighbours))
    return out


def _ones(share: float, n: int, n_integers: int, neighbours: str) -> Demand:
    return Demand(share, of_ones(n, neighbours), n, n_integers)


def _moments(mean: float, second: float, d: int, n_components: int, steps: int, neighbours: str) -> list[Demand]:
    products = d * (d + 1) // 2
    return [
        Demand(mean, of_ball(steps, neighbours), d, n_components * d),
        Demand(second, of_squares(steps, neighbours), products, n_components * products),
    ]


def of_subcomponents(share: float, n_cuts: int, d: int, n_components: int, steps: int, neighbours: str) -> list[Demand]:
    """Return the demands of the subcomponents."""
    counts, mean, second = (own * share for own in policy.SUBCOMPONENT_SHARES.values())
    n_parts = n_components << n_cuts
    return [_ones(counts, 1, n_parts, neighbours), *_moments(mean, second, d, n_parts, steps, neighbours)]


def of_slices(share: float, n_slices: int, n_components: int, neighbours: str) -> Demand:
    """Return the demand of sliced histograms."""
    return _ones(share, n_slices, n_components * n_slices * policy.SLICE_BINS, neighbours)


def of_pairs(selection: float, share: float, n_pairs: int, d: int, n_components: int, neighbours: str) -> list[Demand]:
    """Return the demands of choosing pairs among all, and of their tables."""
    n_pairs = min(n_pairs, d * (d - 1) // 2)
    # fewer components may have more bins
    entries = max(n * max(policy.n_pair_bins(d, n), 1) ** 2 for n in range(1, n_components + 1))
    return [
        Demand(selection, of_score(neighbours), 0, entries * d**2, n_choices=n_pairs),
        _ones(share, n_pairs, n_pairs * entries, neighbours),
    ]


def of_partitions(share: float, n_partitions: int, depth: int, n_groups: int, neighbours: str) -> Demand:
    """Return the demand of partitions, whose cuts are public."""
    return _ones(share, n_partitions, n_partitions * (n_groups + 1) << depth, neighbours)


def of_factorial(share: float, n_bits: int, n_groups: int, neighbours: str) -> Demand:
    """Return the demand of a factorial table, whose cuts are public."""
    return _ones(share, 1, (n_groups + 1) << n_bits, neighbours)


def total_slack(demands: Iterable[Demand], context: PlanContext) -> float:
    """Return the epsilon of the floating-point slack that the noise of all demands uses."""
    return sum(demand.slack(context.mu, context.neighbours) for demand in demands)
