"""The statistics: maps of one record to an integer vector of bounded L2 norm.

Every contribution is a function of that record alone (its codes, its class, its random rank) and of public
parameters. Sums over rows are exact integers. The sensitivity holds for whatever parameters a mechanism sends:
those on which it rests are checked when the statistic is made, before anything is spent.

Two sensitivities are stated for each: under ``"add-remove"`` (one row more or less) and ``"replace-one"`` (one row
exchanged for another, which may move it between classes and cells). Where the noise of some coordinates is scaled
by a public `relative_scale`, the sensitivity is that of the vector divided by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator import _params as check
from skdpflow.domain.codes import NO_PLACE, clipped
from skdpflow.domain.columns import Column
from skdpflow.latent.lookup import PiecewiseLinear
from skdpflow.latent.rank import LATENT_LIMIT, LATENT_STEPS, RankTransform
from skdpflow.release.sensitivity import of_ball, of_ones, of_squares


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
        self._latent: dict[int, NDArray[np.int64]] = {}

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
        z = self.latent(params).astype(np.float64)
        out = np.full(len(component), -1, dtype=np.int64)
        for c, (directions, cuts) in enumerate(zip(params["cut_directions"], params["cuts"], strict=True)):
            beyond = z[component == c] @ directions.astype(np.float64) > cuts
            out[component == c] = (c << len(cuts)) + beyond @ (1 << np.arange(len(cuts)))
        return out

    def latent(self, params: Mapping[str, Any]) -> NDArray[np.int64]:
        """Latent scores on the integer lattice; elementwise, so row-local to the bit.

        With a ``centre``, columns are not ranked but clipped and scaled to (-1, 1) by their number of levels, less that
        centre; a cell without a nearest value counts as the midpoint.
        """
        key = id(params["centre"] if "centre" in params else params["latent_cdf"])
        if key not in self._latent and "centre" in params:
            v = np.where(self.clipped == NO_PLACE, 0.0, (2 * self.clipped + 1) / params["levels"] - 1.0)
            self._latent[key] = np.rint(np.clip(v, -1.0, 1.0) * LATENT_STEPS).astype(np.int64) - params["centre"]
        elif key not in self._latent:
            z = np.nan_to_num(RankTransform.from_params(params).to_latent(self.codes, self._ranks()))
            self._latent[key] = np.rint(np.clip(z, -LATENT_LIMIT, LATENT_LIMIT) * LATENT_STEPS).astype(np.int64)
        return self._latent[key]

    def places(self, transform: RankTransform) -> NDArray[np.int64]:
        """Return where cells are counted on the axes of a transform, see `RankTransform.placed`."""
        ranks = self._ranks() if transform.beyond(self.codes).any() else 0.0
        return transform.placed(self.codes, ranks)[0]


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


_ONE = np.ones(1)
#: Scores beyond this are cut off, so that the squared norm of a row stays an exact integer.
_LARGEST = 2**20


class Counts:
    r"""Rows per component.

    A record adds one to its component. If its label is not among the declared ones, it adds one to a further count, the
    last, if ``unlisted`` asks for it, and nothing otherwise. Adding or removing a row
    changes one count by one: sensitivity 1. Replacing a row can lower one count and raise another: :math:`\sqrt 2`.
    """

    relative_scale = _ONE
    touched = 1

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self._n_components = check.component_count(params)
        self.shape: tuple[int, ...] = (self._n_components + (params.get("unlisted") is True),)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        component = block.components(self._params)
        counted = np.bincount(np.where(component >= 0, component, self._n_components), minlength=self._n_components + 1)
        return counted[: self.shape[0]].astype(np.int64)

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(1, neighbours)


class Histograms:
    r"""Axis histograms of some columns, per component.

    Bins are ranges of codes, also of those that mean that a cell lies outside of its column. A cell has one code, so a
    record adds one to at most one bin of each of the :math:`d` columns, in its own component: a vector of at most
    :math:`d` ones, so adding or removing it changes the statistic by at most :math:`\sqrt d` in L2. Replacing a row
    is one removal and one addition; the two vectors have at most :math:`2d` ones in different places and cancel in
    common ones: :math:`\sqrt{2d}`, also when the row changes its component.
    """

    relative_scale = _ONE

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self._columns = [int(j) for j in params["columns"]]
        self._edges = check.split(check.integers(params["edges"], "edges", 2**53), params["edge_sizes"])
        for edges in self._edges:
            check.increasing(edges, "edges")
        self._offsets = np.cumsum([0, *(len(edges) - 1 for edges in self._edges)])
        self.touched = len(self._columns)
        self.shape: tuple[int, ...] = (check.component_count(params), int(self._offsets[-1]))

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        component = block.components(self._params)
        n_components, width = self.shape
        out = np.zeros(n_components * width, dtype=np.int64)
        for j, edges, offset in zip(self._columns, self._edges, self._offsets[:-1], strict=True):
            code = block.codes[:, j]
            n_bins = len(edges) - 1
            unit = n_bins == edges[-1] - edges[0]  # one bin a code
            cell = code - edges[0] if unit else np.searchsorted(edges, code, side="right") - 1
            inside = (component >= 0) & (code >= edges[0]) & (code < edges[-1])
            flat = np.bincount((component * n_bins + cell)[inside], minlength=n_components * n_bins)
            out.reshape(n_components, width)[:, offset : offset + n_bins] += flat.reshape(n_components, n_bins)
        return out.reshape(self.shape)

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(len(self._columns), neighbours)


def clip_to_ball(z: NDArray[np.int64], radius: float, steps: int) -> NDArray[np.int64]:
    r"""Clip integer vectors to a ball and round them to a coarser lattice, row by row.

    Notes
    -----
    The squared norm is an exact integer and everything else is elementwise, so a row gives the same bits in every
    block. A row that rounding to nearest would push out of the ball is rounded towards zero, which cannot raise its
    norm above that of the clipped vector: at most `steps` times 1 + 2**-50, so its square, an integer, is at most
    ``steps**2`` as long as that is below 2**49.
    """
    z = np.clip(z, -_LARGEST, _LARGEST)
    norm = np.sqrt((z * z).sum(axis=1).astype(np.float64))
    scale = steps / np.maximum(norm, radius * LATENT_STEPS)
    y = z * scale[:, None]
    q = np.rint(y).astype(np.int64)
    out = (q * q).sum(axis=1) > steps * steps
    if out.any():
        q[out] = np.trunc(y[out]).astype(np.int64)
    return q


def centred_rows(block: Block, params: Mapping[str, Any], component: NDArray[np.int64]) -> NDArray[np.int64]:
    """Latent vectors, less the released centre of their component if there is one."""
    z = block.latent(params)
    return z - params["component_centres"][component] if "component_centres" in params else z


class ColumnMoments:
    r"""Sum over all rows of the first two powers of each numeric column, on a public or released scale.

    The scale gives each column's codes places in [-1, 1] (``scale_codes`` and ``scale_places``, between which it is
    linear). With :math:`v` uniform over the places of a clipped code, a record adds the vector of all :math:`E v` and
    :math:`E v^2 - 1/3`, zeros where a cell is missing or no number, clipped to a ball of :math:`K` lattice units
    (`steps`) and rounded inside it. Adding or removing
    it changes the sum by at most :math:`K`, replacing it by at most :math:`2K`.
    """

    relative_scale = _ONE

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._columns = np.asarray(params["columns"], dtype=np.int64)
        codes = check.split(check.integers(params["scale_codes"], "scale_codes", 2**53), params["scale_sizes"])
        places = check.split(np.asarray(params["scale_places"], dtype=np.float64), params["scale_sizes"])
        if not len(codes) == len(self._columns):
            raise ValueError("The parameter 'scale_sizes' of a statistic must have one entry per column.")
        self._scales = [
            PiecewiseLinear([check.increasing(c, "scale_codes")], [check.increasing(v, "scale_places", ties=True)])
            for c, v in zip(codes, places, strict=True)
        ]
        self._ends = np.array([c[-1] for c in codes])
        self._radius, self._steps = check.ball(params)
        self.shape: tuple[int, ...] = (2, len(self._columns))
        self.touched = 2 * len(self._columns)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        codes = block.clipped[:, self._columns]
        low, high = np.empty(codes.shape), np.empty(codes.shape)
        for j, scale in enumerate(self._scales):
            own = codes[:, j].astype(np.float64)
            low[:, j], high[:, j] = np.clip(scale(own), -1.0, 1.0), np.clip(scale(own + 1.0), -1.0, 1.0)
        powers = np.hstack([(low + high) / 2.0, (low * low + low * high + high * high - 1.0) / 3.0])
        powers = np.where(np.tile((codes == NO_PLACE) | (codes >= self._ends), 2), 0.0, powers)
        lattice = np.rint(powers * LATENT_STEPS).astype(np.int64)
        total: NDArray[np.int64] = clip_to_ball(lattice, self._radius, self._steps).sum(axis=0)
        return total.reshape(self.shape)

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ball(self._steps, neighbours)


class Mean:
    r"""Sum of the latent vectors of each component: less the public ``component_centres`` if given, clipped to a ball.

    In lattice units a record adds an integer vector of norm at most :math:`K` (`steps`) to its component. Adding or
    removing it: :math:`K`. Replacing it: :math:`\|x - x'\| \le 2K` inside a component and
    :math:`\sqrt{\|x\|^2 + \|x'\|^2} \le \sqrt 2 K` between two components, so :math:`2K`; with several components or
    one.
    """

    relative_scale = _ONE

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self.touched = check.latent_columns(params)
        self._radius, self._steps = check.ball(params)
        check.component_centres(params)
        self.shape: tuple[int, ...] = (check.component_count(params), self.touched)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        component = block.components(self._params)
        q = clip_to_ball(centred_rows(block, self._params, component), self._radius, self._steps)
        out = np.zeros(self.shape, dtype=np.int64)
        for c in range(self.shape[0]):
            out[c] = q[component == c].sum(axis=0)
        return out

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ball(self._steps, neighbours)


class SecondMoment:
    r"""Sum of the upper triangles of :math:`x x^\top`, per component: :math:`x` is centred and clipped as in `Mean`.

    Off-diagonal entries carry :math:`1/\sqrt 2` of the noise of the diagonal (`relative_scale`), so the weighted norm
    of a contribution is :math:`\|x x^\top\|_F = \|x\|^2 \le K^2` in lattice units. Adding or removing a row:
    :math:`K^2`. Replacing one: inside a component
    :math:`\|x x^\top - y y^\top\|_F^2 = \|x\|^4 + \|y\|^4 - 2 (x^\top y)^2 \le 2 K^4`, and between two components
    :math:`\|x\|^4 + \|y\|^4 \le 2 K^4`: :math:`\sqrt 2 K^2`.

    With ``pooled`` the rows of all components add to one sum, centred or not: the same bounds hold.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self._upper = np.triu_indices(check.latent_columns(params))
        self._radius, self._steps = check.ball(params)
        check.component_centres(params)
        self._pooled = bool(params["pooled"])
        self.touched = len(self._upper[0])
        n_components = check.component_count(params)
        self.shape: tuple[int, ...] = (1 if self._pooled else n_components, self.touched)
        self.relative_scale = np.where(self._upper[0] == self._upper[1], 1.0, np.sqrt(0.5))

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        component = block.components(self._params)
        q = clip_to_ball(centred_rows(block, self._params, component), self._radius, self._steps)
        if self._pooled:
            component = np.where(component >= 0, 0, -1)
        x = q.astype(np.float64)  # sums of products stay below 2**53: exact in any order
        out = np.zeros(self.shape, dtype=np.int64)
        for c in range(self.shape[0]):
            rows = x[component == c]
            out[c] = (rows.T @ rows)[self._upper].astype(np.int64)
        return out

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_squares(self._steps, neighbours)


