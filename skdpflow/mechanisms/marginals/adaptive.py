"""Later rounds of the marginals mechanism: what is asked for depends on the model so far."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import numpy as np

from skdpflow.mechanisms.marginals import allocation as policy
from skdpflow.mechanisms.marginals.cells import cell_params
from skdpflow.mechanisms.marginals.partitions import grow_partitions
from skdpflow.mechanisms.marginals.state import CELLS, SELECTION_PARTICLES, Learned
from skdpflow.mechanisms.marginals.tables import orient, pair_bins, predictions
from skdpflow.release import Measurement
from skdpflow.release.request import Public, Request

#: A part of a plan that ends with one measurement, or with several.
Asking = Generator[list[Request], list[Measurement], Measurement]
AskingMany = Generator[list[Request], list[Measurement], tuple[Measurement, ...]]

#: What is added to the expected score of a pair whose table is known: it is never chosen again.
NEVER = 2.0**35


def ask_cells(learned: Learned, ball: Mapping[str, Any], n_cuts: int, share: float) -> AskingMany:
    """Ask for counts and moments of the cells that leaves are cut into.

    Parameters
    ----------
    learned : Learned
        The model so far.
    ball : mapping
        Parameters of the leaves and of the transform, and the lattice of the moments.
    n_cuts : int
        Cuts of each leaf.
    share : float
        Share of mu**2.

    Yields
    ------
    requests : list of Request
        A round.

    Returns
    -------
    cells : tuple of Measurement
        Counts, mean and second moment.
    """
    params = {**ball, **cell_params(*learned.moments(), learned.sizes, n_cuts), "pooled": False}
    kinds = ("counts", "mean", "second_moment")
    cells = yield [
        Request(name, kind, policy.CELL_SHARES[kind] * share, params) for name, kind in zip(CELLS, kinds, strict=True)
    ]
    return tuple(cells)


def ask_pairs(
    public: Public,
    learned: Learned,
    latent: Mapping[str, Any],
    n_pairs: int,
    selection: float,
    share: float,
    *,
    suffix: str = "",
) -> Asking:
    """Ask for two-way tables of the pairs of columns that the model so far predicts worst.

    Parameters
    ----------
    public : Public
        What is known beforehand.
    learned : Learned
        The model so far; pairs whose tables it has are no candidates.
    latent : mapping
        Parameters of the leaves and of the transform.
    n_pairs : int
        How many. If no more candidates are left, all are taken without a selection.
    selection, share : float
        Shares of mu**2 for choosing and for measuring.
    suffix : str, default=""
        Added to the names of measurements.

    Yields
    ------
    requests : list of Request
        A round.

    Returns
    -------
    tables : Measurement
    """
    d = len(public.domain)
    edges = learned.axes.edges[:d]
    bins = pair_bins(learned.transform, edges, policy.n_pair_bins(d, len(learned.sizes)))
    taken = np.concatenate([np.zeros((0, 2), dtype=np.int64), *(m.params["pairs"] for m in learned.pairs)])
    pairs = np.column_stack(np.triu_indices(d, 1))
    pairs = pairs[~(pairs[:, None] == np.sort(taken, axis=1)).all(axis=2).any(axis=1)]
    if n_pairs < len(pairs):
        # which pairs of columns the model gets wrong
        factor = 1.0 if public.neighbours == "add-remove" else 2.0
        noise = float(np.sqrt(factor * n_pairs / share)) / public.mu
        _, particles = learned.learn(public.seed, SELECTION_PARTICLES, 1, 1.0)
        choice = {"k": n_pairs, **predictions(particles, learned.sizes, learned.transform, bins, noise)}
        choice["baseline"][taken[:, 0], taken[:, 1]] = choice["baseline"][taken[:, 1], taken[:, 0]] = NEVER
        params = {**latent, **bins, **choice}
        (selected,) = yield [Request(f"selected{suffix}", "select_pairs", selection, params)]
        pairs = selected.values
    else:
        share += selection
    params = {**latent, **bins, "pairs": orient(pairs, bins)}
    (tables,) = yield [Request(f"pairs{suffix}", "pairs", share, params)]
    return tables


def ask_partitions(
    public: Public,
    learned: Learned,
    latent: Mapping[str, Any],
    regime: policy.Regime,
    share: float,
    *,
    suffix: str = "",
) -> Asking:
    """Ask for counts in the cells of partitions that are grown on rows of the model so far.

    Parameters
    ----------
    public : Public
        What is known beforehand.
    learned : Learned
        The model so far.
    latent : mapping
        Parameters of the leaves and of the transform.
    regime : Regime
        How many partitions, cells and groups.
    share : float
        Share of mu**2.
    suffix : str, default=""
        Added to the name of the measurement.

    Yields
    ------
    requests : list of Request
        A round.

    Returns
    -------
    partitions : Measurement
    """
    d = len(public.domain)
    _, particles = learned.learn(public.seed, SELECTION_PARTICLES, 1, 1.0)
    bins = pair_bins(learned.transform, learned.axes.edges[:d], policy.PARTITION_BINS)
    grown = grow_partitions(
        particles,
        learned.sizes,
        learned.transform,
        bins,
        regime.n_partitions,
        regime.n_cells,
        regime.n_groups,
        public.seed,
        ordered=len(public.columns) > d,
    )
    params = {**latent, **bins, **grown}
    (partitions,) = yield [Request(f"partitions{suffix}", "partitions", share, params)]
    return partitions
