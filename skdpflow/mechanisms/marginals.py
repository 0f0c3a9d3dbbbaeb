"""The default mechanism: histograms, moments, slices, two-way tables and partitions, measured centrally."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skdpflow.domain import Categories, Column
from skdpflow.mechanisms import policy
from skdpflow.mechanisms.histograms import (
    axis_blocks,
    bin_edges,
    latent_histograms,
    leaf_sizes,
    rank_transform,
    split_edges,
    target_cells,
)
from skdpflow.mechanisms.partitions import grow_partitions, measured_cells
from skdpflow.mechanisms.slices import slice_blocks, slice_params
from skdpflow.mechanisms.tables import orient, pair_bins, pair_targets, predictions
from skdpflow.plan import Public, Request, Rounds
from skdpflow.release import Measurement, Release
from skdpflow.transport.flow import Gaussian, Leaf, learn_leaves, normal_particles
from skdpflow.transport.latent import RankTransform
from skdpflow.transport.model import Model
from skdpflow.transport.moments import leaf_covariances, leaf_means, variance_between
from skdpflow.transport.tilt import tilt

Array = NDArray[np.float64]

#: Particles of a leaf that predict the two-way tables for the selection.
SELECTION_PARTICLES = 2048
#: Particles of all leaves whose weights the tilt learns.
TILT_PARTICLES = 2**16


class MarginalsMechanism(BaseEstimator):
    """Axis histograms, moments and sliced histograms per class, released once.

    Every statistic is a sum over rows in which one row changes little, so its relative noise falls as one over the
    number of rows. The flow that turns the release into a model is post-processing.

    Parameters
    ----------
    n_bins : int or None, default=None
        Bins of a numeric column; None lets the policy choose.
    n_slices : int or None, default=None
        Number of sliced directions; None lets the policy choose, 0 measures none.
    n_pairs : int or None, default=None
        Number of two-way tables; None lets the policy choose, 0 measures none.
    n_partitions : int or None, default=None
        Number of partitions of three columns whose cells are counted; None lets the policy choose, 0 measures none.
    n_target_cells : int or None, default=None
        Cells into which a numeric target is cut, each with statistics of its own; None lets the policy choose.

    See Also
    --------
    skdpflow.mechanisms.RecordsMechanism : The mechanism of the paper.
    skdpflow.mechanisms.policy : Shares, bins and radii, with their reasons.

    Notes
    -----
    Rounds: class counts (for a numeric target its histogram, whose quantiles cut it into cells that serve as classes);
    axis histograms per class, which give the rank transform of each column; mean and second moment per class of
    the transformed, ball-clipped rows; sliced histograms per class, if wanted; two-way tables per class of the pairs of
    columns that the model so far predicts worst, which are selected privately; counts in the cells of partitions of
    three columns, which are grown as trees on rows of the model so far. Each is decided from what was released before.

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
        n_target_cells: int | None = None,
    ) -> None:
        self.n_bins = n_bins
        self.n_slices = n_slices
        self.n_pairs = n_pairs
        self.n_partitions = n_partitions
        self.n_target_cells = n_target_cells

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
        columns = public.columns
        d, d_x = len(columns), len(public.domain)
        numeric_target = d > d_x
        shares = policy.FIRST_SHARES

        # how many rows, and in which classes
        leaf: dict[str, Any] = {"n_leaves": public.n_classes}
        counts, *rest = yield [
            Request("counts", "counts", shares["counts"], leaf),
            *column_moments(columns, public.mu),
        ]
        n = max(float(counts.values.sum()), 1.0)
        spent = sum(shares.values())
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
            spent += policy.TARGET_SHARE
            cells = self.n_target_cells or policy.n_target_cells(n, public.mu, d)
            leaf = target_cells(target, rest[0], cells, n)
        n_pair_bins = policy.n_pair_bins(d_x, int(leaf["n_leaves"]))
        wanted = 0 if d_x < 2 or n_pair_bins < 2 else self.n_pairs
        regime = policy.regime(
            n,
            public.mu,
            d,
            int(leaf["n_leaves"]),
            spent=spent,
            ordered=numeric_target,
            n_slices=self.n_slices,
            n_pairs=wanted,
            n_partitions=0 if d_x < 2 else self.n_partitions,
        )

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
            "steps": policy.lattice_steps(public.mu),
        }
        sizes = leaf_sizes(counts, histograms)
        ordered, z_edges = latent_histograms(histograms, transform)
        between = variance_between(ordered, z_edges, float(np.max(histograms.sd)), sizes)
        pooled = policy.pooled(regime, between)
        mean, second = yield [
            Request("mean", "mean", regime.mean, ball),
            Request("second_moment", "second_moment", regime.second_moment, {**ball, "pooled": pooled}),
        ]

        if regime.n_slices:
            params = {**leaf, **transform.to_params()}
            params |= slice_params(public, mean, second, sizes, regime.n_slices)
            yield [Request("slices", "slices", regime.slices, params)]

        n_candidates = d_x * (d_x - 1) // 2
        if not (regime.n_pairs or regime.n_partitions):
            return
        so_far = Learned(histograms, mean, second, None, None, transform, sizes, columns)
        _, particles = so_far.learn(public.seed, SELECTION_PARTICLES, 1, 1.0)
        edges_x, tables = split_edges(histograms)[:d_x], None
        if regime.n_pairs:
            bins = pair_bins(transform, edges_x, n_pair_bins)
            params = {**leaf, **transform.to_params(), **bins}
            if regime.n_pairs < n_candidates:
                # which pairs of columns the model gets wrong
                factor = 1.0 if public.neighbours == "add-remove" else 2.0
                noise = float(np.sqrt(factor * regime.n_pairs / regime.pairs)) / public.mu
                choice = {"k": regime.n_pairs, **predictions(particles, sizes, transform, bins, noise)}
                (selected,) = yield [Request("selected", "select_pairs", regime.selection, {**params, **choice})]
                pairs, share = selected.values, regime.pairs
            else:
                pairs, share = np.column_stack(np.triu_indices(d_x, 1)), regime.selection + regime.pairs
            (tables,) = yield [Request("pairs", "pairs", share, {**params, "pairs": orient(pairs, bins)})]
        if regime.n_partitions:
            if tables is not None:
                so_far = Learned(histograms, mean, second, None, tables, transform, sizes, columns)
                _, particles = so_far.learn(public.seed, SELECTION_PARTICLES, 1, 1.0)
            bins = pair_bins(transform, edges_x, policy.PARTITION_BINS)
            grown = grow_partitions(
                particles,
                sizes,
                transform,
                bins,
                regime.n_partitions,
                regime.n_cells,
                regime.n_groups,
                public.seed,
                ordered=numeric_target,
            )
            params = {**leaf, **transform.to_params(), **bins, **grown}
            yield [Request("partitions", "partitions", regime.partitions, params)]

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
        histograms, mean = release["histograms"], release["mean"]
        sizes = leaf_sizes(release["counts"], histograms)
        learned = Learned(
            histograms,
            mean,
            release["second_moment"],
            release["slices"] if "slices" in release else None,
            release["pairs"] if "pairs" in release else None,
            RankTransform.from_params(mean.params),
            sizes,
            release.columns,
        )
        transport = release.transport
        leaves, particles = learned.learn(
            int(transport["seed"]),
            int(transport["n_particles"]),
            int(transport["n_steps"]),
            float(transport["step_size"]),
        )
        if "partitions" not in release:
            return Model(learned.transform, sizes / sizes.sum(), tuple(leaves))
        partitions = release["partitions"]
        cells, found = measured_cells(partitions, learned.transform)
        most = max(TILT_PARTICLES // len(leaves), 1024)
        tilted, sizes = tilt(
            leaves,
            [z[:most] for z in particles],
            sizes,
            cells,
            partitions.params["groups"],
            found,
            float(np.max(partitions.sd)),
        )
        return Model(learned.transform, sizes / sizes.sum(), tuple(tilted))


@dataclass(frozen=True, eq=False)
class Learned:
    """What was measured so far, and the model that follows from it.

    Parameters
    ----------
    histograms, mean, second : Measurement
        Of all columns, per leaf.
    slices, pairs : Measurement or None
        Measured in later rounds.
    transform : RankTransform
        From the histograms.
    sizes : ndarray of shape (n_leaves,)
        Estimated leaf sizes.
    columns : sequence of Interval or Categories
        The columns.
    """

    histograms: Measurement
    mean: Measurement
    second: Measurement
    slices: Measurement | None
    pairs: Measurement | None
    transform: RankTransform
    sizes: Array
    columns: Sequence[Column]

    def learn(self, seed: int, n_particles: int, n_steps: int, step_size: float) -> tuple[list[Leaf], list[Array]]:
        """Follow the flow; returns the leaves, and where the particles of each ended."""
        means, unknown = leaf_means(self.mean, self.sizes)
        covariances = leaf_covariances(self.second, self.sizes, means)
        # the predictive distribution: what is not known of a mean is spread of the rows
        covariances += unknown[:, :, None] * np.eye(means.shape[1])
        blocks = [[axes] for axes in axis_blocks(self.histograms, self.sizes, self.transform, self.columns)]
        if self.slices is not None:
            for c, size in enumerate(self.sizes):
                blocks[c] += slice_blocks(self.slices, c, float(size))
        return learn_leaves(
            [Gaussian(m, s) for m, s in zip(means, covariances, strict=True)],
            blocks,
            [] if self.pairs is None else pair_targets(self.pairs, self.transform, self.columns),
            self.sizes,
            normal_particles(n_particles, self.transform.n_columns, seed),
            n_steps=n_steps,
            step_size=step_size,
        )


def column_moments(columns: Sequence[Column], mu: float) -> list[Request]:
    """Ask for the first two moments of the numeric columns without gaps, if there are any."""
    numeric = np.array(
        [j for j, c in enumerate(columns) if not (isinstance(c, Categories) or c.nullable)], dtype=np.int64
    )
    if not numeric.size:
        return []
    params = {
        "columns": numeric,
        "levels": np.array([columns[j].n_levels for j in numeric]),
        "radius": policy.COLUMN_RADIUS * float(np.sqrt(len(numeric))),
        "steps": policy.lattice_steps(mu),
    }
    return [Request("column_moments", "column_moments", policy.FIRST_SHARES["column_moments"], params)]
