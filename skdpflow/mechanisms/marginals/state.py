"""What the marginals mechanism has measured so far, and the model that follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Column
from skdpflow.latent.rank import RankTransform
from skdpflow.mechanisms.marginals.histograms import axis_blocks, component_sizes
from skdpflow.mechanisms.marginals.outside import AxisHistograms
from skdpflow.mechanisms.marginals.slices import slice_blocks
from skdpflow.mechanisms.marginals.subcomponents import subcomponent_starts
from skdpflow.mechanisms.marginals.tables import pair_targets
from skdpflow.release import Measurement, Release
from skdpflow.transport.flow import Block, FlowComponent, learn_components, normal_particles
from skdpflow.transport.moments import component_covariances, component_means
from skdpflow.transport.pairs import PairTarget
from skdpflow.transport.start import CutGaussian, Gaussian
from skdpflow.transport.tilt import TiltedComponent

Array = NDArray[np.float64]

#: Measurements of subcomponents.
SUBCOMPONENTS = ("subcomponent_counts", "subcomponent_mean", "subcomponent_second_moment")
#: Particles of a component that predict what is measured next.
SELECTION_PARTICLES = 2048
#: Sweeps over the two-way tables that have empty entries.
FOLLOWED_AGAIN = 1


def of_kind(release: Release, kind: str) -> list[Measurement]:
    """Return the measurements of one kind, in order."""
    return [m for m in release.measurements if m.kind == kind]


@dataclass(frozen=True, eq=False)
class MarginalsState:
    """What was measured so far, and the model that follows from it.

    Parameters
    ----------
    histograms, mean, second : Measurement
        Of all columns, per component.
    slices : Measurement or None
        Measured in a later round.
    pairs : sequence of Measurement
        Two-way tables.
    transform : RankTransform
        From the histograms.
    sizes : ndarray of shape (n_components,)
        Estimated component sizes.
    columns : sequence of Interval or Categories
        The columns.
    subcomponents : tuple of Measurement, default=()
        Counts, mean and second moment of the subcomponents, if components are cut.
    """

    histograms: Measurement
    mean: Measurement
    second: Measurement
    slices: Measurement | None
    pairs: Sequence[Measurement]
    transform: RankTransform
    sizes: Array
    columns: Sequence[Column]
    subcomponents: tuple[Measurement, ...] = ()

    @classmethod
    def of(cls, release: Release) -> MarginalsState:
        """Read off a Release in which repetitions are pooled."""
        histograms, mean = release["histograms"], release["mean"]
        transform = RankTransform.from_params(mean.params)
        axes = AxisHistograms.of(histograms, release.columns, transform.layouts)
        return cls(
            histograms,
            mean,
            release["second_moment"],
            release["slices"] if "slices" in release else None,
            of_kind(release, "pairs"),
            transform,
            component_sizes(release["counts"], axes),
            release.columns,
            tuple(release[name] for name in SUBCOMPONENTS if name in release),
        )

    @cached_property
    def axes(self) -> AxisHistograms:
        """Histograms along the axes of the transform."""
        return AxisHistograms.of(self.histograms, self.columns, self.transform.layouts)

    def moments(self) -> tuple[Array, Array]:
        """Means and covariances of the components."""
        means, unknown = component_means(self.mean, self.sizes)
        covariances = component_covariances(self.second, self.sizes, means)
        # the predictive distribution: what is not known of a mean is spread of the rows
        return means, covariances + unknown[:, :, None] * np.eye(means.shape[1])

    def starts(self) -> Sequence[Gaussian | CutGaussian]:
        """Where the flow of each component starts."""
        means, covariances = self.moments()
        if self.subcomponents:
            counts, mean, second = self.subcomponents
            return subcomponent_starts(counts, mean, second, self.sizes, means, covariances)
        return [Gaussian(m, s) for m, s in zip(means, covariances, strict=True)]

    def learn(
        self, seed: int, n_particles: int, n_steps: int, step_size: float
    ) -> Iterator[tuple[FlowComponent, Array]]:
        """Follow the flow of one component after the other; yields it, and where its particles ended."""
        starts = self.starts()
        normal = normal_particles(n_particles, self.transform.n_columns, seed)
        return learn_components(
            ((start, start.push(normal), None) for start in starts),
            self._blocks,
            self.targets,
            self.sizes,
            n_steps=n_steps,
            step_size=step_size,
        )

    def settle(
        self, components: Iterable[TiltedComponent], particles: Iterable[Array], targets: Sequence[PairTarget]
    ) -> Iterator[tuple[FlowComponent, Array, Array]]:
        """Have tilted components agree with axes and some tables again, by one more step from new particles.

        Yields each component, where its particles ended, and their weights.
        """
        weights: list[Array] = []

        def weighted() -> Iterator[tuple[TiltedComponent, Array, Array]]:
            for component, z in zip(components, particles, strict=True):
                log_factor = component.log_factor(z)
                largest = log_factor.max()
                weights.append(np.exp(log_factor - largest))
                # factors fit the particles that they were learnt from too well to tell their own mean
                mean = float(np.log(weights[-1].mean()) + largest)
                yield replace(component, log_mean=mean), z, weights[-1]

        blocks = [own[:1] for own in self._blocks]
        settled = learn_components(weighted(), blocks, targets, self.sizes, n_steps=1, step_size=1.0)
        for c, (flow, moved) in enumerate(settled):
            yield flow, moved, weights[c]

    def follow(
        self, components: Sequence[FlowComponent], particles: Sequence[Array], targets: Sequence[PairTarget]
    ) -> tuple[list[FlowComponent], list[Array]]:
        """Follow some two-way tables again, so that other tables do not have the last word."""
        again = learn_components(
            zip(components, particles, repeat(None)),
            [own[:1] for own in self._blocks],
            targets,
            self.sizes,
            n_steps=FOLLOWED_AGAIN,
            step_size=1.0,
        )
        joined, moved = [], []
        for before, (own, z) in zip(components, again, strict=True):
            joined.append(FlowComponent(before.start, before.layers + own.layers))
            moved.append(z)
        return joined, moved

    @cached_property
    def _blocks(self) -> list[list[Block]]:
        """Axes and slices of each component."""
        numeric_target = "component_edges" in self.mean.params
        axes = axis_blocks(self.axes, self.sizes, self.transform, self.columns, numeric_target=numeric_target)
        blocks = [[own] for own in axes]
        if self.slices is not None:
            for c, size in enumerate(self.sizes):
                blocks[c] += slice_blocks(self.slices, c, float(size))
        return blocks

    @cached_property
    def targets(self) -> list[PairTarget]:
        """Two-way tables of each component."""
        return [target for m in self.pairs for target in pair_targets(m, self.transform, self.columns)]

    def push(self, components: Sequence[FlowComponent], n_particles: int, seed: int) -> Iterator[Array]:
        """Draw particles of low discrepancy of one component after the other."""
        normal = normal_particles(n_particles, self.transform.n_columns, seed)
        return (own.forward(start.push(normal)) for own, start in zip(components, self.starts(), strict=True))
