"""The rank transform: columns of any type to a latent space where each is standard normal, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from skdpflow.domain.codes import outside_of
from skdpflow.domain.columns import Column, Interval
from skdpflow.latent.lookup import PiecewiseLinear
from skdpflow.latent.scores import LATENT_LIMIT, lattice_scores

#: Lattice steps per unit of a direction; with those of scores, it fixes where slices are exact integers.
DIRECTION_STEPS = 2**15
#: Rows that are worked on together: what is computed on the way stays in the processor's cache.
_ROWS = 2**13
#: Stands for the place of a cell that is drawn from the released distribution of its column.
DRAWN = -2


@dataclass(frozen=True)
class Layout:
    """Which codes of a column are values, and the places of codes that lie outside of it.

    Parameters
    ----------
    n_values, n_levels : int
        As of the column: codes from `n_values` up to `n_levels` are gaps, later ones lie outside.
    homes : tuple of int
        Place of each code that lies outside: -1 and `n_levels`, beside the axis, for what lies below and above and
        stands out of its noise; the first and the last value where it does not, as clipping does; `DRAWN` for cells
        that are no number, or none of the categories.
    gap : int or None, default=None
        Place of a gap of an interval, among its values: codes from there on go one place further. So what is near a gap
        are ordinary values, and no value of its end. None keeps gaps behind all values.

    Examples
    --------
    >>> from skdpflow import Interval
    >>> from skdpflow.latent.rank import DRAWN, Layout
    >>> Layout.of(Interval(1, 6, integer=True), above=True).homes == (0, 6, DRAWN)
    True
    """

    n_values: int
    n_levels: int
    homes: tuple[int, ...] = ()
    gap: int | None = None

    @classmethod
    def of(cls, column: Column, *, below: bool = False, above: bool = False, gap: int | None = None) -> Layout:
        """Return the layout of a column, with places of their own for what lies below or above."""
        first, last = -1 if below else 0, column.n_levels if above else column.n_values - (gap is None)
        homes = (first, last, DRAWN) if isinstance(column, Interval) else (DRAWN,)
        assert len(homes) == len(outside_of(column))
        return cls(column.n_values, column.n_levels, homes, gap)

    def is_gap(self, places: NDArray[Any]) -> NDArray[np.bool_]:
        """Say which places on the axis of an ordered column are gaps."""
        if self.gap is not None:
            return np.asarray(np.floor(places) == self.gap)
        return np.asarray((places >= self.n_values) & (places < self.n_levels))

    def with_gap(self, codes: NDArray[Any]) -> NDArray[Any]:
        """Return the places of codes, or of positions, of values and gaps."""
        if self.gap is None:
            return codes
        moved = codes + (codes >= self.gap)
        return np.where(codes >= self.n_values, codes - (self.n_values - self.gap), moved)

    def without_gap(self, places: NDArray[Any]) -> NDArray[Any]:
        """Return the codes, or positions, that `with_gap` gave these places."""
        if self.gap is None:
            return places
        moved = places - (places >= self.gap + 1)
        return np.where(np.floor(places) == self.gap, places + (self.n_values - self.gap), moved)

    @property
    def ends(self) -> tuple[int, int]:
        """First and last place of the axis, the latter exclusive."""
        return min(0, *self._own, 0), max(self.n_levels, *(home + 1 for home in self._own), 0)

    @property
    def _own(self) -> tuple[int, ...]:
        return tuple(home for home in self.homes if home != DRAWN)

    def place(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return places of codes that lie outside; any other code beyond the values is drawn."""
        homes = np.array([*self.homes, DRAWN])
        which = codes - self.n_levels
        return np.asarray(homes[np.where(which < 0, len(homes) - 1, np.minimum(which, len(homes) - 1))])


