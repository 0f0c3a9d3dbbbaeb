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
from skdpflow.mechanisms.marginals.adaptive import ask_cells, ask_pairs, ask_partitions
from skdpflow.mechanisms.marginals.continuation import later_demands, more
from skdpflow.mechanisms.marginals.demands import TARGET_CELLS, all_demands, total_slack
from skdpflow.mechanisms.marginals.histograms import (
    bin_edges,
    class_counts,
    latent_histograms,
    leaf_sizes,
    rank_transform,
    scales,
    target_cells,
)
from skdpflow.mechanisms.marginals.locate import ask_location, wants_locating
from skdpflow.mechanisms.marginals.outside import AxisHistograms
from skdpflow.mechanisms.marginals.partitions import measured_cells
from skdpflow.mechanisms.marginals.slices import slice_params
from skdpflow.mechanisms.marginals.state import Learned, of_kind
from skdpflow.release import Release
from skdpflow.release.request import Demand, Public, Request, Rounds
from skdpflow.transport.flow import normal_particles
from skdpflow.transport.model import Model
from skdpflow.transport.moments import variance_between
from skdpflow.transport.tilt import enough_particles, keep_shares, tilt

#: Particles of all leaves whose weights the tilt learns.
TILT_PARTICLES, PER_CELL = 2**16, 4
#: Share of a single value that a column keeps whatever partitions tell.
LEAST_SHARE = 0.05
#: Least and largest value of each parameter.
LIMITS = {
    "n_bins": (2, 2**12),
    "n_slices": (0, 2**16),
    "n_pairs": (0, 2**16),
    "n_partitions": (0, 2**12),
    "n_cuts": (0, 8),
    "n_target_cells": (1, 2**10),
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
        Number of partitions of three columns whose cells are counted, at most 4096; None lets the policy
        choose, 0 measures none.
    n_cuts : int or None, default=None
        Cuts of each class along its own principal directions, into ``2**n_cuts`` cells with moments of their own, at
        most 8; None lets the policy choose, 0 makes none.
    n_target_cells : int or None, default=None
        Cells into which a numeric target is cut, from 1 to 1024, each with statistics of its own; None lets the
        policy choose.

    See Also
    --------
    skdpflow.mechanisms.RecordsMechanism : The mechanism of the paper.
    skdpflow.mechanisms.marginals.allocation : Shares, bins and radii, with their reasons.

    Notes
    -----
    Rounds: class counts (for a numeric target its histogram, whose quantiles cut it into cells that serve as classes);
    axis histograms per class, which give the rank transform of each column; mean and second moment per class of
    the transformed, ball-clipped rows; the same per cell, where classes are cut into cells; sliced histograms per
    class, if wanted; two-way tables per class of the pairs of columns that the model so far predicts worst, which are
    selected privately; counts in the cells of partitions of three columns, which are grown as trees on rows of the
    model so far. Each is decided from what was released before.

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
        n_target_cells: int | None = None,
    ) -> None:
        self.n_bins = n_bins
        self.n_slices = n_slices
        self.n_pairs = n_pairs
        self.n_partitions = n_partitions
        self.n_cuts = n_cuts
        self.n_target_cells = n_target_cells

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

    def plan(self, public: Public) -> Rounds:
        """Ask for measurements, round by round.

        Parameters
        ----------
        public : Public
            What is known beforehand.

        Yields
        ------
        requests : list of Request
            A round; its measurements are sent back.
        """
        columns, steps = public.columns, self._steps(public)
        d, d_x = len(columns), len(public.domain)
        numeric_target = d > d_x
        shares = policy.FIRST_SHARES

        # how many rows, and in which classes
        leaf: dict[str, Any] = {"n_leaves": public.n_classes}
        unlisted = {**leaf, "unlisted": isinstance(public.target, Categories)}
        counts, located, locating = yield from ask_location(
            public, Request("counts", "counts", shares["counts"], unlisted)
        )
        n = max(float(class_counts(counts).sum()), 1.0)
        public = public.encoded_as(located)
        columns = located
        moments = column_moments(columns, steps)
        rest = (yield moments) if moments else []
        if numeric_target:
            most = policy.n_target_bins(n, public.mu)
            edges = bin_edges(columns[-1], most, most)
            params: dict[str, Any] = {
                "n_leaves": 1,
                "columns": np.array([d - 1]),
                "edges": edges,
                "edge_sizes": np.array([len(edges)]),
            }
            (target,) = yield [Request("target", "histograms", policy.TARGET_SHARE, params)]
            cells = self.n_target_cells or policy.n_target_cells(n, public.mu, d)
            leaf = target_cells(target, rest[0], columns[-1], cells, n)
        regime = self._regime(n, public, int(leaf["n_leaves"]), locating=locating)

        # how each column is distributed
        n_bins = self.n_bins or regime.n_bins
        edge_list = [bin_edges(c, n_bins, max(n_bins, regime.n_values)) for c in columns]
        params = {
            **leaf,
            "columns": np.arange(d),
            "edges": np.concatenate(edge_list),
            "edge_sizes": np.array([len(e) for e in edge_list]),
        }
        (histograms,) = yield [Request("histograms", "histograms", regime.histograms, params)]

        # how the columns depend on each other
        transform = rank_transform(histograms, rest[0] if rest else None, columns, n)
        ball = {
            **leaf,
            **transform.to_params(),
            "radius": policy.LATENT_RADIUS * float(np.sqrt(d)),
            "steps": steps,
        }
        axes = AxisHistograms.of(histograms, columns, transform.layouts)
        sizes = leaf_sizes(counts, axes)
        between = variance_between(*latent_histograms(axes, transform), axes.sd, sizes)
        pooled = policy.pooled(regime, between)
        mean, second = yield [
            Request("mean", "mean", regime.mean, ball),
            Request("second_moment", "second_moment", regime.second_moment, {**ball, "pooled": pooled}),
        ]

        learned = Learned(histograms, mean, second, None, (), transform, sizes, columns)
        if regime.n_cuts:
            in_cells = yield from ask_cells(learned, ball, regime.n_cuts, regime.cells)
            learned = replace(learned, cells=in_cells)
        if regime.n_slices:
            params = {**leaf, **transform.to_params()}
            params |= slice_params(public, mean, second, sizes, regime.n_slices)
            yield [Request("slices", "slices", regime.slices, params)]

        latent = {**leaf, **transform.to_params()}
        if regime.n_pairs:
            tables = yield from ask_pairs(public, learned, latent, regime.n_pairs, regime.selection, regime.pairs)
            learned = replace(learned, pairs=(tables,))
        if regime.n_partitions:
            yield from ask_partitions(public, learned, latent, regime, regime.partitions)

    def continue_plan(self, public: Public, release: Release) -> Rounds:
        """Ask for what a larger budget would have measured, less what an earlier Release paid for.

        Parameters
        ----------
        public : Public
            What is known beforehand; `mu` is what may be spent now.
        release : Release
            What was measured before.

        Yields
        ------
        requests : list of Request
            A round. Requests with the names of earlier measurements repeat these.
        """
        yield from more(public, release, partial(self._regime, public=public))

    def continue_demands(self, public: Public, release: Release) -> list[Demand]:
        """Return the most that the rounds of `continue_plan` after the first may ask for.

        Parameters
        ----------
        public : Public
            What is known beforehand.
        release : Release
            What was measured before.

        Returns
        -------
        demands : list of Demand
            One of each new statistic.
        """
        return later_demands(public, release, partial(self._regime, public=public))

    def demands(self, public: Public) -> list[Demand]:
        """Return the most that `plan` may ask for, whatever is released along the way.

        Parameters
        ----------
        public : Public
            What is known beforehand.

        Returns
        -------
        demands : list of Demand
            One of each statistic.
        """
        return self._demands(public, self._steps(public))

    def most_leaves(self, public: Public) -> int:
        """Return the most leaves into which rows may be parted: classes, or ranges of a numeric target.

        Parameters
        ----------
        public : Public
            What is known beforehand.

        Returns
        -------
        n_leaves : int
            At least 1.
        """
        return (self.n_target_cells or TARGET_CELLS) if isinstance(public.target, Interval) else public.n_classes

    def _demands(self, public: Public, steps: int) -> list[Demand]:
        regimes = policy.all_regimes(public.mu, len(public.columns), **self._wanted(public, 1))
        return all_demands(public, regimes, steps, self.n_bins, self.most_leaves(public))

    def _steps(self, public: Public) -> int:
        """Choose the lattice of the moments: coarser where many columns would exceed the floating-point slack."""
        steps, least = policy.lattice_steps(public.mu), 2 * policy.least_steps(len(public.columns))
        while steps >= least and total_slack(self._demands(public, steps), public) > public.slack:
            steps //= 2
        return steps

    def _regime(
        self, n: float, public: Public, n_leaves: int, mu: float | None = None, locating: float | None = None
    ) -> policy.Regime:
        """Choose what to measure of about n rows."""
        wanted = self._wanted(public, n_leaves, locating)
        return policy.regime(n, public.mu if mu is None else mu, len(public.columns), n_leaves, **wanted)

    def _wanted(self, public: Public, n_leaves: int, locating: float | None = None) -> dict[str, Any]:
        """Return what the policy has to respect: parameters, and what few columns or many leaves rule out."""
        d, d_x = len(public.columns), len(public.domain)
        if locating is None:
            locating = sum(policy.LOCATION_SHARES) if any(map(wants_locating, public.columns)) else 0.0
        numeric_target = d > d_x
        return {
            "spent": sum(policy.FIRST_SHARES.values()) + (policy.TARGET_SHARE if numeric_target else 0.0) + locating,
            "ordered": numeric_target,
            "n_slices": self.n_slices,
            "n_pairs": 0 if d_x < 2 or policy.n_pair_bins(d_x, n_leaves) < 2 else self.n_pairs,
            "n_partitions": 0 if d_x < 2 else self.n_partitions,
            "n_cuts": None if self.n_cuts is None else min(self.n_cuts, d),
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
        learned = Learned.of(release)
        sizes = learned.sizes
        transport = release.transport
        leaves, particles = learned.learn(
            int(transport["seed"]),
            int(transport["n_particles"]),
            int(transport["n_steps"]),
            float(transport["step_size"]),
        )
        measured = of_kind(release, "partitions")
        if not measured:
            return Model(learned.transform, sizes / sizes.sum(), tuple(leaves))
        cells, found, sds = measured_cells(measured, learned.transform)
        n_cells = sum(h.shape[1] for h in found)  # each has a factor, which must not follow single particles
        most = max(TILT_PARTICLES // len(leaves), 1024)
        wanted = int(
            np.clip(max(enough_particles(sizes, found, sds), PER_CELL * n_cells), int(transport["n_particles"]), most)
        )
        if wanted > len(particles[0]):
            normal = normal_particles(wanted, learned.transform.n_columns, int(transport["seed"]))
            particles = [leaf.push(normal) for leaf in leaves]
        groups = np.asarray(measured[0].params["groups"])
        cells, found, sds = keep_shares(
            cells, found, sds, _with_shares(learned, len(cells.edges)), [z[:wanted] for z in particles], sizes, groups
        )
        tilted, sizes = tilt(leaves, [z[:wanted] for z in particles], sizes, cells, groups, found, sds)
        return Model(learned.transform, sizes / sizes.sum(), tuple(tilted))


def _with_shares(learned: Learned, n_columns: int) -> list[int]:
    """Return the first columns that have gaps or single values of some mass."""
    out = []
    for j, column in enumerate(learned.columns[:n_columns]):
        grid = column.grid if isinstance(column, Interval) else None
        atoms = grid is not None and bool((np.asarray(grid.shares)[grid.atoms] > LEAST_SHARE).any())
        if isinstance(column, Interval) and (column.nullable or atoms):
            out.append(j)
    return out


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
