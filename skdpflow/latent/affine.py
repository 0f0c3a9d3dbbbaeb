"""The affine latent space: columns scaled by their declared range alone, as records are measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Scores beyond this are squeezed into the rest of the range.
SOFT_EDGE = 15.0 / 16.0
_MARGIN = 1.0 - SOFT_EDGE


def centred(positions: Array, levels: NDArray[np.int64]) -> Array:
    """Scale positions so that the midpoint of each column is 0 and its ends are -1 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.latent.affine import centred
    >>> centred(np.array([[0.5, 1.0]]), np.array([2, 4]))
    array([[-0.5, -0.5]])
    """
    return 2.0 * positions / levels - 1.0


@dataclass(frozen=True, eq=False)
class AffineTransform:
    r"""Affine map of positions to scores centred at the midpoints of the columns, with soft ends.

    A position :math:`p` of a column with :math:`L` levels becomes :math:`c = 2 p / L - 1`. The model's scores may
    leave :math:`[-1, 1]`. Clipping them would put atoms on the border of the domain, where no density exists;
    instead, a score :math:`u` beyond :math:`a` = `SOFT_EDGE` is squeezed into the rest of the range by
    :math:`c = a + w e / (w + e)` with :math:`e = u - a` and :math:`w = 1 - a`, and alike on the other side: a
    smooth bijection of the line.

    Parameters
    ----------
    levels : ndarray of shape (d,), int64
        Number of levels of each column.

    Notes
    -----
    What lies outside of a column was clipped to its nearest value, or sits at the centre, before it was measured.
    """

    levels: NDArray[np.int64]

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.levels)

    @property
    def edges(self) -> Sequence[Array]:
        """Ends of each column; positions are taken to be uniform between them."""
        return [np.array([0.0, float(size)]) for size in self.levels]

    @property
    def cdf(self) -> Sequence[Array]:
        """Distribution function at `edges`."""
        return [np.array([0.0, 1.0])] * self.n_columns

    @property
    def spreads(self) -> Sequence[Array]:
        """Ranges of positions that are treated as one: none."""
        return [np.zeros((0, 2))] * self.n_columns

    def code_at(self, j: int, positions: Array) -> NDArray[np.int64]:
        """Return the codes of bins at positions of a column."""
        return np.floor(positions).astype(np.int64)

    def to_latent(self, codes: NDArray[np.int64], ranks: Array | float) -> Array:
        """Map integer codes and ranks to scores."""
        c = centred(np.asarray(codes + ranks, dtype=np.float64), self.levels)
        inside = np.clip(c, -SOFT_EDGE, SOFT_EDGE)
        excess = np.minimum(np.abs(c - inside), np.nextafter(_MARGIN, 0.0))
        z = inside + np.sign(c) * _MARGIN * excess / (_MARGIN - excess)
        return np.where(codes < 0, 0.0, z)

    def from_latent(self, z: Array) -> Array:
        """Map scores to positions, the inverse of `to_latent`."""
        inside = np.clip(z, -SOFT_EDGE, SOFT_EDGE)
        excess = np.abs(z - inside)
        c = inside + np.sign(z) * _MARGIN * excess / (_MARGIN + excess)
        return np.clip((c + 1.0) / 2.0 * self.levels, 0.0, np.nextafter(self.levels.astype(np.float64), 0.0))

    def log_slope(self, z: Array, codes: NDArray[np.int64], ranks: Array | float) -> Array:
        """Log-derivative of the scores with respect to the positions, summed over columns."""
        excess = np.maximum(np.abs(z) - SOFT_EDGE, 0.0)
        return np.asarray((2.0 * np.log1p(excess / _MARGIN) + np.log(2.0 / self.levels)).sum(axis=1))
