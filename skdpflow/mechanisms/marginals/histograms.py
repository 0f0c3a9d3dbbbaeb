"""Axis histograms: how columns are binned, and what follows from the counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from skdpflow.domain import Categories, Column, Interval
from skdpflow.domain.codes import n_codes
from skdpflow.domain.grid import Grid
from skdpflow.latent.rank import Layout, RankTransform
from skdpflow.mechanisms.marginals.mass import traces
from skdpflow.mechanisms.marginals.outside import AxisHistograms, with_gap_bin
from skdpflow.release import Measurement
from skdpflow.transport.betas import beta_mixtures
from skdpflow.transport.flow import Block, CountSlices
from skdpflow.transport.marginals import denoise_ordered, to_simplex
from skdpflow.transport.pairs import latent_edges

Array = NDArray[np.float64]
Mixture = tuple[Array, Array, Array]

#: Bins of the latent transform of a numeric column, between which a coarser histogram is filled in by the prior.
FINE_BINS = 128
#: Bins with more mass than this are treated as atoms.
SPREAD_MASS = 0.25
#: Smallest share of mass of a bin, times its share of the domain.
PRIOR_FLOOR = 1e-3
#: Ends beyond which less than this part is expected hold nothing, unless it stands out.
EXPECTED = 2e-3
#: Located share below which there is nothing.
EMPTY = 1e-6


def bin_edges(column: Column, n_bins: int, n_values: int) -> NDArray[np.int64]:
    """Cut the codes of a column into equal bins."""
    codes = n_codes(column)
    if isinstance(column, Categories) or (column.discrete and column.n_levels <= n_values):
        return np.arange(codes + 1)
    if column.grid is not None:
        edges = _located_bins(column.grid, n_bins)
    else:
        edges = np.unique(np.rint(np.linspace(0, column.n_values, n_bins + 1)).astype(np.int64))
    return np.append(edges, np.arange(column.n_values + 1, codes + 1))


def scales(columns: Sequence[Column]) -> dict[str, Any]:
    """Return the places in [-1, 1] of the codes of numeric columns."""
    codes = [
        c.grid.starts if isinstance(c, Interval) and c.grid is not None else np.array([0, c.n_values]) for c in columns
    ]
    places = [2.0 * base_share(c, own.astype(np.float64)) - 1.0 for c, own in zip(columns, codes, strict=True)]
    return {
        "scale_codes": np.concatenate(codes),
        "scale_places": np.concatenate(places),
        "scale_sizes": np.array([len(own) for own in codes]),
    }


def _located_bins(grid: Grid, n_bins: int) -> NDArray[np.int64]:
    """Cut the codes of a located column into bins of about equal mass, and single values that hold mass."""
    below = np.concatenate([[0.0], np.cumsum(grid.shares)]) / np.sum(grid.shares)
    edges = np.rint(np.interp(np.arange(n_bins + 1) / n_bins, below, grid.starts)).astype(np.int64)
    own = np.flatnonzero(grid.atoms & (np.asarray(grid.shares) > 0.5 / n_bins))
    edges = np.unique(np.concatenate([edges, grid.starts[own], grid.starts[own + 1], grid.starts[[0, -1]]]))
    # where nothing was located there is no bin, which would hold noise only: its codes join their neighbours
    kept = np.diff(grid.share_below(edges)) > EMPTY
    first = int(np.argmax(kept)) + 1
    return np.concatenate([edges[:1], edges[first:-1][kept[first:]], edges[-1:]])


def association_order(counts: Array) -> NDArray[np.int64]:
    """Order categories by the leading direction in which their class profiles differ."""
    positive = np.maximum(counts, 0.0) + 1e-3
    weight = positive.sum(axis=0)
    profile = positive / weight
    centred = profile - (profile * weight).sum(axis=1, keepdims=True) / weight.sum()
    axis = np.linalg.svd(centred * np.sqrt(weight), full_matrices=False)[0][:, 0]
    axis = axis * np.copysign(1.0, axis[-1])
    return np.argsort(axis @ profile, kind="stable")


def base_share(column: Column, positions: Array) -> Array:
    """Return the share of a column's values that is expected below positions: as located, or spread over its width."""
    if isinstance(column, Interval) and column.grid is not None:
        return column.grid.share_below(positions)
    return np.clip(positions / column.n_values, 0.0, 1.0)


