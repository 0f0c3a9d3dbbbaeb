"""The constraints of a domain on synthetic rows: computed where they are equalities, checked where they are not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdpflow.domain import Categories, Column, Domain, Interval
from skdpflow.domain.constraints import Data, Rule, rules_of, solutions
from skdpflow.domain.differences import since_of
from skdpflow.domain.schema import Schema
from skdpflow.sampling.cells import Cells
from skdpflow.sampling.dtypes import dtype_of

Array = NDArray[np.float64]

#: Columns whose gaps, and combinations of categories, that are told apart by `Constraints.pattern` at most.
_MOST_GAPS, _MOST_LABELS = 12, 64
#: Units in the last place by which a sum may miss the bound that it means.
_ULPS = 4.0


def data_of(cells: Cells, column: Column) -> Data:
    """Return cells as constraints read them."""
    kind = cells.values.dtype
    rounded = isinstance(column, Interval) and not column.integer and kind.kind == "f"
    return Data(cells.numbers(column), cells.gaps, float(np.finfo(kind).eps) if rounded else 0.0)


def _digits(domain: Domain, names: Collection[str]) -> list[tuple[int, int, int]]:
    """Return the columns whose gaps and labels are told apart: place, number of cases, and the first level of one."""
    named = [(j, column) for j, (name, column) in enumerate(domain.items()) if name in names]
    gaps = [(j, 2, column.n_values - 1) for j, column in named if column.nullable]
    labels, combinations = [], 1
    for j, column in named:
        if isinstance(column, Categories) and combinations * column.n_values <= _MOST_LABELS:
            combinations *= column.n_values
            labels.append((j, column.n_values, 0))
    return gaps[:_MOST_GAPS] + labels


class Constraints:
    """The constraints of a domain, on rows of a schema.

    Parameters
    ----------
    domain : Domain
        The columns and their constraints.
    schema : Schema
        Container and dtypes of the rows: constraints hold for cells as they go out, after all rounding.

    Attributes
    ----------
    names : tuple of str
        The columns that constraints name.
    indices : tuple of int
        Their places among the columns.
    solved : tuple of str
        The columns that equalities compute from others.
    since : tuple of str
        The columns that were measured as differences, each after the one that it differs from.
    """

    def __init__(self, domain: Domain, schema: Schema) -> None:
        self._rules: list[Rule] = rules_of(domain.constraints, domain)
        self._solutions = solutions(self._rules, domain)
        self._domain, self._schema = domain, schema
        self._digits = _digits(domain, {name for rule in self._rules for name in rule.names})
        since = since_of(domain)
        self.since = tuple(since)
        linked = [name for later, own in since.items() for name in (own.name, later)]
        self.names = tuple(dict.fromkeys([*(name for rule in self._rules for name in rule.names), *linked]))
        self.indices = tuple(map(domain.names.index, self.names))
        self.solved = tuple(name for name, _ in self._solutions)

    @classmethod
    def of(cls, domain: Domain, schema: Schema) -> Constraints | None:
        """Return the facts of a domain, or None if it has no constraints, and no columns that were differences."""
        return cls(domain, schema) if domain.constraints or since_of(domain) else None

    def solve(self, positions: Array) -> tuple[Array, NDArray[np.bool_], dict[int, Cells]]:
        """Compute the columns that equalities and differences give, and say which rows meet all constraints."""
        rows, computed, possible = self._solve(positions)
        if self.solved:
            positions = positions.copy()
            # one that was measured as a difference keeps the position of that
            for j in [self._domain.names.index(name) for name in self.solved if name not in self.since]:
                own = _positions(computed[j], self._domain.columns[j])
                positions[:, j] = np.where(computed[j].gaps, positions[:, j], own)
        return positions, self.met(rows) & possible, computed

    def in_own_values(self, positions: Array) -> Array:
        """Return positions of the columns as they are declared: those of differences become those of values."""
        if not self.since:
            return positions
        _, computed, _ = self._solve(positions)
        out = positions.copy()
        for name in self.since:
            j, column = self._domain.names.index(name), self._domain[name]
            assert isinstance(column, Interval)
            own = column.without_grid()
            out[:, j] = np.where(computed[j].gaps, own.n_values + 0.5, _positions(computed[j], own))
        return out

    def _solve(self, positions: Array) -> tuple[dict[str, Data], dict[int, Cells], NDArray[np.bool_]]:
        """Return the named columns, the computed ones among them, and which rows lie in the bounds of the latter."""
        places = {name: self._domain.names.index(name) for name in self.names}
        cells = {
            name: Cells.of(positions[:, j], self._domain[name], self._schema.container, self._schema.dtypes[j])
            for name, j in places.items()
        }
        rows = {name: data_of(own, self._domain[name]) for name, own in cells.items()}
        computed: dict[int, Cells] = {}
        possible = np.ones(len(positions), dtype=np.bool_)
        for name in self.since:
            column, j = self._domain[name], places[name]
            assert isinstance(column, Interval)
            assert column.since is not None
            numbers, gaps = rows[column.since.name].values + column.numbers(positions[:, j]), cells[name].gaps
            near = np.clip(numbers, column.lower, column.upper)
            possible &= gaps | (np.abs(numbers - near) <= _ULPS * np.spacing(np.abs(near)))
            computed[j] = Cells.of_numbers(numbers, gaps, column, self._schema.container, self._schema.dtypes[j])
            rows[name] = data_of(computed[j], column)
        for name, rule in self._solutions:
            column, j, drawn = self._domain[name], self._domain.names.index(name), cells[name]
            assert isinstance(column, Interval)
            numbers, known = rule.solved(name, rows)
            numbers = np.where(known, numbers, rows[name].values)
            computed[j] = Cells.of_numbers(numbers, drawn.gaps, column, self._schema.container, self._schema.dtypes[j])
            rows[name] = data_of(computed[j], column)
        return rows, computed, possible

    def met_by(self, codes: NDArray[np.int64], numbers: Array) -> NDArray[np.bool_]:
        """Say which given rows meet all constraints."""
        numeric = [name for name, column in self._domain.items() if isinstance(column, Interval)]
        rows = {}
        for j, name in zip(self.indices, self.names, strict=True):
            column, own = self._domain[name], codes[:, j]
            if isinstance(column, Interval):
                x = numbers[:, numeric.index(name)]
                dtype = dtype_of(self._schema.container, self._schema.dtypes[j])
                eps = 0.0 if column.integer or dtype is None else dtype.eps
                rows[name] = Data(x, np.isnan(x), eps)
            else:
                rows[name] = Data(own.astype(np.float64), (own < 0) | (own >= column.n_values))
        return self.met(rows)

    def pattern(self, positions: NDArray[Any]) -> NDArray[np.int64]:
        """Number rows by what is kept when they are redrawn: gaps and labels of the named columns."""
        pattern = np.zeros(len(positions), dtype=np.int64)
        for j, radix, lowest in self._digits:
            digit = np.clip(np.floor(positions[:, j]) - lowest, 0, radix - 1)
            pattern = radix * pattern + digit.astype(np.int64)
        return pattern

    def differences(self, pattern: int, others: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count in how many of its parts a pattern differs from others."""
        count = np.zeros(len(others), dtype=np.int64)
        for _, radix, _ in reversed(self._digits):
            count += others % radix != pattern % radix
            pattern, others = pattern // radix, others // radix
        return count

    def met(self, rows: Mapping[str, Data]) -> NDArray[np.bool_]:
        """Say which rows meet all constraints."""
        n = len(next(iter(rows.values())).values)
        return np.logical_and.reduce([np.ones(n, dtype=np.bool_), *(rule.met(rows) for rule in self._rules)])

    def rarest(self, positions: Array) -> str:
        """Return the constraint that the fewest rows meet."""
        rows, _, _ = self._solve(positions)
        return min(self._rules, key=lambda rule: rule.met(rows).sum()).text if self._rules else "bounds of columns"


def _positions(cells: Cells, column: Column) -> Array:
    """Return positions that mean numbers of an interval, up to rounding."""
    assert isinstance(column, Interval)
    numbers = cells.numbers(column)
    if column.discrete:
        return np.asarray(column.positions(numbers) + 0.5)
    return np.clip(column.positions(numbers), 0.0, np.nextafter(float(column.n_values), 0.0))
