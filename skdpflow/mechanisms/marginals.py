"""The default mechanism: histograms, moments and slices, measured centrally."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtri
from sklearn.base import BaseEstimator

from skdpflow.domain import Categories, Column
from skdpflow.mechanisms import policy
from skdpflow.plan import Public, Request, Rounds
from skdpflow.projections import Moments, draw_directions
from skdpflow.release import Measurement, Release
from skdpflow.transport.flow import Block, CountSlices, Gaussian, Leaf, learn_leaves, normal_particles
from skdpflow.transport.latent import DIRECTION_STEPS, LATENT_STEPS, RankTransform
from skdpflow.transport.marginals import denoise_ordered, to_simplex
from skdpflow.transport.model import Model
from skdpflow.transport.moments import column_distributions, leaf_covariances, leaf_means, variance_between
from skdpflow.transport.pairs import PairTarget, coarse_edges, latent_edges, predicted_tables

Array = NDArray[np.float64]

#: Bins of the latent transform of a numeric column, between which a coarser histogram is filled in by the prior.
FINE_BINS = 128
#: Bins with more mass than this are treated as atoms.
SPREAD_MASS = 0.25
#: Smallest share of mass of a bin, times its share of the domain.
PRIOR_FLOOR = 1e-3
#: Bins of a slice, of equal predicted mass.
SLICE_BINS = 16
#: Particles of a leaf that predict the two-way tables for the selection.
SELECTION_PARTICLES = 2048


def bin_edges(column: Column, n_bins: int, n_values: int) -> NDArray[np.int64]:
    """Cut the codes of a column into equal bins.

    Parameters
    ----------
    column : Interval or Categories
        The column.
    n_bins : int
        Wanted number.
    n_values : int
        Integer columns of at most this many values get one bin a value, as categories always do.

    Returns
    -------
    edges : ndarray of int64
        From 0 to the number of levels.
    """
    levels = column.n_levels
    if isinstance(column, Categories) or (column.discrete and levels <= n_values):
        return np.arange(levels + 1)
    return np.unique(np.rint(np.linspace(0, levels, n_bins + 1)).astype(np.int64))


def split_histograms(m: Measurement) -> list[Array]:
    """Counts of each column, (n_leaves, n_bins)."""
    cuts = np.cumsum(np.asarray(m.params["edge_sizes"]) - 1)[:-1]
    return [np.asarray(h, dtype=np.float64) for h in np.split(m.values, cuts, axis=1)]


def split_edges(m: Measurement) -> list[Array]:
    """Bin edges of each column."""
    cuts = np.cumsum(m.params["edge_sizes"])[:-1]
    return [np.asarray(e, dtype=np.float64) for e in np.split(m.params["edges"], cuts)]


def association_order(counts: Array) -> NDArray[np.int64]:
    """Order categories by the leading direction in which their class profiles differ.

    Parameters
    ----------
    counts : ndarray of shape (n_leaves, n_categories)
        Noisy counts.

    Returns
    -------
    order : ndarray of shape (n_categories,), int64
        ``order[rank] = code``; for two classes by the share of the second.
    """
    positive = np.maximum(counts, 0.0) + 1e-3
    weight = positive.sum(axis=0)
    profile = positive / weight
    centred = profile - (profile * weight).sum(axis=1, keepdims=True) / weight.sum()
    axis = np.linalg.svd(centred * np.sqrt(weight), full_matrices=False)[0][:, 0]
    axis = axis * np.copysign(1.0, axis[-1])
    return np.argsort(axis @ profile, kind="stable")


def rank_transform(
    m: Measurement, moments: Measurement | None, columns: Sequence[Column], total: float
) -> RankTransform:
    """Build the latent transform from noisy histograms and moments.

    Parameters
    ----------
    m : Measurement
        Of kind ``"histograms"``, of all columns.
    moments : Measurement or None
        Of kind ``"column_moments"``; None if no column is numeric.
    columns : sequence of Interval or Categories
        The columns.
    total : float
        Estimated number of rows.

    Returns
    -------
    transform : RankTransform
    """
    edges, cdfs, orders, spreads = [], [], [], []
    sd = float(np.max(m.sd)) * np.sqrt(len(m.values))
    prior = {}
    if moments is not None:
        a, b = column_distributions(moments, total)
        prior = {int(j): (a[i], b[i]) for i, j in enumerate(moments.params["columns"])}
    for j, (column, h, e) in enumerate(zip(columns, split_histograms(m), split_edges(m), strict=True)):
        order = None
        pooled = h.sum(axis=0)
        fine = e
        if j in prior:
            # the histogram corrects the mass of its bins; inside them the shape is that of the prior
            fine = np.union1d(e, bin_edges(column, FINE_BINS, FINE_BINS))
            shape = np.diff(betainc(*prior[j], fine / e[-1])) + PRIOR_FLOOR * np.diff(fine) / e[-1]
            expected = total * np.add.reduceat(shape, np.searchsorted(fine, e[:-1])) / shape.sum()
            pooled = denoise_ordered(pooled[None], expected[None], sd)[0]
        elif isinstance(column, Categories) and len(h) > 1:
            order = association_order(h)
            pooled = pooled[order]
        # no bin is left without mass: F must be invertible
        p = to_simplex(pooled, total) / total + PRIOR_FLOOR * np.diff(e) / e[-1]
        p /= p.sum()
        spreads.append(np.column_stack([e[:-1], e[1:]])[(p > SPREAD_MASS) & (np.diff(e) > 1)])
        if len(fine) > len(e):
            ratio = p / (expected / total)
            p = shape / shape.sum() * ratio[np.searchsorted(e, fine[:-1], side="right") - 1]
        edges.append(fine)
        cdfs.append(np.concatenate([[0.0], np.cumsum(p)]) / p.sum())
        cdfs[-1][-1] = 1.0
        orders.append(order)
    return RankTransform(edges, cdfs, orders, spreads)


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
    columns that the model so far predicts worst, which are selected privately. Each is decided from what was
    released before.

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
        n_target_cells: int | None = None,
    ) -> None:
        self.n_bins = n_bins
        self.n_slices = n_slices
        self.n_pairs = n_pairs
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
        if numeric_target:
            edges = bin_edges(columns[-1], policy.TARGET_BINS, policy.TARGET_BINS)
            params: dict[str, Any] = {
                "n_leaves": 1,
                "columns": np.array([d - 1]),
                "edges": edges,
                "edge_sizes": np.array([len(edges)]),
            }
            first = Request("target", "histograms", shares["counts"], params)
            target, *rest = yield [first, *column_moments(columns, public.mu)]
            n = max(float(target.values.sum()), 1.0)
            cells = self.n_target_cells or policy.n_target_cells(n, public.mu, d)
            leaf: dict[str, Any] = target_cells(target, cells)
        else:
            leaf = {"n_leaves": public.n_classes}
            counts, *rest = yield [
                Request("counts", "counts", shares["counts"], leaf),
                *column_moments(columns, public.mu),
            ]
            n = max(float(counts.values.sum()), 1.0)
        n_pair_bins = policy.n_pair_bins(d_x, int(leaf["n_leaves"]))
        wanted = 0 if d_x < 2 or n_pair_bins < 2 else self.n_pairs
        regime = policy.regime(n, public.mu, d, int(leaf["n_leaves"]), n_slices=self.n_slices, n_pairs=wanted)

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
        sizes = leaf_sizes(histograms if numeric_target else counts, histograms)
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
        if regime.n_pairs:
            bins = pair_bins(transform, split_edges(histograms)[:d_x], n_pair_bins)
            params = {**leaf, **transform.to_params(), **bins}
            if regime.n_pairs < n_candidates:
                # which pairs of columns the model gets wrong
                so_far = Learned(histograms, mean, second, None, None, transform, sizes, columns)
                _, particles = so_far.learn(public.seed, SELECTION_PARTICLES, 1, 1.0)
                factor = 1.0 if public.neighbours == "add-remove" else 2.0
                noise = float(np.sqrt(factor * regime.n_pairs / regime.pairs)) / public.mu
                choice = {"k": regime.n_pairs, **predictions(particles, sizes, transform, bins, noise)}
                (selected,) = yield [Request("selected", "select_pairs", regime.selection, {**params, **choice})]
                pairs, share = selected.values, regime.pairs
            else:
                pairs, share = np.column_stack(np.triu_indices(d_x, 1)), regime.selection + regime.pairs
            yield [Request("pairs", "pairs", share, {**params, "pairs": orient(pairs, bins)})]

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
        sizes = leaf_sizes(release["counts"] if "counts" in release else histograms, histograms)
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
        leaves, _ = learned.learn(
            int(transport["seed"]),
            int(transport["n_particles"]),
            int(transport["n_steps"]),
            float(transport["step_size"]),
        )
        return Model(learned.transform, sizes / sizes.sum(), tuple(leaves))


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
        means, _ = leaf_means(self.mean, self.sizes)
        covariances = leaf_covariances(self.second, self.sizes, means)
        blocks = []
        for c, size in enumerate(self.sizes):
            own = [axis_block(self.histograms, c, float(size), self.transform, self.columns)]
            if self.slices is not None:
                own += slice_blocks(self.slices, c, float(size))
            blocks.append(own)
        return learn_leaves(
            [Gaussian(m, s) for m, s in zip(means, covariances, strict=True)],
            blocks,
            [] if self.pairs is None else pair_targets(self.pairs, self.transform, self.columns),
            self.sizes,
            normal_particles(n_particles, self.transform.n_columns, seed),
            n_steps=n_steps,
            step_size=step_size,
        )


def predictions(
    particles: Sequence[Array], sizes: Array, transform: RankTransform, bins: Mapping[str, Any], noise: float
) -> dict[str, Any]:
    """Two-way tables that the model predicts, and the distances to be expected if it were right.

    Parameters
    ----------
    particles : sequence of ndarray of shape (n, d)
        Particles of each leaf.
    sizes : ndarray of shape (n_leaves,)
        Estimated leaf sizes.
    transform : RankTransform
        Released distribution functions.
    bins : mapping
        From `pair_bins`.
    noise : float
        Standard deviation of the noise that a table would be measured with: what it hides is no loss.

    Returns
    -------
    params : dict
        ``predicted`` (n_leaves, n_bins, n_bins) and ``baseline`` (n_columns, n_columns).
    """
    edges = [latent_edges(transform, j, e) for j, e in enumerate(split(bins, "pair_edges"))]
    predicted = predicted_tables(particles, sizes / len(particles[0]), edges)
    spread = np.sqrt(2.0 / np.pi * (predicted + noise**2)).sum(axis=0)
    starts = np.cumsum([0, *(len(e) + 1 for e in edges)])[:-1]
    baseline = np.add.reduceat(np.add.reduceat(spread, starts, axis=0), starts, axis=1)
    return {"predicted": predicted, "baseline": baseline}


def pair_bins(transform: RankTransform, edges: Sequence[Array], max_bins: int) -> dict[str, Any]:
    """Bins of each column for two-way tables."""
    inner = [coarse_edges(transform, j, e, max_bins) for j, e in enumerate(edges)]
    return {
        "pair_columns": np.arange(len(edges)),
        "pair_edges": np.concatenate(inner),
        "pair_edge_sizes": np.array([len(e) for e in inner]),
    }


def split(params: Mapping[str, Any], name: str) -> list[Array]:
    """Undo the concatenation of arrays in parameters."""
    return np.split(params[name], np.cumsum(params[name.removesuffix("s") + "_sizes"])[:-1])


def orient(pairs: NDArray[np.int64], bins: Mapping[str, Any]) -> NDArray[np.int64]:
    """Put the column with fewer bins first: it is the one that is conditioned on."""
    sizes = np.asarray(bins["pair_edge_sizes"])
    swap = sizes[pairs[:, 0]] > sizes[pairs[:, 1]]
    return np.where(swap[:, None], pairs[:, ::-1], pairs)


def pair_targets(m: Measurement, transform: RankTransform, columns: Sequence[Column]) -> list[PairTarget]:
    """Two-way tables of each leaf as targets of its flow."""
    edges = [latent_edges(transform, j, e) for j, e in enumerate(split(m.params, "pair_edges"))]
    shapes = [(len(edges[a]) + 1, len(edges[b]) + 1) for a, b in m.params["pairs"]]
    cuts = np.cumsum([r * c for r, c in shapes])[:-1]
    sd = float(np.max(m.sd))
    return [
        PairTarget(
            leaf,
            int(a),
            int(b),
            edges[a],
            edges[b],
            table.reshape(shape).astype(np.float64),
            sd,
            not isinstance(columns[b], Categories),
        )
        for leaf, values in enumerate(m.values)
        for (a, b), table, shape in zip(m.params["pairs"], np.split(values, cuts), shapes, strict=True)
    ]


def column_moments(columns: Sequence[Column], mu: float) -> list[Request]:
    """Ask for the first two moments of the numeric columns, if there are any."""
    numeric = np.array([j for j, c in enumerate(columns) if not isinstance(c, Categories)], dtype=np.int64)
    if not numeric.size:
        return []
    params = {
        "columns": numeric,
        "levels": np.array([columns[j].n_levels for j in numeric]),
        "radius": policy.COLUMN_RADIUS * float(np.sqrt(len(numeric))),
        "steps": policy.lattice_steps(mu),
    }
    return [Request("column_moments", "column_moments", policy.FIRST_SHARES["column_moments"], params)]


def target_cells(target: Measurement, n_cells: int) -> dict[str, Any]:
    """Cut a numeric target at the quantiles of its noisy histogram.

    Parameters
    ----------
    target : Measurement
        Histogram of the target.
    n_cells : int
        Wanted number of cells; fewer where the target has few values.

    Returns
    -------
    params : dict
        ``n_leaves`` and ``leaf_edges``.
    """
    counts, edges = target.values[0].astype(np.float64), split_edges(target)[0]
    total = max(float(counts.sum()), 1.0)
    uniform = np.full(len(counts), total / len(counts))
    p = denoise_ordered(counts[None], uniform[None], float(np.max(target.sd)))[0]
    cdf = np.concatenate([[0.0], np.cumsum(p)]) / p.sum()
    inner = np.interp(np.arange(1, n_cells) / n_cells, cdf, edges)
    inner = np.unique(np.rint(inner).astype(np.int64))
    inner = inner[(inner > edges[0]) & (inner < edges[-1])]
    return {"n_leaves": len(inner) + 1, "leaf_edges": inner}


def leaf_sizes(counts: Measurement, histograms: Measurement) -> Array:
    """Estimate the number of rows of each leaf, at least one.

    Parameters
    ----------
    counts : Measurement
        Leaf counts, or the histograms where there are none.
    histograms : Measurement
        Axis histograms: the bins of each column sum to the leaf's size, with the noise of all its bins.

    Returns
    -------
    sizes : ndarray of shape (n_leaves,)
        Inverse-variance average of all estimates.
    """
    variance = float(np.max(histograms.sd)) ** 2
    estimates = [h.sum(axis=1) for h in split_histograms(histograms)]
    weights = [1.0 / (variance * h.shape[1]) for h in split_histograms(histograms)]
    if counts.kind == "counts":
        estimates.append(counts.values.astype(np.float64))
        weights.append(1.0 / float(np.max(counts.sd)) ** 2)
    return np.maximum(np.average(estimates, axis=0, weights=weights), 1.0)


def latent_histograms(m: Measurement, transform: RankTransform) -> tuple[list[Array], list[Array]]:
    """Counts of each column in the order of its latent axis, (n_leaves, n_bins), and their inner edges there."""
    counts, edges = [], []
    for j, (h, e, order) in enumerate(zip(split_histograms(m), split_edges(m), transform.orders, strict=True)):
        edges.append(latent_edges(transform, j, e[1:-1]))
        counts.append(h if order is None else h[:, order])
    return counts, edges


def axis_block(m: Measurement, leaf: int, size: float, transform: RankTransform, columns: Sequence[Column]) -> Block:
    """Targets along the latent axes: the leaf's own histograms."""
    counts, edges = latent_histograms(m, transform)
    eye = np.eye(len(columns))
    ordered = [not isinstance(c, Categories) for c in columns]
    return Block(eye, eye, CountSlices(edges, [h[leaf] for h in counts], float(np.max(m.sd)), size, ordered))