class Norms:
    r"""Histogram of the squared lengths of the latent vectors in lattice units, per component.

    A squared length is an exact integer. A record adds one to at most one bin, in its own component: sensitivity 1 when
    it is added or removed, :math:`\sqrt 2` when it is replaced.
    """

    relative_scale = _ONE
    touched = 1

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        check.latent_columns(params)
        self._edges = check.increasing(check.integers(params["norm_edges"], "norm_edges", 2**53), "norm_edges")
        self.shape: tuple[int, ...] = (check.component_count(params), len(self._edges) + 1)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        z = block.latent(self._params)
        component = block.components(self._params)
        flat = component * self.shape[1] + np.searchsorted(self._edges, (z * z).sum(axis=1), side="right")
        return np.bincount(flat[component >= 0], minlength=self.shape[0] * self.shape[1]).reshape(self.shape)

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(1, neighbours)


class SlicedHistograms:
    r"""Histograms of integer projections of the latent vectors along :math:`k` directions, per component.

    Scores and directions are integers, so the projections are exact in float64 arithmetic and the bins compare
    integers. A record adds one to exactly one bin of each direction in its own component: :math:`\sqrt k` when it is
    added or removed, :math:`\sqrt{2k}` when it is replaced, by the argument of `Histograms`, whatever the directions
    are.
    """

    relative_scale = _ONE

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        n_columns = check.latent_columns(params)
        directions = check.exact_directions(params["directions"], "directions", n_columns)  # (n_components or 1, d, k)
        self._directions = directions.astype(np.float64)
        edges = check.integers(params["slice_edges"], "slice_edges", 2**53)  # (n_components, k, bins - 1)
        self._edges = check.increasing(edges, "slice_edges", ties=True)
        n_components, self.touched, inner = self._edges.shape
        if n_components != check.component_count(params):
            raise ValueError("The parameter 'slice_edges' of a statistic must have edges for each component.")
        self.shape: tuple[int, ...] = (n_components, self.touched, inner + 1)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        z = block.latent(self._params).astype(np.float64)
        component = block.components(self._params)
        out = np.zeros(self.shape, dtype=np.int64)
        for c in range(self.shape[0]):
            p = z[component == c] @ self._directions[min(c, len(self._directions) - 1)]
            for i in range(self.shape[1]):
                cell = np.searchsorted(self._edges[c, i], p[:, i], side="right")
                out[c, i] = np.bincount(cell, minlength=self.shape[2])
        return out

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(self.shape[1], neighbours)


