"""The most that the rounds of the marginals mechanism may ask for, whatever is released: known before the first one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from skdpflow.domain import Interval
from skdpflow.mechanisms.marginals import allocation as policy
from skdpflow.mechanisms.marginals.histograms import bin_edges
from skdpflow.mechanisms.marginals.locate import most_cells, wants_locating
from skdpflow.mechanisms.marginals.partitions import WIDTH
from skdpflow.release.request import Demand, Public
from skdpflow.release.sensitivity import of_ball, of_ones, of_score, of_squares

#: Cells into which a numeric target is cut at most, if the policy chooses, and bins of its own histogram.
TARGET_CELLS, TARGET_BINS = 8, 64


def all_demands(
    public: Public, regimes: Sequence[policy.Regime], steps: int, n_bins: int | None, n_leaves: int
) -> list[Demand]:
    """Return the demands of all rounds, over all regimes that the released number of rows may lead to.

    Parameters
    ----------
    public : Public
        What is known beforehand.
    regimes : sequence of Regime
        Those of `skdpflow.mechanisms.marginals.allocation.all_regimes`.
    steps : int
        Steps of a radius.
    n_bins : int or None
        Parameter of the mechanism.
    n_leaves : int
        Most parts of the rows.

    Returns
    -------
    demands : list of Demand
        Of each statistic, with the least share and the largest number of coordinates of any regime.
    """
    columns, d_x, neighbours = public.columns, len(public.domain), public.neighbours
    d, numeric_target = len(columns), len(columns) > d_x
    numeric = sum(isinstance(c, Interval) for c in columns)
    located = [c for c in columns if wants_locating(c)]
    bins = n_bins or max(r.n_bins for r in regimes)
    values = max(bins, *(r.n_values for r in regimes))

    first = policy.FIRST_SHARES
    out = [_ones(first["counts"], 1, public.n_classes, neighbours)]
    if numeric:
        out.append(Demand(first["column_moments"], of_ball(steps, neighbours), 2 * numeric, 2 * numeric))
    if located:
        cells = sum(most_cells(c) for c in located if isinstance(c, Interval))
        out += [_ones(share, len(located), cells, neighbours) for share in policy.LOCATION_SHARES]
    if numeric_target:
        out.append(_ones(policy.TARGET_SHARE, 1, TARGET_BINS, neighbours))
    width = sum(len(bin_edges(c, bins, values)) - 1 + (4 * bins if wants_locating(c) else 0) for c in columns)
    out.append(_ones(min(r.histograms for r in regimes), d, n_leaves * width, neighbours))
    out += _moments(min(r.mean for r in regimes), min(r.second_moment for r in regimes), d, n_leaves, steps, neighbours)
    if cut := [r for r in regimes if r.n_cuts]:
        out += of_cells(min(r.cells for r in cut), max(r.n_cuts for r in cut), d, n_leaves, steps, neighbours)
    if sliced := [r for r in regimes if r.n_slices]:
        out.append(of_slices(min(r.slices for r in sliced), max(r.n_slices for r in sliced), n_leaves, neighbours))
    if paired := [r for r in regimes if r.n_pairs]:
        n_pairs = max(r.n_pairs for r in paired)
        shares = min(r.selection for r in paired), min(r.pairs for r in paired)
        out += of_pairs(*shares, n_pairs, d_x, n_leaves, neighbours)
    if parted := [r for r in regimes if r.n_partitions]:
        share, n_cells = min(r.partitions for r in parted), max(r.n_cells for r in parted)
        out.append(of_partitions(share, max(r.n_partitions for r in parted), d_x, n_leaves * n_cells, neighbours))
    return out


def _ones(share: float, n: int, n_integers: int, neighbours: str) -> Demand:
    return Demand(share, of_ones(n, neighbours), n, n_integers)


def _moments(mean: float, second: float, d: int, n_leaves: int, steps: int, neighbours: str) -> list[Demand]:
    products = d * (d + 1) // 2
    return [
        Demand(mean, of_ball(steps, neighbours), d, n_leaves * d),
        Demand(second, of_squares(steps, neighbours), products, n_leaves * products),
    ]


def of_cells(share: float, n_cuts: int, d: int, n_leaves: int, steps: int, neighbours: str) -> list[Demand]:
    """Return the demands of the cells of leaves."""
    counts, mean, second = (own * share for own in policy.CELL_SHARES.values())
    n_cells = n_leaves << n_cuts
    return [_ones(counts, 1, n_cells, neighbours), *_moments(mean, second, d, n_cells, steps, neighbours)]


def of_slices(share: float, n_slices: int, n_leaves: int, neighbours: str) -> Demand:
    """Return the demand of sliced histograms."""
    return _ones(share, n_slices, n_leaves * n_slices * policy.SLICE_BINS, neighbours)


def of_pairs(selection: float, share: float, n_pairs: int, d: int, n_leaves: int, neighbours: str) -> list[Demand]:
    """Return the demands of choosing pairs among all, and of their tables."""
    n_pairs, bins = min(n_pairs, d * (d - 1) // 2), max(policy.n_pair_bins(d, n_leaves), 1)
    scored = n_leaves * (bins * d) ** 2
    return [
        Demand(selection, of_score(neighbours), 0, scored, n_choices=n_pairs),
        _ones(share, n_pairs, n_leaves * n_pairs * bins**2, neighbours),
    ]


def of_partitions(share: float, n_partitions: int, d: int, n_cells: int, neighbours: str) -> Demand:
    """Return the demand of partitions, whose cells are numbered in public tables."""
    return _ones(share, n_partitions, n_partitions * (n_cells + policy.PARTITION_BINS ** min(WIDTH, d)), neighbours)


def total_slack(demands: Iterable[Demand], public: Public) -> float:
    """Return the epsilon of the floating-point slack that the noise of all demands uses."""
    return sum(demand.slack(public.mu, public.neighbours) for demand in demands)