def seen_moments(moments: Measurement, axes: AxisHistograms, columns: Sequence[int], total: float) -> Measurement:
    """Scale column moments up for the rows that are in none of them, since their cell is missing or no number."""
    gaps = [axes.counts[j][:, axes.layouts[j].is_gap(axes.edges[j][:-1])].sum() for j in columns]
    missed = np.array([axes.drawn[j] for j in columns]) + np.clip(gaps, 0.0, total)
    return replace(moments, values=moments.values * (total / np.maximum(total - missed, 1.0)))


def _with_ends(layout: Layout, edges: Array, p: Array, below: float, above: float) -> tuple[Array, Array]:
    """Take what lies below and above out of the first and last values, to places beside them."""
    first, last = layout.ends
    p = p.copy()
    if first < 0:
        below = min(below, (1.0 - PRIOR_FLOOR) * p[0])
        p = np.concatenate([[below, p[0] - below], p[1:]])
        edges = np.append(float(first), edges)
    if last > layout.n_levels:
        top = int(np.searchsorted(edges, layout.n_values if layout.gap is None else layout.n_levels)) - 1
        above = min(above, (1.0 - PRIOR_FLOOR) * p[top])
        p[top] -= above
        p, edges = np.append(p, above), np.append(edges, float(last))
    return edges, p


def rank_transform(
    m: Measurement,
    moments: Measurement | None,
    columns: Sequence[Column],
    total: float,
    *,
    clip: bool = False,
) -> RankTransform:
    """Build the latent transform from noisy histograms and moments."""
    edges, cdfs, orders, spreads = [], [], [], []
    axes = AxisHistograms.clipped(m, columns)
    ends = axes if clip else AxisHistograms.of(m, columns)
    sd = axes.sd * np.sqrt(len(m.values))
    prior = {}
    if moments is not None:
        numeric = [int(j) for j in moments.params["columns"]]
        seen = seen_moments(moments, axes, numeric, total)
        prior = dict(zip(numeric, _mixtures(seen, axes, numeric, columns, total, sd), strict=True))
    for j, (column, h, e) in enumerate(zip(columns, axes.counts, axes.edges, strict=True)):
        order, layout = None, ends.layouts[j]
        if j in prior:
            fine, p, spread = _numeric(column, h.sum(axis=0), e, prior[j], sd, total)
        else:
            if not column.ordered and len(h) > 1:
                order = association_order(h)
            pooled = h.sum(axis=0)
            fine, p = e, to_simplex(pooled if order is None else pooled[order], total) / total
            p = p + PRIOR_FLOOR * np.diff(e) / e[-1]  # no bin is left without mass: F must be invertible
            p /= p.sum()
            spread = np.column_stack([e[:-1], e[1:]])[(p > SPREAD_MASS) & (np.diff(e) > 1)]
        if layout.gap is not None:
            (p,), fine = with_gap_bin(p[None], fine, layout)
            spread = layout.with_gap(spread)
        outer = ends.counts[j].sum(axis=0) / total
        fine, p = _with_ends(layout, fine, p, outer[0], outer[-1])
        edges.append(fine)
        below = np.concatenate([[0.0], np.cumsum(p)])
        cdfs.append(below / below[-1])
        orders.append(order)
        spreads.append(spread)
    return RankTransform(edges, cdfs, orders, spreads, ends.layouts)


