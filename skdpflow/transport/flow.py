"""The sliced-Wasserstein flow from a latent Gaussian to the released slices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from skdpflow.transport.layers import Layer, corrected_quantiles, monotone_knots, normal_quantiles, ranked
from skdpflow.transport.marginals import denoise_ordered, shrink, to_simplex
from skdpflow.transport.model import Component
from skdpflow.transport.pairs import PairLayer, PairTarget, pair_layer

Array = NDArray[np.float64]

AnyLayer = Layer | PairLayer

#: Numbers of points that are moved together through all layers, so that they stay in the processor's cache, and of the
#: particles of components that are moved together.
_TOGETHER = 2**18
#: Levels of the distribution functions that maps are built on, dense in the tails.
_LEVELS = ndtr(np.linspace(-3.5, 3.5, 65))


class CountSlices:
    """Targets of a block of directions, given as noisy histograms.

    Parameters
    ----------
    edges : sequence of ndarray
        Inner bin edges along each direction.
    counts : sequence of ndarray
        Noisy counts, one more than edges.
    sd : float
        Standard deviation of the noise of a count.
    total : float
        Estimated number of rows of the component.
    ordered : sequence of bool
        Whether neighbouring bins are alike, as for numbers, or not, as for categories.
    apart : sequence of ndarray of bool, or None, default=None
        Bins that are like no neighbour, though the others are: gaps, and what lies outside.
    normal : sequence of bool, or None, default=None
        Whether points inside the bins of a direction are to lie as those of a standard normal distribution do there,
        wherever the particles are.

    Notes
    -----
    What a histogram says beyond the current model is its deviation from the predicted counts. That is denoised at its
    known noise, so a slice that is mostly noise moves nothing.
    """

    def __init__(
        self,
        edges: Sequence[Array],
        counts: Sequence[Array],
        sd: float,
        total: float,
        ordered: Sequence[bool],
        apart: Sequence[NDArray[np.bool_]] | None = None,
        normal: Sequence[bool] | None = None,
    ) -> None:
        self.edges = [np.asarray(e, dtype=np.float64) for e in edges]
        self.counts = [np.asarray(c, dtype=np.float64) for c in counts]
        self.sd = sd
        self.total = total
        self.ordered = list(ordered)
        self.apart = [np.zeros(len(c), dtype=np.bool_) for c in counts] if apart is None else list(apart)
        self.normal = [False] * len(self.edges) if normal is None else list(normal)


def denoised_targets(slices: Sequence[CountSlices], predicted: Sequence[Sequence[Array]]) -> list[list[Array | None]]:
    """Denoised target probabilities of the bins, or None where a slice adds nothing.

    Of several components that were counted alike: together, since a call of each takes longer than the numbers do.
    """
    one, total = slices[0], np.array([own.total for own in slices])[:, None]
    counts = [np.array(own) for own in zip(*(own.counts for own in slices), strict=True)]
    expected = [total * np.array(own) for own in zip(*predicted, strict=True)]
    found = [e.copy() for e in expected]
    # histograms of one length share thresholds, and so do all categories together
    ordered = {i: ~one.apart[i] for i, o in enumerate(one.ordered) if o}
    for i, near in ordered.items():
        found[i] = _taken_apart(counts[i], expected[i], near, total, one.sd)
    for size in {int(near.sum()) for near in ordered.values()}:
        members = [i for i, near in ordered.items() if near.sum() == size]
        seen, guess = (np.stack([x[i][:, ordered[i]] for i in members], axis=1) for x in (counts, found))
        for i, f in zip(members, np.moveaxis(denoise_ordered(seen, guess, one.sd), 1, 0), strict=True):
            found[i][:, ordered[i]] = f
    members = [i for i, ordered in enumerate(one.ordered) if not ordered]
    if members:
        flat = shrink(np.concatenate([counts[i] - expected[i] for i in members], axis=1), one.sd)
        flat *= total**2 / (total**2 + 3.0 * one.sd**2)
        cuts = np.cumsum([expected[i].shape[1] for i in members])[:-1]
        for i, deviations in zip(members, np.split(flat, cuts, axis=1), strict=True):
            for c in np.flatnonzero(deviations.any(axis=1)).tolist():
                found[i][c] = to_simplex(expected[i][c] + deviations[c], slices[c].total)
    out: list[list[Array | None]] = [[] for _ in slices]
    for e, f in zip(expected, found, strict=True):
        moved = np.abs(f - e).max(axis=1) > 1e-9 * total[:, 0]
        q = f + 1e-9 * total
        q /= q.sum(axis=1, keepdims=True)
        for k, own in enumerate(out):
            own.append(q[k] if moved[k] else None)
    return out


def _taken_apart(counts: Array, expected: Array, near: NDArray[np.bool_], total: Array, sd: float) -> Array:
    """Correct the expected counts of single bins by their own counts, and scale the other bins to the rest.

    A single count is worth its deviation less what noise alone adds to it: there is no group to find a threshold.
    """
    if near.all() or not near.any():
        return expected.copy()
    out, moved = expected.copy(), (counts - expected)[:, ~near]
    moved *= np.maximum(1.0 - sd**2 / np.maximum(moved**2, 1e-300), 0.0)
    out[:, ~near] = np.maximum(expected[:, ~near] + moved, 0.0)
    rest = np.maximum(total - out.compress(~near, axis=1).sum(axis=1, keepdims=True), 1e-3 * total)
    out[:, near] *= rest / np.maximum(expected.compress(near, axis=1).sum(axis=1, keepdims=True), 1e-300)
    return out


def normal_particles(n: int, d: int, seed: int) -> Array:
    """Draw standard normal points of low discrepancy."""
    u = qmc.Sobol(d, scramble=True, seed=np.random.default_rng(seed)).random_base2(max(n - 1, 1).bit_length())[:n]
    return np.asarray(ndtri(np.clip(u, 2.0**-33, 1 - 2.0**-33)))


def block_layers(
    particles: Sequence[Array], blocks: Sequence[Block], step_size: float, weights: Sequence[Array | None]
) -> list[Layer | None]:
    """Fit one layer of the flow of each of some components to a block of slices; `weights` are those of particles."""
    sorted_by = []
    for z, block, w in zip(particles, blocks, weights, strict=True):
        values, shares = ranked(np.ascontiguousarray((z @ block.analysis).T), w)
        sorted_by.append(list(zip(values, shares, strict=True)))
    levels = [
        [np.interp(e, p, level, left=0.0, right=1.0) for e, (p, level) in zip(block.slices.edges, own, strict=True)]
        for block, own in zip(blocks, sorted_by, strict=True)
    ]
    predicted = [[np.diff(np.concatenate([[0.0], at, [1.0]])) for at in own] for own in levels]
    targets = denoised_targets([block.slices for block in blocks], predicted)
    return [_layer(*own, step_size) for own in zip(blocks, sorted_by, levels, targets, strict=True)]


def _layer(
    block: Block,
    sorted_by: Sequence[tuple[Array, Array]],
    levels: Sequence[Array],
    targets: Sequence[Array | None],
    step_size: float,
) -> Layer | None:
    """Map the quantiles of each slice to those of its target."""
    moving, xs, ys = [], [], []
    for i, target in enumerate(targets):
        if target is None:
            continue
        now = np.concatenate([[0.0], levels[i], [1.0]])
        then = np.concatenate([[0.0], np.cumsum(target)])
        then /= then[-1]
        at = np.unique(np.concatenate([_LEVELS, then[1:-1]]))
        p, level = sorted_by[i]
        x = np.interp(at, level, p)
        edges = block.slices.edges[i]
        if block.slices.normal[i]:
            y = normal_quantiles(edges, then, at)
        else:
            y = corrected_quantiles(p, level, edges, now, then, at)
        x, y = monotone_knots(x, (1.0 - step_size) * x + step_size * y)
        moving.append(i)
        xs.append(x)
        ys.append(y)
    return Layer(block.analysis[:, moving], block.synthesis[:, moving], tuple(xs), tuple(ys)) if moving else None


@dataclass(frozen=True, eq=False)
class FlowComponent:
    """The learned model of one component: a distribution, such as a Gaussian, that is mapped by layers.

    Parameters
    ----------
    start : Gaussian, CutGaussian or TiltedComponent
        Where points come from.
    layers : tuple of Layer
        What moves them, in order.
    """

    start: Component
    layers: tuple[AnyLayer, ...] = ()

    def forward(self, z: Array) -> Array:
        """Map points of the start to points of the component."""
        out, n_rows = np.empty(z.shape), max(_TOGETHER // z.shape[1], 1)
        for start in range(0, len(z), n_rows):
            piece = np.asfortranarray(z[start : start + n_rows])  # layers go through columns
            for layer in self.layers:
                piece = layer.forward(piece)
            out[start : start + n_rows] = piece
        return out

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw points."""
        return self.forward(self.start.sample(n, rng))

    def log_density(self, z: Array) -> Array:
        """Log-density of points."""
        log_det = np.zeros(len(z))
        for layer in reversed(self.layers):
            z, part = layer.inverse(z)
            log_det += part
        return np.asarray(self.start.log_density(z) - log_det)


