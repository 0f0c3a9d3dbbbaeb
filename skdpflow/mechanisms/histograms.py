"""Axis histograms: how columns are binned, and what follows from the counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from skdpflow.domain import Categories, Column
from skdpflow.release import Measurement
from skdpflow.transport.betas import beta_mixtures
from skdpflow.transport.flow import Block, CountSlices
from skdpflow.transport.latent import RankTransform
from skdpflow.transport.marginals import denoise_ordered, to_simplex
from skdpflow.transport.pairs import latent_edges

Array = NDArray[np.float64]

#: Bins of the latent transform of a numeric column, between which a coarser histogram is filled in by the prior.
FINE_BINS = 128
#: Bins with more mass than this are treated as atoms.
SPREAD_MASS = 0.25
#: Smallest share of mass of a bin, times its share of the domain.
PRIOR_FLOOR = 1e-3


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
    edges = np.unique(np.rint(np.linspace(0, column.n_values, n_bins + 1)).astype(np.int64))
    return np.append(edges, levels) if column.nullable else edges  # missing values have a bin of their own


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


def _with_gaps(pooled: Array, edges: Array, sd: float, total: float) -> Array:
    """Denoise the counts of a nullable column, of which no moments were measured; the last bin holds the gaps."""
    gaps = float(np.clip(pooled[-1], 0.0, total))
    flat = (total - gaps) * np.diff(edges[:-1]) / edges[-2]
    return np.append(denoise_ordered(pooled[None, :-1], flat[None], sd)[0], gaps)


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
        numeric = [int(j) for j in moments.params["columns"]]
        counts, bins = split_histograms(m), split_edges(m)
        pooled_counts, unit_edges = [counts[j].sum(axis=0) for j in numeric], [bins[j] / bins[j][-1] for j in numeric]
        mixtures = beta_mixtures(moments, total, pooled_counts, unit_edges, sd)
        prior = dict(zip(numeric, mixtures, strict=True))
    for j, (column, h, e) in enumerate(zip(columns, split_histograms(m), split_edges(m), strict=True)):
        order = None
        pooled = h.sum(axis=0)
        fine = e
        if j in prior:
            # the histogram corrects the mass of its bins; inside them the shape is that of the prior
            fine = np.union1d(e, bin_edges(column, FINE_BINS, FINE_BINS))
            weights, a, b = prior[j]
            shape = np.diff(betainc(a[:, None], b[:, None], fine / e[-1]), axis=1)
            shape = weights @ shape + PRIOR_FLOOR * np.diff(fine) / e[-1]
            expected = total * np.add.reduceat(shape, np.searchsorted(fine, e[:-1])) / shape.sum()
            pooled = denoise_ordered(pooled[None], expected[None], sd)[0]
        elif not column.ordered and len(h) > 1:
            order = association_order(h)
            pooled = pooled[order]
        elif not isinstance(column, Categories):
            pooled = _with_gaps(pooled, e, sd, total)
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


def target_cells(target: Measurement, moments: Measurement, n_cells: int, total: float) -> dict[str, Any]:
    """Cut a numeric target at the quantiles of its noisy histogram.

    Parameters
    ----------
    target : Measurement
        Histogram of the target.
    moments : Measurement
        Moments of all numeric columns, of which it is the last.
    n_cells : int
        Wanted number of cells; fewer where the target has few values.
    total : float
        Estimated number of rows.

    Returns
    -------
    params : dict
        ``n_leaves`` and ``leaf_edges``.
    """
    counts, edges = target.values[0].astype(np.float64), split_edges(target)[0]
    sd, own = float(np.max(target.sd)), replace(moments, values=moments.values[:, -1:])
    ((weights, a, b),) = beta_mixtures(own, total, [counts], [edges / edges[-1]], sd)
    expected = weights @ np.diff(betainc(a[:, None], b[:, None], edges / edges[-1]), axis=1)
    expected = total * (expected + PRIOR_FLOOR) / (expected + PRIOR_FLOOR).sum()
    p = denoise_ordered(counts[None], expected[None], sd)[0]
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
        Leaf counts; where leaves are cells of a numeric target, the number of all rows.
    histograms : Measurement
        Axis histograms: the bins of each column sum to the leaf's size, with the noise of all its bins.

    Returns
    -------
    sizes : ndarray of shape (n_leaves,)
        Inverse-variance average of all estimates, shrunk to equal sizes by the ratio of noise to spread.
    """
    variance = float(np.max(histograms.sd)) ** 2
    estimates = [h.sum(axis=1) for h in split_histograms(histograms)]
    weights = [1.0 / (variance * h.shape[1]) for h in split_histograms(histograms)]
    single = float(np.max(counts.sd)) ** 2
    if len(counts.values) == len(estimates[0]):
        estimates.append(counts.values.astype(np.float64))
        weights.append(1.0 / single)
    raw, noise = np.average(estimates, axis=0, weights=weights), 1.0 / np.sum(weights)
    mean = max(float(raw.mean()), 1.0)
    if len(counts.values) < len(raw):
        precision = len(raw) / noise, len(raw) ** 2 / single
        mean = max(float(np.average([raw.mean(), counts.values.sum() / len(raw)], weights=precision)), 1.0)
    spread = max(float(((raw - mean) ** 2).mean()) - noise, 0.0)
    return np.maximum(mean + spread / (spread + noise) * (raw - mean), 1.0)


def latent_histograms(m: Measurement, transform: RankTransform) -> tuple[list[Array], list[Array]]:
    """Counts of each column in the order of its latent axis, (n_leaves, n_bins), and their inner edges there."""
    counts, edges = [], []
    for j, (h, e, order) in enumerate(zip(split_histograms(m), split_edges(m), transform.orders, strict=True)):
        edges.append(latent_edges(transform, j, e[1:-1]))
        counts.append(h if order is None else h[:, order])
    return counts, edges


def axis_blocks(m: Measurement, sizes: Array, transform: RankTransform, columns: Sequence[Column]) -> list[Block]:
    """Targets of each leaf along the latent axes: its own histograms."""
    counts, edges = latent_histograms(m, transform)
    eye, sd = np.eye(len(columns)), float(np.max(m.sd))
    ordered = [c.ordered for c in columns]
    return [
        Block(eye, eye, CountSlices(edges, [h[leaf] for h in counts], sd, float(size), ordered))
        for leaf, size in enumerate(sizes)
    ]
