"""Encoded rows with what statistics derive from them, and what a statistic is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator import _params as check
from skdpflow.domain.codes import NO_PLACE, clipped
from skdpflow.domain.columns import Column
from skdpflow.latent.rank import RankTransform
from skdpflow.latent.scores import LATENT_STEPS


class Block:
    """Encoded rows, with what statistics derive from them more than once.

    Parameters
    ----------
    codes : ndarray of shape (n, d), int64
        Integer codes, as `skdpflow.domain.codes` lays them out. A numeric target is the last column.
    classes : ndarray of shape (n,), int64
        Class codes; -1 is a label outside the declared ones, 0 everywhere when y is no class label.
    ranks : callable
        Returns the (n, d) random ranks.
    raw : callable
        Returns columns as floats, of which a numeric target is the last.
    columns : sequence of Interval or Categories, default=()
        What the codes are of; without them, all are codes of values.
    """

    def __init__(
        self,
        codes: NDArray[np.int64],
        classes: NDArray[np.int64],
        ranks: Callable[[], NDArray[np.float64]],
        raw: Callable[[Sequence[int]], NDArray[np.float64]] | None = None,
        columns: Sequence[Column] = (),
    ) -> None:
        self.codes = codes
        self.classes = classes
        self.raw = raw
        self._ranks = ranks
        self._columns = columns
        self._latent: dict[int, NDArray[Any]] = {}
        self._made: dict[tuple[Any, ...], Any] = {}

    def once(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """Make what several statistics of a round have in common once; parameters that are the same object are."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    @cached_property
    def clipped(self) -> NDArray[np.int64]:
        """Codes of the nearest values; `NO_PLACE` where there is none."""
        return clipped(self.codes, self._columns)

    def no_value(self, j: int) -> NDArray[np.bool_]:
        """Say which cells of a column are missing, unreadable or outside of it."""
        return self.codes[:, j] >= self._columns[j].n_values

    def components(self, params: Mapping[str, Any]) -> NDArray[np.int64]:
        """Component of each row: its class, or the bin of its numeric target between released edges; -1 for none.

        With ``cut_directions``, such a component is cut along its own integer directions, at integers. Projections are
        exact, so where a row falls depends on that row alone, and subcomponents are disjoint.
        """
        component = self.classes
        if "component_edges" in params:
            target = self.clipped[:, -1]
            component = np.where(
                target == NO_PLACE, -1, np.searchsorted(params["component_edges"], target, side="right")
            )
        if "cut_directions" not in params:
            return np.where(component < params["n_components"], component, -1)
        key = "components", id(params["cut_directions"]), id(params["cuts"]), id(params.get("component_edges"))
        found: NDArray[np.int64] = self.once(key, lambda: self._cut(component, params))
        return found

    def _cut(self, component: NDArray[np.int64], params: Mapping[str, Any]) -> NDArray[np.int64]:
        z = self.latent(params).astype(np.float64)
        out = np.full(len(component), -1, dtype=np.int64)
        for c, (directions, cuts) in enumerate(zip(params["cut_directions"], params["cuts"], strict=True)):
            beyond = z[component == c] @ directions.astype(np.float64) > cuts
            out[component == c] = (c << len(cuts)) + beyond @ (1 << np.arange(len(cuts)))
        return out

    def latent(self, params: Mapping[str, Any]) -> NDArray[Any]:
        """Latent scores on the integer lattice, see `skdpflow.latent.scores`; elementwise, so row-local to the bit.

        They fit 16 bits, in which they are kept. Products of them do not: widen them before any arithmetic.

        With a ``centre``, columns are not ranked but clipped and scaled to (-1, 1) by their number of levels, less that
        centre; a cell without a nearest value counts as the midpoint.
        """
        key = id(params["centre"] if "centre" in params else params["latent_cdf"])
        if key not in self._latent and "centre" in params:
            if len(params["centre"]) != self.codes.shape[1]:  # broadcasting would give more columns than were checked
                raise IndexError("The parameter 'centre' of a statistic must have one entry per column.")
            v = np.where(self.clipped == NO_PLACE, 0.0, (2 * self.clipped + 1) / params["levels"] - 1.0)
            self._latent[key] = np.rint(np.clip(v, -1.0, 1.0) * LATENT_STEPS).astype(np.int64) - params["centre"]
        elif key not in self._latent:
            transform = params.get("transform") or RankTransform.from_params(params)
            self._latent[key] = transform.to_lattice(self.codes, self._ranks())
        return self._latent[key]

    def places(self, transform: RankTransform) -> NDArray[np.int64]:
        """Return where cells are counted on the axes of a transform, see `RankTransform.placed`."""
        ranks = self._ranks() if transform.draws(self.codes) else 0.0
        return transform.placed(self.codes, ranks)[0]


def prepared(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return parameters with the latent transform that they describe, which is made once and not for each block."""
    if "latent_cdf" not in params:
        return params
    check.latent_columns(params)
    return {**params, "transform": RankTransform.from_params(params)}


def parted(rows: NDArray[Any], component: NDArray[np.int64], n_components: int) -> Iterator[NDArray[Any]]:
    """Yield the rows of each component, in their order."""
    if n_components == 1 and (component == 0).all():
        yield rows
        return
    short = component.astype(np.int16) if n_components < 2**15 else component  # are sorted faster
    order = np.argsort(short, kind="stable")
    for start, stop in pairwise(np.searchsorted(component[order], np.arange(n_components + 1)).tolist()):
        yield rows[order[start:stop]]


class Statistic(Protocol):
    """A map of records to integer vectors; `kind` names it in a `Request`.

    `shape` is that of the sum, `touched` the number of its coordinates to which one row contributes.
    """

    shape: tuple[int, ...]
    touched: int
    relative_scale: NDArray[np.float64]

    def __init__(self, params: Mapping[str, Any]) -> None: ...

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum of the contributions of the rows of a block."""
        ...

    def sensitivity(self, neighbours: str) -> float:
        """L2 sensitivity of the vector divided by `relative_scale`."""
        ...