def _mixtures(
    seen: Measurement, axes: AxisHistograms, numeric: Sequence[int], columns: Sequence[Column], total: float, sd: float
) -> list[Mixture]:
    """Fit mixtures of beta distributions to numeric columns, on the scale of what was located."""
    counts, edges = [], []
    for j in numeric:
        e = axes.edges[j]
        value = ~axes.layouts[j].is_gap(e[:-1])
        pooled = axes.counts[j].sum(axis=0)
        gaps = float(np.clip(pooled[~value].sum(), 0.0, 0.9 * total))
        counts.append(pooled[value] * (total / (total - gaps)))
        edges.append(base_share(columns[j], e[: int(value.sum()) + 1]))
    return beta_mixtures(seen, total, counts, edges, sd)


def _numeric(
    column: Column, pooled: Array, e: Array, mixture: Mixture, sd: float, total: float
) -> tuple[Array, Array, Array]:
    """Return places, probabilities between them and ranges of atoms of a numeric column: gaps, if any, come last.

    The histogram corrects the mass of its bins; inside them the shape is that of what was expected.
    """
    gaps = float(np.clip(pooled[-1], 0.0, (1.0 - PRIOR_FLOOR) * total)) if column.nullable else 0.0
    values = e[:-1] if column.nullable else e
    rows, pooled = total - gaps, pooled[: len(values) - 1]
    located = isinstance(column, Interval) and column.grid is not None
    if isinstance(column, Interval) and column.grid is not None:
        fine = np.union1d(values, column.grid.starts)
    else:
        fine = np.union1d(values, [c for c in bin_edges(column, FINE_BINS, FINE_BINS) if c <= column.n_values])
    base, (weights, a, b) = base_share(column, fine), mixture
    at = np.searchsorted(fine, values[:-1])
    shape = np.maximum(weights @ np.diff(betainc(a[:, None], b[:, None], base), axis=1), 0.0)  # it rounds
    shape += PRIOR_FLOOR * np.diff(base)
    if located:  # inside a bin, mass is where it was located: a beta distribution may have much where there is none
        part = np.diff(base) / np.repeat(np.add.reduceat(np.diff(base), at), np.diff(np.append(at, len(base) - 1)))
        shape = part * np.repeat(np.add.reduceat(shape, at), np.diff(np.append(at, len(base) - 1)))
    expected = rows * np.add.reduceat(shape, at) / shape.sum()
    found = _without_traces(denoise_ordered(pooled[None], expected[None], sd)[0], pooled, expected, sd)
    p = to_simplex(found, rows) / rows + PRIOR_FLOOR * np.add.reduceat(np.diff(base), at)
    p /= p.sum()
    spread = np.column_stack([values[:-1], values[1:]])[(p > SPREAD_MASS) & (np.diff(values) > 1) & (not located)]
    ratio = p / (expected / rows)
    p = shape / shape.sum() * ratio[np.searchsorted(values, fine[:-1], side="right") - 1]
    p /= p.sum()
    if column.nullable:
        share = max(gaps / total, PRIOR_FLOOR / column.n_values)
        fine, p = np.append(fine, e[-1]), np.append((1.0 - share) * p, share)
    return fine, p, spread


def _without_traces(found: Array, counts: Array, expected: Array, sd: float) -> Array:
    """Leave what is expected beyond the ends of a column's values, unless counts there stand out of their noise."""
    below = np.cumsum(expected) / expected.sum()
    beyond = (below < EXPECTED) | (below - expected / expected.sum() > 1.0 - EXPECTED)
    if not (found[beyond].sum() > EXPECTED * found.sum()):
        return found
    prior = (expected / expected.sum() + 1.0 / len(expected)) / 2.0
    rows = found[None] / found.sum(), counts[None], np.full((1, len(counts)), sd**2), prior[None], beyond[None]
    return np.where(traces(*rows)[0], np.minimum(found, expected), found)


