"""The paper's flow: particles follow the quantile functions of noisy projected records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from skdpflow.latent.lookup import PiecewiseLinear
from skdpflow.transport.flow import FlowComponent
from skdpflow.transport.layers import Layer, monotone_knots

Array = NDArray[np.float64]
Knots = tuple[tuple[Array, ...], tuple[Array, ...]]

#: Levels of the quantile functions that maps are built on, dense in the tails.
KNOT_LEVELS = ndtr(np.linspace(-3.5, 3.5, 65))
#: Largest scalar product of directions of one block: those of an orthonormal block are off by rounding only.
_ORTHOGONAL = 0.05


def knot_ranks(n: int) -> NDArray[np.int64]:
    """Ranks of those of `n` sorted particles that serve as knots."""
    return np.unique(np.clip(np.rint(KNOT_LEVELS * n - 0.5), 0, n - 1).astype(np.int64))


def quantiles_at(ranks: NDArray[np.int64], n: int, values: Array) -> Array:
    """Quantile functions of samples, where `n` sorted particles have the given ranks."""
    size = values.shape[1]
    levels = (np.arange(size) + 0.5) / size
    return np.array([np.interp((ranks + 0.5) / n, levels, row) for row in np.sort(values, axis=1)])


def quantile_step(
    particles: Array,
    analysis: Array,
    synthesis: Array,
    targets: Array,
    ranks: NDArray[np.int64],
    step_size: float,
    *,
    invertible: bool = True,
) -> tuple[Array, Knots]:
    r"""Move particles along directions towards quantile functions.

    Notes
    -----
    The step of the paper [1]_ is this one with ``synthesis = directions / k`` and unbounded slopes. Each direction is
    sorted once: the ranks give the knots by indexing, and a piecewise linear map of sorted values needs no search.

    References
    ----------
    .. [1] Sebag, I., et al. (2023). Differentially private gradient flow based on the sliced Wasserstein distance.
       arXiv:2312.08227.
    """
    p = analysis.T @ particles
    xs, ys = [], []
    for row, target in zip(p, targets, strict=True):
        order = np.argsort(row)
        ordered = row[order]
        x = ordered[ranks]
        y = (1.0 - step_size) * x + step_size * target
        if invertible:
            x, y = monotone_knots(x, y)
        row[order] = PiecewiseLinear([x], [y])(ordered) - ordered
        xs.append(x)
        ys.append(y)
    return particles + synthesis @ p, (tuple(xs), tuple(ys))


def direction_blocks(directions: Array) -> list[tuple[slice, Array]]:
    """Cut directions into runs that are orthonormal up to rounding, each with its exact duals."""
    d, k = directions.shape
    blocks, start = [], 0
    while start < k:
        stop = start + 1
        while stop < min(k, start + d) and np.abs(directions[:, stop] @ directions[:, start:stop]).max() < _ORTHOGONAL:
            stop += 1
        v = directions[:, start:stop]
        blocks.append((slice(start, stop), v @ np.linalg.inv(v.T @ v)))
        start = stop
    return blocks


def learn_layers(
    start: Array,
    directions: Array,
    targets: Array,
    *,
    n_passes: int,
    step_size: float,
    diffusion: float,
    rng: np.random.Generator,
) -> tuple[tuple[Layer, ...], tuple[float, ...]]:
    r"""Follow the flow block by block.

    Notes
    -----
    A block of :math:`b` orthonormal directions followed with `step_size` :math:`h` is a step of the paper along
    these directions, whose mean it takes, with its step :math:`b h`: for full blocks, :math:`d h`. Its Wiener term is
    therefore :math:`\sqrt{2 b h \lambda} Z`.
    """
    blocks = direction_blocks(directions)
    particles = np.ascontiguousarray(start.T)
    ranks = knot_ranks(len(start))
    layers, scales = [], []
    for _ in range(n_passes):
        for block, duals in blocks:
            v = directions[:, block]
            particles, (x, y) = quantile_step(particles, v, duals, targets[block], ranks, step_size)
            layers.append(Layer(v, duals, x, y))
            scales.append(float(np.sqrt(2.0 * v.shape[1] * step_size * diffusion)))
            if diffusion > 0:
                particles += scales[-1] * rng.standard_normal(particles.shape)
    return tuple(layers), tuple(scales)


@dataclass(frozen=True, eq=False)
class DiffusedComponent:
    """A component whose points follow its layers with noise after each.

    Parameters
    ----------
    component : FlowComponent
        The layers.
    scales : tuple of float
        Standard deviation of the noise after each.
    """

    component: FlowComponent
    scales: tuple[float, ...]

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw points."""
        points = FlowComponent(self.component.start).sample(n, rng)
        for layer, scale in zip(self.component.layers, self.scales, strict=True):
            points = layer.forward(points) + scale * rng.standard_normal(points.shape)
        return points

    def log_density(self, z: Array) -> NoReturn:
        """Refuse: the density of a diffused point is an integral over all its paths."""
        raise ValueError(
            "A flow with a Wiener term has no density that can be evaluated: score_samples needs diffusion=0. Set "
            "RecordsMechanism(diffusion=0) and fit again."
        )