def slice_params(public: Public, mean: Measurement, second: Measurement, sizes: Array, n_slices: int) -> dict[str, Any]:
    """Choose directions in the space whitened by the pooled covariance, and bins of equal predicted mass.

    Parameters
    ----------
    public : Public
        Sampler and seed.
    mean, second : Measurement
        Released moments.
    sizes : ndarray of shape (n_leaves,)
        Estimated leaf sizes.
    n_slices : int
        How many directions.

    Returns
    -------
    params : dict
        ``directions`` (1, d, k) and ``slice_edges`` (n_leaves, k, n_bins - 1), integers on the lattice.
    """
    means, _ = leaf_means(mean, sizes)
    covariances = leaf_covariances(second, sizes, means)
    weights = sizes / sizes.sum()
    within = np.einsum("c,cij->ij", weights, covariances)
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(values)
    between = np.einsum("c,ci,cj->ij", weights, means - weights @ means, means - weights @ means)
    centre = (weights @ means) @ whiten
    moments = Moments(centre, np.eye(len(within)) + whiten.T @ between @ whiten)
    u = draw_directions(public.projections, len(within), n_projections=n_slices, seed=public.seed, moments=moments)
    directions = whiten @ u
    directions = np.rint(directions / np.abs(directions).max(axis=0) * DIRECTION_STEPS).astype(np.int64)
    quantiles = ndtri(np.arange(1, SLICE_BINS) / SLICE_BINS)
    edges = []
    for m, s in zip(means, covariances, strict=True):
        sd = np.sqrt(np.einsum("ik,ij,jk->k", directions, s, directions))
        edges.append((m @ directions)[:, None] + sd[:, None] * quantiles)
    return {
        "directions": directions[None],
        "slice_edges": np.rint(np.array(edges) * LATENT_STEPS).astype(np.int64),
        "metric": within,
    }


def slice_blocks(m: Measurement, leaf: int, size: float) -> list[Block]:
    """Group measured directions into blocks that are orthonormal in the whitened space."""
    directions = np.asarray(m.params["directions"][0], dtype=np.float64) / DIRECTION_STEPS
    metric = np.asarray(m.params["metric"])
    edges = m.params["slice_edges"][leaf] / (LATENT_STEPS * DIRECTION_STEPS)
    dual = metric @ directions
    norm = np.sqrt((directions * dual).sum(axis=0))
    directions, dual, edges = directions / norm, dual / norm, edges / norm[:, None]
    sd = float(np.max(m.sd))
    blocks, start = [], 0
    while start < directions.shape[1]:
        stop = start + 1
        while stop < directions.shape[1] and np.abs(directions[:, stop] @ dual[:, start:stop]).max() < 1e-3:
            stop += 1
        v = directions[:, start:stop]
        # exact duals within the span, so that the layer is exactly invertible
        w = dual[:, start:stop] @ np.linalg.inv(v.T @ dual[:, start:stop])
        k = stop - start
        slices = CountSlices(list(edges[start:stop]), list(m.values[leaf, start:stop]), sd, size, [True] * k)
        blocks.append(Block(v, w, slices))
        start = stop
    return blocks