def target_bins(target: Measurement, moments: Measurement, column: Column, n_bins: int, total: float) -> dict[str, Any]:
    """Cut a numeric target at the quantiles of its noisy histogram."""
    axis = AxisHistograms.clipped(target, [column])
    counts, edges, sd = axis.counts[0][0], axis.edges[0], axis.sd
    own = seen_moments(replace(moments, values=moments.values[:, -1:]), axis, [0], total)
    base = base_share(column, edges)
    ((weights, a, b),) = beta_mixtures(own, total, [counts], [base], sd)
    expected = weights @ np.diff(betainc(a[:, None], b[:, None], base), axis=1)
    expected = total * (expected + PRIOR_FLOOR) / (expected + PRIOR_FLOOR).sum()
    p = denoise_ordered(counts[None], expected[None], sd)[0]
    cdf = np.concatenate([[0.0], np.cumsum(p)]) / p.sum()
    inner = np.interp(np.arange(1, n_bins) / n_bins, cdf, edges)
    inner = np.unique(np.rint(inner).astype(np.int64))
    inner = inner[(inner > edges[0]) & (inner < edges[-1])]
    return {"n_components": len(inner) + 1, "component_edges": inner}


def class_counts(counts: Measurement) -> Array:
    """Return counts of the declared classes, or of all rows, without that of labels that are none of them."""
    return np.asarray(counts.values[: int(counts.params["n_components"])], dtype=np.float64)


def component_sizes(counts: Measurement, axes: AxisHistograms) -> Array:
    """Estimate the number of rows of each component, at least one."""
    estimates = [h.sum(axis=1) for h in axes.counts]
    weights = [1.0 / (axes.sd**2 * h.shape[1]) for h in axes.counts]
    single, classes = float(np.max(counts.sd)) ** 2, class_counts(counts)
    if len(classes) == len(estimates[0]):
        estimates.append(classes)
        weights.append(1.0 / single)
    raw, noise = np.average(estimates, axis=0, weights=weights), 1.0 / np.sum(weights)
    mean = max(float(raw.mean()), 1.0)
    if len(classes) < len(raw):
        precision = len(raw) / noise, len(raw) ** 2 / single
        mean = max(float(np.average([raw.mean(), classes.sum() / len(raw)], weights=precision)), 1.0)
    spread = max(float(((raw - mean) ** 2).mean()) - noise, 0.0)
    return np.maximum(mean + spread / (spread + noise) * (raw - mean), 1.0)


def latent_histograms(axes: AxisHistograms, transform: RankTransform) -> tuple[list[Array], list[Array]]:
    """Counts of each column in the order of its latent axis, (n_components, n_bins), and their inner edges there."""
    edges = [latent_edges(transform, j, e[1:-1]) for j, e in enumerate(axes.edges)]
    return [h if o is None else h[:, o] for h, o in zip(axes.counts, transform.orders, strict=True)], edges


def axis_blocks(
    axes: AxisHistograms, sizes: Array, transform: RankTransform, columns: Sequence[Column], *, numeric_target: bool
) -> list[Block]:
    """Targets of each component along the latent axes: its own histograms.

    A bin of a numeric target is in one component, so its rows lie there as those of the transform do, which made all
    rows together standard normal. What is known of the component as a whole says less of its tail.
    """
    counts, edges = latent_histograms(axes, transform)
    eye, ordered = np.eye(len(columns)), [c.ordered for c in columns]
    apart = [
        (e[:-1] < 0) | (e[:-1] >= layout.n_levels) | layout.is_gap(e[:-1])
        for e, layout in zip(axes.edges, axes.layouts, strict=True)
    ]
    normal = [numeric_target and j == len(columns) - 1 for j in range(len(columns))]
    slices = [
        CountSlices(edges, [h[component] for h in counts], axes.sd, float(size), ordered, apart, normal)
        for component, size in enumerate(sizes)
    ]
    return [Block(eye, eye, own) for own in slices]
