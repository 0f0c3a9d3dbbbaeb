"""A synthetic sample, encoded as the rows were when they were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Categories, Interval
from skdpflow.domain.differences import by_themselves
from skdpflow.latent.rank import RankTransform
from skdpflow.latent.scores import LATENT_LIMIT
from skdpflow.release import Release
from skdpflow.sampling.draw import draw_positions, in_own_values
from skdpflow.transport.model import Model

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

#: Rows of a sample whose number follows from the Release.
FEWEST, MOST = 10_000, 50_000


@dataclass(frozen=True, eq=False)
class Sample:
    """Synthetic rows as positions on the lattice of their columns.

    Parameters
    ----------
    release : Release
        What the model was learnt from.
    positions : ndarray of shape (n, d)
        Of all columns, and last of a numeric target.
    component : ndarray of shape (n,)
        The component that each row was drawn from: its class, where there are classes.
    """

    release: Release
    positions: Array
    component: Codes

    @classmethod
    def draw(cls, model: Model, release: Release, n: int, rng: np.random.Generator) -> Self:
        """Draw rows of a model."""
        return cls(release, *draw_positions(model, release, n, rng))

    def __len__(self) -> int:
        return len(self.positions)

    @cached_property
    def codes(self) -> Codes:
        """Codes of the cells; none lies outside of its column."""
        most = np.array([column.n_levels - 1 for column in self.release.declared])
        return np.clip(np.floor(self.positions).astype(np.int64), 0, most)

    @cached_property
    def classes(self) -> Codes:
        """Classes of the rows, zeros where y is no class label."""
        return self.component if isinstance(self.release.target, Categories) else np.zeros_like(self.component)

    def components(self, params: Mapping[str, Any]) -> Codes:
        """Components of a measurement in which the rows fall; -1 for none."""
        component = self.classes
        if "component_edges" in params:
            component = np.searchsorted(params["component_edges"], self.codes[:, -1], side="right")
        return np.where(component < params["n_components"], component, -1)

    def places(self, transform: RankTransform) -> Codes:
        """Places of the cells on the axes of a transform."""
        return transform.placed(self.codes, 0.0)[0]

    def latent(self, transform: RankTransform) -> Array:
        """Latent scores: the rank of a cell among equal ones is random."""
        ranks = np.random.default_rng(0).random(self.codes.shape)
        return np.clip(np.nan_to_num(transform.to_latent(self.codes, ranks)), -LATENT_LIMIT, LATENT_LIMIT)

    @cached_property
    def _own(self) -> Array:
        return in_own_values(self.release, self.positions)

    def numbers(self, j: int) -> Array:
        """Return numbers of a numeric column in its own values, NaN where a cell is missing."""
        columns = by_themselves(self.release.measured).columns
        column = columns[j] if j < len(columns) else self.release.declared[j]
        assert isinstance(column, Interval)
        return np.where(self._own[:, j] < column.n_values, column.numbers(self._own[:, j]), np.nan)

    def measured_numbers(self, j: int) -> Array:
        """Return them as they are measured: as differences, and whole numbers of steps where a grain is declared."""
        column = self.release.columns[j]
        assert isinstance(column, Interval)
        return np.where(self.codes[:, j] < column.n_values, column.numbers(self.positions[:, j]), np.nan)
