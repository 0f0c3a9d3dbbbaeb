"""Sliced histograms: which directions, and the slices as targets of the flow."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from skdpflow.latent.rank import DIRECTION_STEPS
from skdpflow.latent.scores import LATENT_STEPS
from skdpflow.mechanisms.marginals.allocation import SLICE_BINS
from skdpflow.projections import Moments, draw_directions
from skdpflow.release import Measurement
from skdpflow.release.request import PlanContext
from skdpflow.transport.flow import Block, CountSlices
from skdpflow.transport.moments import component_covariances, component_means

Array = NDArray[np.float64]


def slice_params(
    context: PlanContext, mean: Measurement, second: Measurement, sizes: Array, n_slices: int
) -> dict[str, Any]:
    """Choose directions in the space whitened by the pooled covariance, and bins of equal predicted mass."""
    means, _ = component_means(mean, sizes)
    covariances = component_covariances(second, sizes, means)
    weights = sizes / sizes.sum()
    within = np.einsum("c,cij->ij", weights, covariances)
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(values)
    between = np.einsum("c,ci,cj->ij", weights, means - weights @ means, means - weights @ means)
    centre = (weights @ means) @ whiten
    moments = Moments(centre, np.eye(len(within)) + whiten.T @ between @ whiten)
    u = draw_directions(context.projections, len(within), n_projections=n_slices, seed=context.seed, moments=moments)
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


def slice_blocks(m: Measurement, component: int, size: float) -> list[Block]:
    """Group measured directions into blocks that are orthonormal in the whitened space."""
    directions = np.asarray(m.params["directions"][0], dtype=np.float64) / DIRECTION_STEPS
    metric = np.asarray(m.params["metric"])
    edges = m.params["slice_edges"][component] / (LATENT_STEPS * DIRECTION_STEPS)
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
        slices = CountSlices(list(edges[start:stop]), list(m.values[component, start:stop]), sd, size, [True] * k)
        blocks.append(Block(v, w, slices))
        start = stop
    return blocks
