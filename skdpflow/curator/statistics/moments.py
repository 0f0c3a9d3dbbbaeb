"""Sums of vectors that are clipped to a ball, and of their products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator import _params as check
from skdpflow.curator.statistics.block import Block, parted, prepared
from skdpflow.domain.codes import NO_PLACE
from skdpflow.latent.lookup import PiecewiseLinear
from skdpflow.latent.scores import LATENT_STEPS
from skdpflow.release.sensitivity import of_ball, of_squares

#: Scores beyond this are cut off, so that the squared norm of a row stays an exact integer.
_LARGEST = 2**20


def clip_to_ball(z: NDArray[Any], radius: float, steps: int) -> NDArray[np.int64]:
    r"""Clip integer vectors to a ball and round them to a coarser lattice, row by row.

    Notes
    -----
    The squared norm is an exact integer and everything else is elementwise, so a row gives the same bits in every
    block. A row that rounding to nearest would push out of the ball is rounded towards zero, which cannot raise its
    norm above that of the clipped vector: at most `steps` times 1 + 2**-50, so its square, an integer, is at most
    ``steps**2`` as long as that is below 2**49.
    """
    z = z.astype(np.int64)  # squares of narrow integers would wrap, and a row would be longer than the ball
    np.clip(z, -_LARGEST, _LARGEST, out=z)
    norm = np.sqrt(np.einsum("ij,ij->i", z, z).astype(np.float64))
    scale = steps / np.maximum(norm, radius * LATENT_STEPS)
    y = z * scale[:, None]
    q = np.rint(y).astype(np.int64)
    out = np.einsum("ij,ij->i", q, q) > steps * steps
    if out.any():
        q[out] = np.trunc(y[out]).astype(np.int64)
    return q


def rows_in_ball(block: Block, params: Mapping[str, Any], radius: float, steps: int) -> NDArray[np.int64]:
    """Latent vectors, less the released centre of their component if there is one, clipped to the ball."""

    def clipped() -> NDArray[np.int64]:
        z = block.latent(params)
        if "component_centres" in params:
            z = z - params["component_centres"][block.components(params)]
        return clip_to_ball(z, radius, steps)

    names = "latent_cdf", "centre", "component_centres", "component_edges", "cut_directions"
    rows: NDArray[np.int64] = block.once(("ball", radius, steps, *(id(params.get(name)) for name in names)), clipped)
    return rows


class ColumnMoments:
    r"""Sum over all rows of the first two powers of each numeric column, on a public or released scale.

    The scale gives each column's codes places in [-1, 1] (``scale_codes`` and ``scale_places``, between which it is
    linear). With :math:`v` uniform over the places of a clipped code, a record adds the vector of all :math:`E v` and
    :math:`E v^2 - 1/3`, zeros where a cell is missing or no number, clipped to a ball of :math:`K` lattice units
    (`steps`) and rounded inside it. Adding or removing
    it changes the sum by at most :math:`K`, replacing it by at most :math:`2K`.
    """

    relative_scale = np.ones(1)

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._columns = check.columns(params)
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
        d = len(self._columns)
        lattice = np.empty((len(block.codes), 2 * d), dtype=np.int64, order="F")
        for i, (j, scale, end) in enumerate(zip(self._columns, self._scales, self._ends, strict=True)):
            codes = block.clipped[:, j]
            own, nowhere = codes.astype(np.float64), (codes == NO_PLACE) | (codes >= end)
            low, high = np.clip(scale(own), -1.0, 1.0), np.clip(scale(own + 1.0), -1.0, 1.0)
            first, second = (low + high) / 2.0, (low * low + low * high + high * high - 1.0) / 3.0
            first[nowhere] = second[nowhere] = 0.0
            lattice[:, i], lattice[:, d + i] = np.rint(first * LATENT_STEPS), np.rint(second * LATENT_STEPS)
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

    relative_scale = np.ones(1)

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = prepared(params)
        self.touched = check.latent_columns(params)
        self._radius, self._steps = check.ball(params)
        check.component_centres(params)
        self.shape: tuple[int, ...] = (check.component_count(params), self.touched)

    def contributions(self, block: Block) -> NDArray[np.int64]:
        """Sum the contributions of the rows of a block."""
        q = rows_in_ball(block, self._params, self._radius, self._steps)
        component = block.components(self._params)
        return np.array([rows.sum(axis=0) for rows in parted(q, component, self.shape[0])])

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
        self._params = prepared(params)
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
        q = rows_in_ball(block, self._params, self._radius, self._steps)
        component = block.components(self._params)
        if self._pooled:
            component = np.where(component >= 0, 0, -1)
        x = q.astype(np.float64)  # sums of products stay below 2**53: exact in any order
        out = np.zeros(self.shape, dtype=np.int64)
        for own, rows in zip(out, parted(x, component, len(out)), strict=True):
            own[:] = (rows.T @ rows)[self._upper]
        return out

    def sensitivity(self, neighbours: str) -> float:
        """Return the L2 sensitivity under a neighbouring relation."""
        return of_squares(self._steps, neighbours)