@dataclass(frozen=True, eq=False)
class Block:
    """Directions that are followed together, with their duals and targets.

    Parameters
    ----------
    analysis, synthesis : ndarray of shape (d, k)
        Directions and duals, ``analysis.T @ synthesis`` = identity.
    slices : CountSlices
        Targets.
    """

    analysis: Array
    synthesis: Array
    slices: CountSlices


def learn_components(
    moving: Iterable[tuple[Component, Array, Array | None]],
    blocks: Sequence[Sequence[Block]],
    pairs: Sequence[PairTarget],
    sizes: Array,
    *,
    n_steps: int,
    step_size: float,
) -> Iterator[tuple[FlowComponent, Array]]:
    """Follow the flow of components, given by where they start, their particles, and weights of these.

    Few components move at a time, so that the particles of these alone need memory.
    """
    tables: list[list[PairTarget]] = [[] for _ in blocks]
    for target in pairs:
        tables[target.component].append(target)
    paths = (_Path(*own, *told) for own, *told in zip(moving, blocks, tables, sizes, strict=True))
    for together in _few(paths):
        left = together
        for _ in range(n_steps):
            left = _step(left, step_size)
        # marginals are fitted last, so that they agree with their histograms
        _follow([path for path in together if path.tables or len(path.blocks) > 1], 0, step_size)
        yield from ((FlowComponent(path.start, tuple(path.layers)), path.particles) for path in together)