class Bounds:
    r"""Counts of each raw column on a public grid of magnitudes, for finding bounds.

    A record adds one to one cell of each of the :math:`d` columns: :math:`\sqrt d` when it is added or removed,
    :math:`\sqrt{2d}` when it is replaced. The grid is public, so no threshold event is needed.
    """

    relative_scale = _ONE

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._grid = check.increasing(np.asarray(params["grid"]), "grid")
        self.touched = check.whole(params, "n_columns", 2**20)
        self.shape: tuple[int, ...] = (self.touched, len(self._grid) + 1)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        assert block.raw is not None
        if block.codes.shape[1] != self.shape[0]:
            raise ValueError("The parameter 'n_columns' of this statistic must be the number of columns of X.")
        raw = block.raw(range(self.shape[0]))
        cell = np.searchsorted(self._grid, raw, side="right")
        d, width = self.shape
        return np.bincount((cell + width * np.arange(d)).ravel(), minlength=d * width).reshape(d, width)

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(self.shape[0], neighbours)


class Location:
    r"""Counts of numeric columns in cells of public or released edges, of all rows together.

    Cells hold numbers, compared as they are: where one falls depends on that number alone. A cell of the table that is
    missing, unreadable or outside of its column adds one to a last count. So a record adds one to exactly one count of
    each of the :math:`d` columns: :math:`\sqrt d` when it is added or removed, :math:`\sqrt{2d}` when it is
    replaced, by the argument of `Histograms`, whatever the edges are.
    """

    relative_scale = _ONE

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._columns = [int(j) for j in params["columns"]]
        self._edges = check.split(np.asarray(params["edges"], dtype=np.float64), params["edge_sizes"])
        if len(self._edges) != len(self._columns) or sorted(set(self._columns)) != self._columns:
            raise ValueError(
                "The parameters of a statistic of locations must have increasing columns, and edges for each."
            )
        for edges in self._edges:
            check.increasing(edges, "edges")
        self.touched = len(self._columns)
        self.shape: tuple[int, ...] = (sum(len(edges) for edges in self._edges),)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        assert block.raw is not None
        raw, out = block.raw(self._columns), []
        for i, (j, edges) in enumerate(zip(self._columns, self._edges, strict=True)):
            n_cells = len(edges) - 1
            x = np.clip(raw[:, i], edges[0], np.nextafter(edges[-1], -np.inf))  # bounds of single precision
            cell = np.searchsorted(edges, x, side="right") - 1
            cell = np.where(block.no_value(j) | np.isnan(x), n_cells, cell)
            out.append(np.bincount(cell, minlength=n_cells + 1))
        return np.concatenate(out).astype(np.int64)

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_ones(len(self._columns), neighbours)


#: Kind of a `Request` to the class that answers it.
STATISTICS: dict[str, type[Statistic]] = {
    "counts": Counts,
    "histograms": Histograms,
    "column_moments": ColumnMoments,
    "mean": Mean,
    "second_moment": SecondMoment,
    "norms": Norms,
    "slices": SlicedHistograms,
    "bounds": Bounds,
    "location": Location,
}
