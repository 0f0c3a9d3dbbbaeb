"""Later rounds of the marginals mechanism: what is asked for depends on the model so far."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.mechanisms.marginals import allocation as policy
from skdpflow.mechanisms.marginals.factorial import FACTORIAL, factorial_params
from skdpflow.mechanisms.marginals.partitions import grow_partitions
from skdpflow.mechanisms.marginals.slices import slice_params
from skdpflow.mechanisms.marginals.state import SELECTION_PARTICLES, SUBCOMPONENTS, MarginalsState
from skdpflow.mechanisms.marginals.subcomponents import subcomponent_params
from skdpflow.mechanisms.marginals.tables import orient, pair_bins, predictions
from skdpflow.mechanisms.marginals.tilted import tilted_particles
from skdpflow.release import Measurement
from skdpflow.release.request import PlanContext, Request

#: A part of a plan that ends with one measurement.
Asking = Generator[list[Request], list[Measurement], Measurement]

#: What is added to the expected score of a pair whose table is known: it is never chosen again.
NEVER = 2.0**35


def _particles(context: PlanContext, state: MarginalsState) -> Iterator[NDArray[np.float64]]:
    """Yield particles of one component after the other under the model so far."""
    return (particles for _, particles in state.learn(context.seed, SELECTION_PARTICLES, 1, 1.0))


def subcomponent_requests(state: MarginalsState, ball: Mapping[str, Any], n_cuts: int, share: float) -> list[Request]:
    """Return requests for counts and moments of the subcomponents that components are cut into."""
    params = {**ball, **subcomponent_params(*state.moments(), state.sizes, n_cuts), "pooled": False}
    kinds = ("counts", "mean", "second_moment")
    return [
        Request(name, kind, policy.SUBCOMPONENT_SHARES[kind] * share, params)
        for name, kind in zip(SUBCOMPONENTS, kinds, strict=True)
    ]


def slices_request(
    context: PlanContext, state: MarginalsState, latent: Mapping[str, Any], n_slices: int, share: float
) -> Request:
    """Return the request for sliced histograms along directions that follow from the moments."""
    own = slice_params(context, state.mean, state.second, state.sizes, n_slices)
    return Request("slices", "slices", share, {**latent, **own})


def ask_pairs(
    context: PlanContext,
    state: MarginalsState,
    latent: Mapping[str, Any],
    n_pairs: int,
    selection: float,
    share: float,
    *,
    suffix: str = "",
) -> Asking:
    """Ask for two-way tables of the pairs of columns that the model so far predicts worst.

    Where nothing can be chosen privately, those are taken whose released moments depend on each other most.
    """
    d = len(context.columns)
    bins = pair_bins(state.transform, state.axes.edges, policy.n_pair_bins(d, len(state.sizes)))
    taken = np.concatenate([np.zeros((0, 2), dtype=np.int64), *(m.params["pairs"] for m in state.pairs)])
    pairs = np.column_stack(np.triu_indices(d, 1))
    known = (pairs[:, None] == np.sort(taken, axis=1)).all(axis=2).any(axis=1)
    pairs = pairs[~known]
    if n_pairs < len(pairs) and not context.chooses:
        pairs, share = strongest_pairs(state, pairs, n_pairs), share + selection
    elif n_pairs < len(pairs):
        # which pairs of columns the model gets wrong
        factor = 1.0 if context.neighbours == "add-remove" else 2.0
        noise = float(np.sqrt(factor * n_pairs / share)) / context.mu
        particles = _particles(context, state)
        weights = state.sizes / SELECTION_PARTICLES
        choice = {"k": n_pairs, **predictions(particles, weights, state.transform, bins, noise)}
        choice["baseline"][known] = NEVER
        params = {**latent, **bins, **choice}
        (selected,) = yield [Request(f"selected{suffix}", "select_pairs", selection, params)]
        pairs = selected.values
    else:
        share += selection
    params = {**latent, **bins, "pairs": orient(pairs, bins)}
    (tables,) = yield [Request(f"pairs{suffix}", "pairs", share, params)]
    return tables


def strongest_pairs(state: MarginalsState, pairs: NDArray[np.int64], n_pairs: int) -> NDArray[np.int64]:
    """Return the pairs of columns with the largest released correlations, those of large components first."""
    _, covariances = state.moments()
    sds = np.sqrt(np.einsum("cii->ci", covariances))
    squares = (covariances / (sds[:, :, None] * sds[:, None, :])) ** 2
    strength = (state.sizes / state.sizes.sum()) @ squares[:, pairs[:, 0], pairs[:, 1]]
    return pairs[np.sort(np.argsort(-strength, kind="stable")[:n_pairs])]


def ask_partitions(
    context: PlanContext,
    state: MarginalsState,
    latent: Mapping[str, Any],
    allocation: policy.Allocation,
    share: float,
    *,
    earlier: Sequence[Measurement] = (),
    suffix: str = "",
) -> Generator[list[Request], list[Measurement], None]:
    """Ask for counts in the regions of partitions, in rounds that are each grown on rows of the model so far."""
    n_rounds = allocation.n_rounds
    bins = pair_bins(state.transform, state.axes.edges, policy.PARTITION_BINS)
    known = list(earlier)
    for i in range(n_rounds):
        grown = grow_partitions(
            tilted_particles(state, known, context.seed) if known else _particles(context, state),
            state.sizes,
            state.transform,
            bins,
            (allocation.n_partitions + i) // n_rounds,
            allocation.depth,
            [context.seed, 3, len(known)],
            ordered=context.numeric_target,
        )
        name = f"partitions{i + 1 if i else ''}{suffix}"
        known += yield [Request(name, "partitions", share / n_rounds, {**latent, **bins, **grown})]


def ask_factorial(
    context: PlanContext, state: MarginalsState, latent: Mapping[str, Any], allocation: policy.Allocation, share: float
) -> Asking:
    """Ask for counts by coarse bins of many columns at once."""
    means, ordered = state.moments()[0], context.numeric_target
    cells = factorial_params(means, state.sizes, state.transform, allocation.n_bits, ordered=ordered)
    (table,) = yield [Request(FACTORIAL, "partitions", share, {**latent, **cells})]
    return table
