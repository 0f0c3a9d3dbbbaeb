"""The rank transform: columns of any type to a latent space where each is standard normal, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from skdpflow.transport.lookup import PiecewiseLinear

#: Lattice steps per unit of a latent score, and per unit of a direction; fixes where slices are exact integers.
LATENT_STEPS = 2**10
DIRECTION_STEPS = 2**15
#: Latent values are clipped to plus or minus this many standard deviations.
LATENT_LIMIT = 4.0
#: Rows that are worked on together: what is computed on the way stays in the processor's cache.
_ROWS = 2**13


@dataclass(frozen=True, eq=False)
class RankTransform:
    r"""Monotone map of each column's positions to standard normal scores, from released distribution functions.

    A record's position in a column is its integer code plus a uniform rank in [0, 1). With :math:`F` the piecewise
    linear distribution function through the given knots, the score is :math:`z = \Phi^{-1}(F(\text{position}))`: a
    function of that record and its rank alone.

    Parameters
    ----------
    edges : sequence of ndarray
        Per column, increasing positions from 0 to the number of levels.
    cdf : sequence of ndarray
        Per column, strictly increasing values of F at the edges, from 0 to 1.
    orders : sequence of (ndarray or None)
        Per column, for categories the released order: ``order[rank] = code``; None keeps the natural order.

    spreads : sequence of ndarray of shape (n_spread, 2)
        Per column, ranges of positions that may hold an atom, a value that many rows share. There the rank places a
        record at any level of F inside the range, which makes the atom exactly Gaussian; elsewhere the record
        keeps its own place.

    Notes
    -----
    Unknown categories (code -1) sit at the centre, z = 0.
    """

    edges: Sequence[NDArray[np.float64]]
    cdf: Sequence[NDArray[np.float64]]
    orders: Sequence[NDArray[np.int64] | None]
    spreads: Sequence[NDArray[np.float64]]

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.edges)

    def to_latent(self, codes: NDArray[np.int64], ranks: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Map integer codes and ranks to scores.

        Parameters
        ----------
        codes : ndarray of shape (n, d), int64
            Codes; -1 is an unknown category.
        ranks : ndarray of shape (n, d) or float
            Place of each record inside its code's cell, in [0, 1).

        Returns
        -------
        z : ndarray of shape (n, d), float64
            Each score is a function of its own code and rank, to the bit.
        """
        if codes.shape[1] != self.n_columns:
            raise IndexError(f"This transform is of {self.n_columns} columns; got {codes.shape[1]}.")
        z = np.empty(codes.shape)
        ranks = np.broadcast_to(ranks, codes.shape)
        for j, (edges, cdf, order) in enumerate(zip(self.edges, self.cdf, self.orders, strict=True)):
            distribution = PiecewiseLinear([edges], [cdf])
            levels = distribution(self.spreads[j].ravel()).reshape(-1, 2)
            place = None if order is None else np.argsort(order)
            for start in range(0, len(z), _ROWS):
                rows = slice(start, start + _ROWS)
                code, rank = codes[rows, j], ranks[rows, j]
                known = code >= 0
                if place is not None:
                    code = place[np.clip(code, 0, len(place) - 1)]
                u = distribution(code + rank)
                for (low, high), (below, above) in zip(self.spreads[j], levels, strict=True):
                    u = np.where((code >= low) & (code < high), below + rank * (above - below), u)
                np.clip(u, 0.0, 1.0, out=u)
                z[rows, j] = np.where(known, np.clip(ndtri(u, out=u), -LATENT_LIMIT, LATENT_LIMIT, out=u), 0.0)
        return z

    def from_latent(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map scores to positions, the inverse of `to_latent`.

        Parameters
        ----------
        z : ndarray of shape (n, d), float64
            Scores.

        Returns
        -------
        positions : ndarray of shape (n, d), float64
            In [0, n_levels) of each column.
        """
        out = np.empty(z.shape)
        for j, (edges, cdf, order) in enumerate(zip(self.edges, self.cdf, self.orders, strict=True)):
            position = np.interp(ndtr(z[:, j]), cdf, edges)
            position = np.minimum(position, np.nextafter(edges[-1], 0.0))
            if order is not None:
                rank = np.floor(position)
                position = order[rank.astype(np.int64)] + (position - rank)
            out[:, j] = position
        return out

    def log_slope(
        self, z: NDArray[np.float64], codes: NDArray[np.int64], ranks: NDArray[np.float64] | float
    ) -> NDArray[np.float64]:
        """Log-derivative of the scores with respect to the positions, summed over columns.

        Parameters
        ----------
        z : ndarray of shape (n, d)
            Scores of `codes` and `ranks`.
        codes, ranks : ndarray of shape (n, d)
            As in `to_latent`.

        Returns
        -------
        log_slope : ndarray of shape (n,), float64
        """
        total = np.zeros(len(z))
        ranks = np.broadcast_to(ranks, codes.shape)
        for j, (edges, cdf, order) in enumerate(zip(self.edges, self.cdf, self.orders, strict=True)):
            code = np.maximum(codes[:, j], 0)
            if order is not None:
                code = np.argsort(order)[code]
            cell = np.clip(np.searchsorted(edges, code + ranks[:, j], side="right") - 1, 0, len(edges) - 2)
            density = np.diff(cdf) / np.diff(edges)
            total += np.log(density[cell]) + 0.5 * z[:, j] ** 2 + 0.5 * np.log(2.0 * np.pi)
        return total

    def to_params(self) -> dict[str, Any]:
        """Flatten to plain arrays, for a `Request`."""
        none = np.zeros(0, dtype=np.int64)
        orders = [none if o is None else o for o in self.orders]
        return {
            "latent_edges": np.concatenate(self.edges),
            "latent_cdf": np.concatenate(self.cdf),
            "latent_sizes": np.array([len(e) for e in self.edges], dtype=np.int64),
            "latent_orders": np.concatenate(orders).astype(np.int64),
            "latent_order_sizes": np.array([len(o) for o in orders], dtype=np.int64),
            "latent_spreads": np.concatenate(self.spreads),
            "latent_spread_sizes": np.array([len(s) for s in self.spreads], dtype=np.int64),
        }

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> RankTransform:
        """Rebuild from `to_params`."""
        cuts = np.cumsum(params["latent_sizes"])[:-1]
        order_sizes = params["latent_order_sizes"]
        orders = np.split(params["latent_orders"], np.cumsum(order_sizes)[:-1])
        return cls(
            np.split(params["latent_edges"], cuts),
            np.split(params["latent_cdf"], cuts),
            [o if size else None for o, size in zip(orders, order_sizes, strict=True)],
            np.split(params["latent_spreads"], np.cumsum(params["latent_spread_sizes"])[:-1]),
        )