class _Path:
    """The flow of one component so far: its layers, where its particles are, and what it follows."""

    def __init__(
        self,
        start: Component,
        particles: Array,
        weights: Array | None,
        blocks: Sequence[Block],
        tables: Sequence[PairTarget],
        size: float,
    ) -> None:
        self.start, self.particles, self.weights = start, particles, weights
        self.blocks, self.tables, self.size = blocks, tables, float(size)
        self.layers: list[AnyLayer] = []

    def advance(self, layer: AnyLayer | None) -> None:
        """Move by a layer, if there is one."""
        if layer is not None:
            self.particles = layer.forward(self.particles)
            self.layers.append(layer)


def _few(paths: Iterable[_Path]) -> Iterator[list[_Path]]:
    """Yield a few paths at a time: one of many particles, or more."""
    few: list[_Path] = []
    for path in paths:
        few.append(path)
        if len(few) * path.particles.size >= _TOGETHER:
            yield few
            few = []
    if few:
        yield few


def _follow(paths: Sequence[_Path], k: int, step_size: float) -> None:
    """Move along a block of slices of each component."""
    if not paths:
        return
    blocks, weights = [path.blocks[k] for path in paths], [path.weights for path in paths]
    layers = block_layers([path.particles for path in paths], blocks, step_size, weights)
    for path, layer in zip(paths, layers, strict=True):
        path.advance(layer)


def _step(paths: Sequence[_Path], step_size: float) -> list[_Path]:
    """Move along everything once; returns the paths that had anything to learn."""
    before = [len(path.layers) for path in paths]
    for k in range(max((len(path.blocks) for path in paths), default=0)):
        _follow(paths, k, step_size)
    for path in paths:
        for target in path.tables:
            path.advance(pair_layer(path.particles, path.size, target, path.weights))
    return [path for path, n in zip(paths, before, strict=True) if len(path.layers) > n]