@dataclass(frozen=True, eq=False)
class RankTransform:
    r"""Monotone map of each column's positions to standard normal scores, from released distribution functions.

    A record's position in a column is the place of its integer code plus a uniform rank in [0, 1). With :math:`F` the
    piecewise linear distribution function through the given knots, the score is
    :math:`z = \Phi^{-1}(F(\text{position}))`: a function of that record and its rank alone.

    Parameters
    ----------
    edges : sequence of ndarray
        Per column, increasing positions from 0 to the number of levels, or from one place before to one after them.
    cdf : sequence of ndarray
        Per column, strictly increasing values of F at the edges, from 0 to 1.
    orders : sequence of (ndarray or None)
        Per column, for categories the released order: ``order[rank] = code``; None keeps the natural order.

    spreads : sequence of ndarray of shape (n_spread, 2)
        Per column, ranges of positions that may hold an atom, a value that many rows share. There the rank places a
        record at any level of F inside the range, which makes the atom exactly Gaussian; elsewhere the record
        keeps its own place.
    layouts : sequence of Layout, default=()
        Per column, where codes go that lie outside; without it, all codes are of values.
    """

    edges: Sequence[NDArray[np.float64]]
    cdf: Sequence[NDArray[np.float64]]
    orders: Sequence[NDArray[np.int64] | None]
    spreads: Sequence[NDArray[np.float64]]
    layouts: Sequence[Layout] = ()

    def __post_init__(self) -> None:
        if not self.layouts:
            sizes = [int(edges[-1]) for edges in self.edges]
            object.__setattr__(self, "layouts", [Layout(size, size) for size in sizes])

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.edges)

    def beyond(self, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say which cells lie outside of their columns, (n, d)."""
        return (codes < 0) | (codes >= np.array([layout.n_levels for layout in self.layouts]))

    def draws(self, codes: NDArray[np.int64]) -> bool:
        """Say whether the place of any cell is drawn by its rank."""
        beyond = zip(self.layouts, codes.T, self.beyond(codes).T, strict=True)
        return any(bool((layout.place(own[out]) == DRAWN).any()) for layout, own, out in beyond)

    def placed(
        self, codes: NDArray[np.int64], ranks: NDArray[np.float64] | float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        r"""Place cells on the axes of their columns.

        Notes
        -----
        A cell that has no place is drawn, by its random rank, from the distribution of values that was released of its
        column. So its row is counted wherever rows are counted, and other columns stay what they are.
        """
        if codes.shape[1] != self.n_columns:
            raise IndexError(f"This transform is of {self.n_columns} columns; got {codes.shape[1]}.")
        beyond, ranks = self.beyond(codes), np.broadcast_to(ranks, codes.shape)
        moved = any(layout.gap is not None for layout in self.layouts)
        if not beyond.any() and not moved and all(order is None for order in self.orders):
            return codes, ranks
        places, ranks = codes.copy(order="K"), np.array(ranks)
        for j, (layout, order) in enumerate(zip(self.layouts, self.orders, strict=True)):
            if order is not None:
                places[:, j] = np.argsort(order)[np.clip(codes[:, j], 0, len(order) - 1)]
            elif layout.gap is not None:
                places[:, j] = layout.with_gap(codes[:, j])
            own = np.flatnonzero(beyond[:, j])
            if own.size:
                places[own, j] = layout.place(codes[own, j])
                drawn = own[places[own, j] == DRAWN]
                places[drawn, j], ranks[drawn, j] = self._drawn(j, ranks[drawn, j])
        return places, ranks

    def _drawn(self, j: int, u: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return places and ranks of the values of a column at levels of their distribution."""
        edges, cdf, layout, order = self.edges[j], self.cdf[j], self.layouts[j], self.orders[j]
        gaps = np.arange(layout.n_values, layout.n_levels) if layout.gap is None else np.array([layout.gap])
        if order is not None:
            gaps = np.flatnonzero(order >= layout.n_values)
        for gap in gaps:  # at most one; it is no value
            first, last = self._distributions[j][0](np.array([gap, gap + 1.0]))
            u = u * (1.0 - (last - first))
            u = np.where(u >= first, u + (last - first), u)
        k = np.clip(np.searchsorted(cdf, u, side="right") - 1, 0, len(cdf) - 2)
        position = edges[k] + (u - cdf[k]) / (cdf[k + 1] - cdf[k]) * (edges[k + 1] - edges[k])
        position = np.where(np.isfinite(position), position, edges[k])  # of steps as narrow as no table has them
        place = np.minimum(np.floor(position), np.ceil(edges[k + 1]) - 1.0)
        return place.astype(np.int64), np.clip(position - place, 0.0, np.nextafter(1.0, 0.0))

    def code_at(self, j: int, positions: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the codes of cells at positions of an ordered column."""
        layout = self.layouts[j]
        code = layout.without_gap(np.floor(positions).astype(np.int64))
        for k, home in enumerate(layout.homes):
            if home != DRAWN and not 0 <= home < layout.n_levels:
                code = np.where(np.floor(positions) == home, layout.n_levels + k, code)
        return code

    @cached_property
    def _distributions(self) -> list[tuple[PiecewiseLinear, NDArray[np.float64]]]:
        """Distribution function of each column, and its levels at the ends of the spreads."""
        own = [PiecewiseLinear([edges], [cdf]) for edges, cdf in zip(self.edges, self.cdf, strict=True)]
        return [(f, f(spreads.ravel()).reshape(-1, 2)) for f, spreads in zip(own, self.spreads, strict=True)]

    def _levels(self, codes: NDArray[np.int64], ranks: NDArray[np.float64] | float) -> Iterator[tuple[Any, Any]]:
        """Yield levels of the distribution functions, and where they belong: some rows of a column at a time.

        Each step is a sum, product or quotient of two numbers, which IEEE 754 rounds alike on every processor.
        """
        places, ranks = self.placed(codes, ranks)
        for j, (distribution, levels) in enumerate(self._distributions):
            for start in range(0, len(codes), _ROWS):
                rows = slice(start, start + _ROWS)
                place, rank = places[rows, j], ranks[rows, j]
                u = distribution(place + rank)
                for (low, high), (below, above) in zip(self.spreads[j], levels, strict=True):
                    u = np.where((place >= low) & (place < high), below + rank * (above - below), u)
                yield (rows, j), u

    def to_latent(self, codes: NDArray[np.int64], ranks: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Map integer codes and ranks to scores."""
        z = np.empty(codes.shape, order="F")
        for at, u in self._levels(codes, ranks):
            z[at] = np.clip(ndtri(np.clip(u, 0.0, 1.0)), -LATENT_LIMIT, LATENT_LIMIT)
        return z

    def to_lattice(self, codes: NDArray[np.int64], ranks: NDArray[np.float64] | float) -> NDArray[np.int16]:
        """Map integer codes and ranks to the nearest scores on the lattice, with the same bits on every processor."""
        z = np.empty(codes.shape, dtype=np.int16, order="F")
        for at, u in self._levels(codes, ranks):
            z[at] = lattice_scores(u)
        return z

    def from_latent(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map scores to positions, the inverse of `to_latent`; what lies outside comes back at the bound."""
        out = np.empty(z.shape)
        for j, (edges, cdf, order) in enumerate(zip(self.edges, self.cdf, self.orders, strict=True)):
            layout = self.layouts[j]
            position = np.interp(ndtr(z[:, j]), cdf, edges)
            position = np.minimum(position, np.nextafter(edges[-1], 0.0))
            if layout.ends != (0, layout.n_levels):
                last = layout.n_values if layout.gap is None else layout.n_levels
                position = np.where(position >= layout.n_levels, np.nextafter(last, 0.0), position)
                position = np.maximum(position, 0.0)
            position = layout.without_gap(position)
            if order is not None:
                rank = np.floor(position)
                position = order[rank.astype(np.int64)] + (position - rank)
            out[:, j] = position
        return out

    def log_slope(
        self, z: NDArray[np.float64], codes: NDArray[np.int64], ranks: NDArray[np.float64] | float
    ) -> NDArray[np.float64]:
        """Log-derivative of the scores with respect to the positions, summed over columns."""
        total = np.zeros(len(z))
        places, ranks = self.placed(codes, ranks)
        for j, (edges, cdf) in enumerate(zip(self.edges, self.cdf, strict=True)):
            step = np.clip(np.searchsorted(edges, places[:, j] + ranks[:, j], side="right") - 1, 0, len(edges) - 2)
            density = np.diff(cdf) / np.diff(edges)
            with np.errstate(divide="ignore"):  # where nothing was located, and almost no mass is left
                total += np.log(density[step])
            total += 0.5 * z[:, j] ** 2 + 0.5 * np.log(2.0 * np.pi)
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
            "latent_levels": np.array(
                [[o.n_values, o.n_levels, -1 if o.gap is None else o.gap] for o in self.layouts], dtype=np.int64
            ),
            "latent_homes": np.array([home for o in self.layouts for home in o.homes], dtype=np.int64),
            "latent_home_sizes": np.array([len(o.homes) for o in self.layouts], dtype=np.int64),
        }

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> RankTransform:
        """Rebuild from `to_params`."""
        cuts = np.cumsum(params["latent_sizes"])[:-1]
        order_sizes = params["latent_order_sizes"]
        orders = np.split(params["latent_orders"], np.cumsum(order_sizes)[:-1])
        homes = np.split(params["latent_homes"], np.cumsum(params["latent_home_sizes"])[:-1])
        return cls(
            np.split(params["latent_edges"], cuts),
            np.split(params["latent_cdf"], cuts),
            [o if size else None for o, size in zip(orders, order_sizes, strict=True)],
            np.split(params["latent_spreads"], np.cumsum(params["latent_spread_sizes"])[:-1]),
            [
                Layout(int(n_values), int(n_levels), tuple(own.tolist()), None if gap < 0 else int(gap))
                for (n_values, n_levels, gap), own in zip(params["latent_levels"], homes, strict=True)
            ],
        )
