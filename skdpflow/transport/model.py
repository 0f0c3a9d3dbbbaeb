"""The learned model: components in the latent space, and the way back to positions on the lattice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Array = NDArray[np.float64]


class Latent(Protocol):
    """A map of positions to the space of the components, such as `RankTransform` and `AffineTransform`."""

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        ...

    @property
    def edges(self) -> Sequence[Array]:
        """Per column, positions of its places."""
        ...

    @property
    def cdf(self) -> Sequence[Array]:
        """Per column, a distribution function at the edges."""
        ...

    @property
    def spreads(self) -> Sequence[Array]:
        """Per column, ranges of positions inside which only the rank counts."""
        ...

    def code_at(self, j: int, positions: Array) -> NDArray[np.int64]:
        """Return the codes of cells at positions of an ordered column."""
        ...

    def to_latent(self, codes: NDArray[np.int64], ranks: Array | float) -> Array:
        """Map codes and ranks to latent points."""
        ...

    def from_latent(self, z: Array) -> Array:
        """Map latent points to positions."""
        ...

    def log_slope(self, z: Array, codes: NDArray[np.int64], ranks: Array | float) -> Array:
        """Log-derivative of latent points with respect to positions."""
        ...


class Component(Protocol):
    """The model of one component, such as `FlowComponent` and `TiltedComponent`."""

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw latent points."""
        ...

    def log_density(self, z: Array) -> Array:
        """Log-density of latent points."""
        ...


@dataclass(frozen=True, eq=False)
class Model:
    """A mixture of components in the latent space.

    Parameters
    ----------
    latent : Latent
        From latent points to positions.
    weights : ndarray of shape (n_components,)
        Probabilities of the components.
    components : tuple of Component
        Their models.
    """

    latent: Latent
    weights: Array
    components: tuple[Component, ...]

    def restricted(self, components: Sequence[int]) -> Model:
        """Return the model given that a row is in one of some components."""
        weights = np.zeros_like(self.weights)
        weights[list(components)] = self.weights[list(components)]
        if not weights.sum() > 0.0:
            raise ValueError("The condition has no mass: the model has no rows of these classes.")
        return replace(self, weights=weights / weights.sum())

    def sample(self, component: NDArray[np.int64], rng: np.random.Generator) -> Array:
        """Draw one point for each wanted component."""
        z = np.empty((len(component), self.latent.n_columns))
        for c, model in enumerate(self.components):
            rows = np.flatnonzero(component == c)
            if rows.size:
                z[rows] = model.sample(len(rows), rng)
        return self.latent.from_latent(z)

    def draw_components(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw components by their weights, each as often as expected up to one."""
        # systematic sampling: every row has the right probabilities, and their sum varies least
        places = (np.arange(n) + rng.random()) / max(n, 1)
        component = np.searchsorted(np.cumsum(self.weights)[:-1], places, side="right")
        return rng.permutation(component).astype(np.int64)

    def log_density(self, codes: NDArray[np.int64], ranks: Array | float) -> Array:
        """Log-density of positions, in the unit of the lattice."""
        z = self.latent.to_latent(codes, ranks)
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights)
        parts = [w + component.log_density(z) for w, component in zip(log_weights, self.components, strict=True)]
        return np.asarray(logsumexp(parts, axis=0) + self.latent.log_slope(z, codes, ranks))
