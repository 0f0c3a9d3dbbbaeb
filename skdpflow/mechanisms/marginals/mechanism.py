"""The default mechanism: histograms, moments, slices, two-way tables and partitions, measured centrally."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from skdpflow._validation import check_int
from skdpflow.domain import Categories, Column, Interval
from skdpflow.mechanisms.marginals import allocation as policy
from skdpflow.mechanisms.marginals.adaptive import (
    ask_factorial,
    ask_pairs,
    ask_partitions,
    slices_request,
    subcomponent_requests,
)
from skdpflow.mechanisms.marginals.continuation import continuation_demands, continue_rounds
from skdpflow.mechanisms.marginals.demands import TARGET_BINS, all_demands, of_locations, total_slack
from skdpflow.mechanisms.marginals.histograms import (
    bin_edges,
    class_counts,
    component_sizes,
    latent_histograms,
    rank_transform,
    scales,
    target_bins,
)
from skdpflow.mechanisms.marginals.locate import ask_location
from skdpflow.mechanisms.marginals.outside import AxisHistograms
from skdpflow.mechanisms.marginals.state import MarginalsState
from skdpflow.mechanisms.marginals.tilted import tilted_model
from skdpflow.release import Measurement, Release
from skdpflow.release.implied import MAX_PARTITIONS
from skdpflow.release.request import Demand, PlanContext, Request, Rounds
from skdpflow.transport.model import Model
from skdpflow.transport.moments import variance_between

#: Least and largest value of each parameter.
LIMITS = {
    "n_bins": (2, 2**12),
    "n_slices": (0, 2**16),
    "n_pairs": (0, 2**16),
    "n_partitions": (0, MAX_PARTITIONS),
    "n_cuts": (0, 8),
    "n_factorial_bits": (0, 16),
    "n_target_bins": (1, 2**10),
}


class MarginalsMechanism(BaseEstimator):
    """Axis histograms, moments and sliced histograms per class, released once.

    Every statistic is a sum over rows in which one row changes little, so its relative noise falls as one over the
    number of rows. The flow that turns the release into a model is post-processing.

    Parameters
    ----------
    n_bins : int or None, default=None
        Bins of a numeric column, from 2 to 4096; None lets the policy choose.
    n_slices : int or None, default=None
        Number of sliced directions; None lets the policy choose, 0 measures none.
    n_pairs : int or None, default=None
        Number of two-way tables; None lets the policy choose, 0 measures none.
    n_partitions : int or None, default=None
        Number of partitions whose regions are counted, at most 4096; None lets the policy choose, 0 measures none.
    n_cuts : int or None, default=None
        Cuts of each class along its own principal directions, into ``2**n_cuts`` subcomponents with moments of their
        own, at most 8; None lets the policy choose, 0 makes none.
    n_factorial_bits : int or None, default=None
        Bits of the cells of the factorial table, which counts rows by coarse bins of so many columns at once, at most
        16; None lets the policy choose, 0 measures none.
    n_target_bins : int or None, default=None
        Cells into which a numeric target is cut, from 1 to 1024, each with statistics of its own; None lets the
        policy choose.

    See Also
    --------
    skdpflow.mechanisms.RecordsMechanism : The mechanism of the paper.
    skdpflow.mechanisms.marginals.allocation : Shares, bins and radii, with their reasons.

    Notes
    -----
    Rounds: class counts (for a numeric target its histogram, whose quantiles cut it into bins that serve as classes);
    axis histograms per class, which give the rank transform of each column; mean and second moment per class of
    the transformed, ball-clipped rows; the same per subcomponent, where classes are cut into subcomponents; sliced
    histograms per class, if wanted; two-way tables per class of the pairs of columns that the model so far predicts
    worst, which are selected privately; counts in the regions of partitions, which are k-d trees that are grown on rows
    of the model so far, for a numeric target in two rounds; counts in the cells of one factorial table, which cuts up
    to twelve columns at their medians, and shows dependence of many columns at once that no few of them show. Each is
    decided from what was released before.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow import DPSlicedWassersteinFlow
    >>> from skdpflow.mechanisms import MarginalsMechanism
    >>> X = np.random.default_rng(0).uniform(size=(500, 2))
    >>> flow = DPSlicedWassersteinFlow(domain=(0, 1), mechanism=MarginalsMechanism(n_bins=16), random_state=0)
    >>> flow.fit(X).sample(3, random_state=0).shape
    (3, 2)
    """

    def __init__(
        self,
        n_bins: int | None = None,
        n_slices: int | None = None,
        n_pairs: int | None = None,
        n_partitions: int | None = None,
        n_cuts: int | None = None,
        n_factorial_bits: int | None = None,
        n_target_bins: int | None = None,
    ) -> None:
        self.n_bins = n_bins
        self.n_slices = n_slices
        self.n_pairs = n_pairs
        self.n_partitions = n_partitions
        self.n_cuts = n_cuts
        self.n_factorial_bits = n_factorial_bits
        self.n_target_bins = n_target_bins

    def check(self, target: Column | None, neighbours: str) -> None:
        """Refuse parameters that are not valid, before any row is read.

        Parameters
        ----------
        target : Interval, Categories or None
            What y is.
        neighbours : {"add-remove", "replace-one"}
            The neighbouring relation.

        Raises
        ------
        ValueError
            If a parameter is not valid.
        """
        for name, (low, high) in LIMITS.items():
            if (value := getattr(self, name)) is not None:
                check_int(type(self).__name__, name, value, low, high)

    def describe(self) -> dict[str, Any]:
        """Return name and parameters, as JSON can hold them.

        Returns
        -------
        description : dict
            With the key ``"name"`` and the constructor's parameters.
        """
        return {"name": "marginals", **self.get_params(deep=False)}

    # ------------------------------------------------------------------ what is measured

    def plan(self, context: PlanContext) -> Rounds:
        """Ask for measurements, round by round.

        Parameters
        ----------
        context : PlanContext
            What is known beforehand.

        Yields
        ------
        requests : list of Request
            A round; its measurements are sent back.
        """
        columns, (steps, left_out) = context.columns, self._thrift(context)
        d = len(columns)
        shares = policy.FIRST_SHARES

        # how many rows, and in which classes
        component: dict[str, Any] = {"n_components": context.n_classes}
        unlisted = {**component, "unlisted": isinstance(context.target, Categories)}
        counts, located, locating = yield from ask_location(
            context, Request("counts", "counts", shares["counts"], unlisted)
        )
        n = max(float(class_counts(counts).sum()), 1.0)
        context = context.encoded_as(located)
        columns = located
        moments = column_moments(columns, steps)
        rest: list[Measurement] = []
        if context.numeric_target:
            rest = yield moments
            most = policy.n_target_histogram_bins(n, context.mu)
            edges = bin_edges(columns[-1], most, most)
            params: dict[str, Any] = {
                "n_components": 1,
                "columns": np.array([d - 1]),
                "edges": edges,
                "edge_sizes": np.array([len(edges)]),
            }
            (target,) = yield [Request("target", "histograms", policy.TARGET_SHARE, params)]
            n_bins = self.n_target_bins or policy.n_target_bins(n, context.mu, d)
            component = target_bins(target, rest[0], columns[-1], n_bins, n)
        allocation = self._allocate(n, context, int(component["n_components"]), locating=locating, **left_out)

        # how each column is distributed
        n_bins = self.n_bins or allocation.n_bins
        edge_list = [bin_edges(c, n_bins, max(n_bins, allocation.n_values)) for c in columns]
        params = {
            **component,
            "columns": np.arange(d),
            "edges": np.concatenate(edge_list),
            "edge_sizes": np.array([len(e) for e in edge_list]),
        }
        request = Request("histograms", "histograms", allocation.histograms, params)
        *own, histograms = yield [*([] if rest else moments), request]  # in one pass, unless a target came before
        rest += own

        # how the columns depend on each other
        transform = rank_transform(histograms, rest[0] if rest else None, columns, n)
        latent = {**component, **transform.to_params()}
        ball = {
            **latent,
            "radius": policy.LATENT_RADIUS * float(np.sqrt(d)),
            "steps": steps,
        }
        axes = AxisHistograms.of(histograms, columns, transform.layouts)
        sizes = component_sizes(counts, axes)
        between = variance_between(*latent_histograms(axes, transform), axes.sd, sizes)
        pooled = policy.pooled(allocation, between)
        mean, second = yield [
            Request("mean", "mean", allocation.mean, ball),
            Request("second_moment", "second_moment", allocation.second_moment, {**ball, "pooled": pooled}),
        ]

        state = MarginalsState(histograms, mean, second, None, (), transform, sizes, columns)
        n_cuts, n_slices = allocation.n_cuts, allocation.n_slices
        cut = subcomponent_requests(state, ball, n_cuts, allocation.subcomponents) if n_cuts else []
        slices = [slices_request(context, state, latent, n_slices, allocation.slices)] if n_slices else []
        if cut or slices:
            answers = yield [*cut, *slices]
            state = replace(state, subcomponents=tuple(answers[: len(cut)]))

        if allocation.n_pairs:
            tables = yield from ask_pairs(
                context, state, latent, allocation.n_pairs, allocation.selection, allocation.pairs
            )
            state = replace(state, pairs=(tables,))
        if allocation.n_partitions:
            yield from ask_partitions(context, state, latent, allocation, allocation.partitions)
        if allocation.n_bits:
            yield from ask_factorial(context, state, latent, allocation, allocation.factorial)

    def continue_plan(self, context: PlanContext, release: Release) -> Rounds:
        """Ask for what a larger budget would have measured, less what an earlier Release paid for.

        Parameters
        ----------
        context : PlanContext
            What is known beforehand; `mu` is what may be spent now.
        release : Release
            What was measured before.

        Yields
        ------
        requests : list of Request
            A round. Requests with the names of earlier measurements repeat these.
        """
        yield from continue_rounds(
            context, release, partial(self._allocate, context=context, **self._thrift(context)[1])
        )

    def continue_demands(self, context: PlanContext, release: Release) -> list[Demand]:
        """Return the most that the rounds of `continue_plan` after the first may ask for.

        Parameters
        ----------
        context : PlanContext
            What is known beforehand.
        release : Release
            What was measured before.

        Returns
        -------
        demands : list of Demand
            One of each new statistic.
        """
        return continuation_demands(
            context, release, partial(self._allocate, context=context, **self._thrift(context)[1])
        )

    def demands(self, context: PlanContext) -> list[Demand]:
        """Return the most that `plan` may ask for, whatever is released along the way.

        Parameters
        ----------
        context : PlanContext
            What is known beforehand.

        Returns
        -------
        demands : list of Demand
            One of each statistic.
        """
        steps, left_out = self._thrift(context)
        return self._demands(context, steps, **left_out)

    def most_components(self, context: PlanContext) -> int:
        """Return the most components into which rows may be parted: classes, or ranges of a numeric target.

        Parameters
        ----------
        context : PlanContext
            What is known beforehand.

        Returns
        -------
        n_components : int
            At least 1.
        """
        return (self.n_target_bins or TARGET_BINS) if isinstance(context.target, Interval) else context.n_classes

    def _demands(self, context: PlanContext, steps: int, **left_out: int) -> list[Demand]:
        wanted = self._wanted(context, 1) | left_out
        allocations = policy.all_allocations(context.mu, len(context.columns), **wanted)
        return all_demands(context, allocations, steps, self.n_bins, self.most_components(context))

    def _thrift(self, context: PlanContext) -> tuple[int, dict[str, int]]:
        """Choose what the floating-point slack has room for where columns are many.

        Returns the steps of the lattice of the moments, which gets coarser first, and what is not measured: first
        subcomponents, then slices, both of which pay for very many rows only.
        """

        def fits(steps: int, **left_out: int) -> bool:
            return total_slack(self._demands(context, steps, **left_out), context) <= context.slack

        steps, least = policy.lattice_steps(context.mu), 2 * policy.least_steps(len(context.columns))
        while steps >= least and not fits(steps):
            steps //= 2
        left_out: dict[str, int] = {}
        for name in ("n_cuts", "n_slices"):
            if getattr(self, name) is None and not fits(steps, **left_out):  # what was asked for is refused instead
                left_out[name] = 0
        return steps, left_out

    def _allocate(
        self,
        n: float,
        context: PlanContext,
        n_components: int,
        mu: float | None = None,
        locating: float | None = None,
        **left_out: int,
    ) -> policy.Allocation:
        """Choose what to measure of about n rows."""
        wanted = self._wanted(context, n_components, locating) | left_out
        return policy.allocate(n, context.mu if mu is None else mu, len(context.columns), n_components, **wanted)

    def _wanted(self, context: PlanContext, n_components: int, locating: float | None = None) -> dict[str, Any]:
        """Return what the policy has to respect: parameters, and what few columns or many components rule out."""
        d = len(context.columns)
        if locating is None:
            locating = sum(demand.share for demand in of_locations(context.columns, context.neighbours))
        target = policy.TARGET_SHARE if context.numeric_target else 0.0
        return {
            "spent": sum(policy.FIRST_SHARES.values()) + target + locating,
            "ordered": context.numeric_target,
            "n_slices": self.n_slices,
            "n_pairs": 0 if d < 2 or policy.n_pair_bins(d, n_components) < 2 else self.n_pairs,
            "n_partitions": 0 if d < 2 else self.n_partitions,
            "n_cuts": None if self.n_cuts is None else min(self.n_cuts, d),
            "n_bits": 0 if d < 3 else self.n_factorial_bits,
        }

    # ------------------------------------------------------------------ what is made of it

    def learn(self, release: Release) -> Model:
        """Learn the model: a deterministic function of the Release.

        Parameters
        ----------
        release : Release
            What was measured, and the parameters of the transport.

        Returns
        -------
        model : Model
            What `sample` and `score_samples` use.
        """
        state, transport = MarginalsState.of(release), release.transport
        seed, n_particles = int(transport["seed"]), int(transport["n_particles"])
        learnt = state.learn(seed, n_particles, int(transport["n_steps"]), float(transport["step_size"]))
        return tilted_model(release, state, learnt)


def column_moments(columns: Sequence[Column], steps: int) -> list[Request]:
    """Ask for the first two moments of the numeric columns, if there are any, on the scale of what was located."""
    numeric = np.array([j for j, c in enumerate(columns) if isinstance(c, Interval)], dtype=np.int64)
    if not numeric.size:
        return []
    params = {
        "columns": numeric,
        **scales([columns[j] for j in numeric]),
        "radius": policy.COLUMN_RADIUS * float(np.sqrt(len(numeric))),
        "steps": steps,
    }
    return [Request("column_moments", "column_moments", policy.FIRST_SHARES["column_moments"], params, tuple(columns))]
