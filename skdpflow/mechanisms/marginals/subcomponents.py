"""Subcomponents: components cut along their own principal directions, each part with moments of its own.

Subcomponents are disjoint, so a row changes the moments of one of them: that there are many costs nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.latent.rank import DIRECTION_STEPS
from skdpflow.latent.scores import LATENT_LIMIT, LATENT_STEPS
from skdpflow.release import Measurement
from skdpflow.transport.moments import denoise_spectrum, positive, symmetric
from skdpflow.transport.start import CutGaussian, Gaussian

Array = NDArray[np.float64]

#: Radius of the ball of a subcomponent's rows, in units of the root of their mean squared norm.
RADIUS = 1.1
#: Smallest share of a component's rows that one of its subcomponents may have, times the number of subcomponents.
LEAST = 0.05


def sides_of(n_cuts: int) -> Array:
    """On which side of each cut, -1 or 1, a subcomponent lies, (2**n_cuts, n_cuts)."""
    return np.asarray(2.0 * (np.arange(2**n_cuts)[:, None] >> np.arange(n_cuts) & 1) - 1.0)


def predicted_subcomponents(means: Array, covariances: Array, n_cuts: int) -> tuple[Array, Array, Array]:
    """Cut normal distributions at their means, along their leading principal directions."""
    values, vectors = np.linalg.eigh(covariances)
    directions, variances = vectors[:, :, ::-1][:, :, :n_cuts], values[:, ::-1][:, :n_cuts]
    lengths = np.sqrt(2.0 / np.pi * variances)  # mean and variance of a half-normal
    centres = means[:, None] + np.einsum("cdk,ck,qk->cqd", directions, lengths, sides_of(n_cuts))
    shapes = covariances - np.einsum("cdk,ck,cek->cde", directions, lengths**2, directions)
    return directions, centres, shapes


def subcomponent_params(means: Array, covariances: Array, sizes: Array, n_cuts: int) -> dict[str, Any]:
    """Say how components are cut, and the ball around the predicted centre of each subcomponent."""
    directions, centres, shapes = predicted_subcomponents(means, covariances, n_cuts)
    integers = np.rint(directions * DIRECTION_STEPS).astype(np.int64)
    squared = float(np.average(np.trace(shapes, axis1=1, axis2=2), weights=sizes))
    return {
        "n_components": centres.shape[0] * centres.shape[1],
        "cut_directions": integers,
        "cuts": np.rint(np.einsum("cd,cdk->ck", means, integers) * LATENT_STEPS).astype(np.int64),
        "component_centres": np.rint(np.clip(centres, -LATENT_LIMIT, LATENT_LIMIT) * LATENT_STEPS)
        .astype(np.int64)
        .reshape(-1, centres.shape[2]),
        "radius": RADIUS * float(np.sqrt(squared)),
    }


def subcomponent_starts(
    counts: Measurement, mean: Measurement, second: Measurement, sizes: Array, means: Array, covariances: Array
) -> list[CutGaussian]:
    """Take the subcomponents of each component to where they were found."""
    n_cuts, d = mean.params["cut_directions"].shape[2], means.shape[1]
    shapes = predicted_subcomponents(means, covariances, n_cuts)[2]
    centres, sides = mean.params["component_centres"] / LATENT_STEPS, sides_of(n_cuts)
    step = float(mean.params["radius"]) / float(mean.params["steps"])

    expected = np.repeat(sizes / 2**n_cuts, 2**n_cuts)
    noise = float(np.max(counts.sd)) ** 2
    found = counts.values - expected
    spread = max(float((found**2).mean()) - noise, 0.0)
    rows = np.maximum(expected + spread / (spread + noise) * found, LEAST * expected)

    moved = mean.values * step / rows[:, None]
    variance = (float(np.max(mean.sd)) * step / rows[:, None]) ** 2
    spread = max(float((moved**2 - variance).mean()), 0.0)
    keep = spread / np.maximum(spread + variance, 1e-12)
    moved, unknown = keep * moved, keep * variance

    starts = []
    for c, base in enumerate(shapes):
        own, spread_out = slice(c * len(sides), (c + 1) * len(sides)), []
        for i in range(own.start, own.stop):
            found_shape = symmetric(second.values[i] * step**2, d) / rows[i] - np.outer(moved[i], moved[i])
            sd = float(np.min(second.sd)) * step**2 / rows[i]
            # rounding to the lattice adds step**2 / 12 to every variance
            shape = base + denoise_spectrum(found_shape - np.eye(d) * step**2 / 12.0 - base, sd)
            spread_out.append(positive(shape + np.eye(d) * unknown[i]))
        whole = Gaussian(means[c], covariances[c])
        starts.append(CutGaussian(whole, sides, rows[own], centres[own] + moved[own], np.array(spread_out)))
    return starts
