"""Records: one noisy projected line per row, the release of the paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.curator import _params as check
from skdpflow.curator.source import RowSource
from skdpflow.curator.statistics.moments import clip_to_ball
from skdpflow.domain import Categories, Column, Domain, Interval
from skdpflow.domain.codes import NO_PLACE, clipped
from skdpflow.latent.affine import centred
from skdpflow.latent.scores import LATENT_STEPS
from skdpflow.projections import spectral_norm

#: Most integers that one round of records may release: a gibibyte.
MAX_INTEGERS = 2**27
_BLOCK_INTEGERS = 2**20


class Records:
    r"""Projections of each row along :math:`k` integer directions :math:`\Theta`, a line of :math:`k` integers a row.

    Cells outside of their column are clipped to its nearest value, or sit at the midpoint where there is none.
    The scaled row is rounded to integers inside a ball of :math:`K` (`steps`), as `clip_to_ball` does, and
    multiplied by the integer matrix :math:`\Theta`: sums of products below :math:`2^{53}`, exact in float64 in any
    order. Replacing a row changes its own line only, by :math:`\Theta^\top (x - x')` with
    :math:`\|x - x'\| \le 2K`: L2 sensitivity :math:`2 K \sigma_{\max}(\Theta)`, for any fixed directions. It is
    a property of the matrix that is used; bounds for random directions would not hold, since the seed of the
    directions is public.

    Adding or removing a row adds or removes a line. No noise in the lines hides their number, so there is no bound
    under ``"add-remove"``.

    Parameters
    ----------
    params : mapping
        ``n_components``, ``levels`` of the columns, ``radius`` of the ball in half-ranges of a column, ``steps``,
        ``directions`` of shape (d, k), int64, and ``public_labels``: whether the class of each row is public.
    """

    relative_scale = np.ones(1)

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._levels = np.asarray(params["levels"], dtype=np.int64)
        self._radius, self._steps = check.ball(params)
        self._directions = check.integers(params["directions"], "directions", 2**26)  # products are exact
        self.n_components = check.component_count(params)
        self.public_labels = params.get("public_labels") is True

    @property
    def n_directions(self) -> int:
        """Integers in a line."""
        return int(self._directions.shape[1])

    def lines(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Project rows, without noise: to be seen by the curator only."""
        scores = np.where(codes == NO_PLACE, 0.0, centred(np.add(codes, 0.5, dtype=np.float64), self._levels))
        q = clip_to_ball(np.rint(scores * LATENT_STEPS).astype(np.int64), self._radius, self._steps)
        return (q.astype(np.float64) @ self._directions.astype(np.float64)).astype(np.int64)

    def sensitivity(self, neighbours: str) -> float:
        """L2 sensitivity of a line when its row is replaced."""
        if neighbours != "replace-one":
            raise ValueError("Records print one line per row: they are private under neighbours='replace-one' only.")
        return 2.0 * self._steps * spectral_norm(self._directions.astype(np.float64))


def check_size(source: RowSource, records: Sequence[Records]) -> None:
    """Refuse a release that would not fit in memory; the number of rows is public under ``"replace-one"``."""
    k = sum(r.n_directions for r in records)
    if source.n_rows * k > MAX_INTEGERS:
        raise ValueError(
            f"Records of {k} directions in all are {k} integers per row, more than {MAX_INTEGERS} for these rows. "
            "Use fewer directions (n_projections, and n_steps of the fresh variant), fewer rows, or the marginals "
            "mechanism. Nothing was spent."
        )


def release_records(
    source: RowSource,
    records: Records,
    scale: NDArray[np.float64],
    draw: Callable[..., NDArray[np.int64]],
    key: int,
    domain: Domain,
    target: Column | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Project all rows and add noise, block by block; lines are shuffled.

    Notes
    -----
    Lines of a class come in a secret random order. So the guarantee holds for tables as sets of rows too: where a
    table is kept sorted, replacing one row moves others, and lines in the order of the table would tell.
    """
    n = source.n_rows
    classes = np.zeros(n, dtype=np.int64)
    if isinstance(target, Categories):
        for block, start, stop, at in source.read():
            codes = block.target_codes(start, stop, target)
            classes[at : at + stop - start] = np.where(codes < target.n_levels, codes, NO_PLACE)
    order = np.random.Generator(np.random.Philox(key=key)).permutation(n)
    order = order[np.argsort(classes[order], kind="stable")]
    order = order[np.searchsorted(classes[order], 0) :]
    place = np.full(n, -1)
    place[order] = np.arange(len(order))
    values = np.empty((len(order), records.n_directions), dtype=np.int64)
    width = max(records.n_directions, source.n_features)
    columns = (*domain.columns, target) if isinstance(target, Interval) else domain.columns
    for start, codes, extra in source.blocks(domain, target, block_rows=max(1, _BLOCK_INTEGERS // width)):
        if isinstance(target, Interval):
            codes = np.column_stack([codes, extra])
        rows = place[start : start + len(codes)]
        lines = records.lines(clipped(codes, columns)[rows >= 0])
        # neighbours differ in one line of the whole table
        differing = records.n_directions if start == 0 else 0
        values[rows[rows >= 0]] = lines + draw(scale, lines.shape, differing=differing)
    return values, np.bincount(classes[order], minlength=records.n_components).astype(np.int64)
