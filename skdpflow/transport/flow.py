"""The sliced-Wasserstein flow from a latent Gaussian to the released slices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from skdpflow.transport.layers import Layer, corrected_quantiles, monotone_knots, ranked
from skdpflow.transport.marginals import denoise_ordered, shrink, to_simplex
from skdpflow.transport.model import Component
from skdpflow.transport.pairs import PairLayer, PairTarget, pair_layer

Array = NDArray[np.float64]

AnyLayer = Layer | PairLayer

#: Points that are moved together through all layers, so that they stay in the processor's cache.
_ROWS = 2**13
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
    ) -> None:
        self.edges = [np.asarray(e, dtype=np.float64) for e in edges]
        self.counts = [np.asarray(c, dtype=np.float64) for c in counts]
        self.sd = sd
        self.total = total
        self.ordered = list(ordered)
        self.apart = [np.zeros(len(c), dtype=np.bool_) for c in counts] if apart is None else list(apart)

    def targets(self, predicted: Sequence[Array]) -> list[Array | None]:
        """Denoised target probabilities of the bins, or None where the slice adds nothing."""
        expected = [self.total * p for p in predicted]
        found = [e.copy() for e in expected]
        # histograms of one length share thresholds, and so do all categories together
        ordered = {i: ~self.apart[i] for i, o in enumerate(self.ordered) if o}
        for i, near in ordered.items():
            found[i] = self._taken_apart(self.counts[i], expected[i], near)
        for size in {int(near.sum()) for near in ordered.values()}:
            members = [i for i, near in ordered.items() if near.sum() == size]
            stacked = [np.array([x[i][ordered[i]] for i in members]) for x in (self.counts, found)]
            for i, f in zip(members, denoise_ordered(stacked[0], stacked[1], self.sd), strict=True):
                found[i][ordered[i]] = f
        members = [i for i, ordered in enumerate(self.ordered) if not ordered]
        if members:
            flat = shrink(np.concatenate([self.counts[i] - expected[i] for i in members]), self.sd)
            flat *= self.total**2 / (self.total**2 + 3.0 * self.sd**2)
            cuts = np.cumsum([len(expected[i]) for i in members])[:-1]
            for i, d in zip(members, np.split(flat, cuts), strict=True):
                found[i] = to_simplex(expected[i] + d, self.total) if d.any() else expected[i]
        out: list[Array | None] = []
        for e, f in zip(expected, found, strict=True):
            moved = np.abs(f - e).max() > 1e-9 * self.total
            q = f + 1e-9 * self.total
            out.append(q / q.sum() if moved else None)
        return out

    def _taken_apart(self, counts: Array, expected: Array, near: NDArray[np.bool_]) -> Array:
        """Correct the expected counts of single bins by their own counts, and scale the other bins to the rest.

        A single count is worth its deviation less what noise alone adds to it: there is no group to find a threshold.
        """
        if near.all() or not near.any():
            return expected.copy()
        out, moved = expected.copy(), (counts - expected)[~near]
        moved *= np.maximum(1.0 - self.sd**2 / np.maximum(moved**2, 1e-300), 0.0)
        out[~near] = np.maximum(expected[~near] + moved, 0.0)
        rest = max(self.total - float(out[~near].sum()), 1e-3 * self.total)
        out[near] *= rest / max(float(expected[near].sum()), 1e-300)
        return out


def normal_particles(n: int, d: int, seed: int) -> Array:
    """Draw standard normal points of low discrepancy."""
    u = qmc.Sobol(d, scramble=True, seed=np.random.default_rng(seed)).random_base2(max(n - 1, 1).bit_length())[:n]
    return np.asarray(ndtri(np.clip(u, 2.0**-33, 1 - 2.0**-33)))


def block_layer(
    particles: Array,
    analysis: Array,
    synthesis: Array,
    slices: CountSlices,
    step_size: float,
    weights: Array | None = None,
) -> Layer | None:
    """Fit one layer of the flow to a block of slices; `weights` are those of the particles."""
    sorted_by = [ranked(p, weights) for p in (particles @ analysis).T]
    levels = [
        np.interp(e, p, level, left=0.0, right=1.0) for e, (p, level) in zip(slices.edges, sorted_by, strict=True)
    ]
    predicted = [np.diff(np.concatenate([[0.0], at, [1.0]])) for at in levels]
    targets = slices.targets(predicted)
    moving = [i for i, t in enumerate(targets) if t is not None]
    if not moving:
        return None
    xs, ys = [], []
    for i in moving:
        target = targets[i]
        assert target is not None
        now = np.concatenate([[0.0], levels[i], [1.0]])
        then = np.concatenate([[0.0], np.cumsum(target)])
        then /= then[-1]
        at = np.unique(np.concatenate([_LEVELS, then[1:-1]]))
        p, level = sorted_by[i]
        x = np.interp(at, level, p)
        y = corrected_quantiles(p, level, slices.edges[i], now, then, at)
        x, y = monotone_knots(x, (1.0 - step_size) * x + step_size * y)
        xs.append(x)
        ys.append(y)
    return Layer(analysis[:, moving], synthesis[:, moving], tuple(xs), tuple(ys))


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
        out = np.empty(z.shape)
        for start in range(0, len(z), _ROWS):
            piece = z[start : start + _ROWS]
            for layer in self.layers:
                piece = layer.forward(piece)
            out[start : start + _ROWS] = piece
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
    starts: Sequence[Component],
    particles: Iterable[Array],
    blocks: Sequence[Sequence[Block]],
    pairs: Sequence[PairTarget],
    sizes: Array,
    *,
    n_steps: int,
    step_size: float,
    weights: Sequence[Array] | None = None,
) -> Iterator[tuple[FlowComponent, Array]]:
    """Follow the flow of one component after the other, so that the particles of one at a time need memory."""
    # marginals are fitted last, so that they agree with their histograms
    again = bool(pairs) or any(len(own) > 1 for own in blocks)
    tables: list[list[PairTarget]] = [[] for _ in starts]
    for target in pairs:
        tables[target.component].append(target)
    each = [None] * len(starts) if weights is None else weights
    for start, z, own, targets, size, w in zip(starts, particles, blocks, tables, sizes, each, strict=True):
        path = _Path(z, w)
        for _ in range(n_steps):
            moved = [path.follow(block, step_size) for block in own]
            moved += [path.advance(pair_layer(path.particles, float(size), target, w)) for target in targets]
            if not any(moved):
                break
        if again:
            path.follow(own[0], step_size)
        yield FlowComponent(start, tuple(path.layers)), path.particles


class _Path:
    """The flow of one component so far: its layers, and where its particles are."""

    def __init__(self, particles: Array, weights: Array | None) -> None:
        self.layers: list[AnyLayer] = []
        self.particles, self._weights = particles, weights

    def follow(self, block: Block, step_size: float) -> bool:
        """Move along a block of slices; says whether there was anything to learn from it."""
        layer = block_layer(self.particles, block.analysis, block.synthesis, block.slices, step_size, self._weights)
        return self.advance(layer)

    def advance(self, layer: AnyLayer | None) -> bool:
        """Move by a layer, if there is one."""
        if layer is not None:
            self.particles = layer.forward(self.particles)
            self.layers.append(layer)
        return layer is not None
