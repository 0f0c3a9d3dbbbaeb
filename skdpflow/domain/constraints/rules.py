"""Constraints as rules: which rows meet them, and which columns follow from others."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from skdpflow.domain.columns import Column, Interval
from skdpflow.domain.constraints.parser import Parser
from skdpflow.domain.constraints.terms import Array, Data, Mask, Number, Rows, Truth

_COMPARED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq)


@dataclass(frozen=True, eq=False)
class Rule:
    """A part of a constraint that holds by itself.

    Parameters
    ----------
    text : str
        The constraint.
    names : tuple of str
        The columns in it, in order.
    truth : callable
        Which rows make it true, and which false.
    sides : tuple of Number, or None, default=None
        The two sides, if it compares two numbers.
    op : type of ast.cmpop or None, default=None
        How it compares them.
    alone : tuple of str, default=()
        Columns that are a whole side of the comparison, the right one first.
    """

    text: str
    names: tuple[str, ...]
    truth: Truth
    sides: tuple[Number, Number] | None = None
    op: type[ast.cmpop] | None = None
    alone: tuple[str, ...] = ()

    @property
    def equality(self) -> tuple[Number, Number] | None:
        """The two sides, if it says that two numbers are equal."""
        return self.sides if self.op is ast.Eq else None

    @property
    def order(self) -> tuple[str, str] | None:
        """The lower and the upper column, if it says that a column is at most another one, or less."""
        if self.sides is None or len(self.alone) != 2 or self.op is ast.Eq:
            return None
        right, left = self.alone
        return (left, right) if self.op in (ast.Lt, ast.LtE) else (right, left)

    def met(self, rows: Rows) -> Mask:
        """Return which rows do not violate it; rows in which it depends on a missing cell do not."""
        with np.errstate(all="ignore"):
            return ~self.truth(rows)[1]

    def slope(self, name: str) -> float | None:
        """Return the constant by which the difference of the two sides grows with a column, if it is one but zero."""
        if self.equality is None:
            return None
        left, right = (side.slopes.get(name, 0.0) for side in self.equality)
        return None if left is None or right is None else (left - right) or None

    def solved(self, name: str, rows: Rows) -> tuple[Array, Mask]:
        """Return the numbers of a column that make the two sides equal, and where they are known."""
        slope = self.slope(name)
        assert self.equality is not None
        assert slope is not None
        own = rows[name]
        others = {**rows, name: Data(np.zeros(len(own.values)), own.missing)}
        with np.errstate(all="ignore"):
            left, right = (side.value(others) for side in self.equality)
            numbers = np.asarray(-(left.x - right.x) / slope + np.zeros(len(own.values)))
            return numbers, np.isfinite(numbers) & ~(left.missing | right.missing)


def rules_of(texts: Sequence[str], columns: Mapping[str, Column]) -> list[Rule]:
    """Parse constraints."""
    return [rule for text in texts for rule in _rules(Parser(text, columns))]


def _rules(parser: Parser) -> list[Rule]:
    def split(node: ast.expr) -> list[Rule]:
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            return [rule for value in node.values for rule in split(value)]
        if not isinstance(node, ast.Compare):
            truth = parser.truth(node)
            return [Rule(parser.text, tuple(parser.names(node)), truth)]
        found = []
        ends = [node.left, *node.comparators]
        for first, op, second in zip(ends, node.ops, ends[1:], strict=False):
            truth = parser.comparison(first, op, second)
            names = tuple(dict.fromkeys([*parser.names(first), *parser.names(second)]))
            sides = parser.sides(first, second) if isinstance(op, _COMPARED) else None
            alone = tuple(name for side in (second, first) if (name := parser.name(side)) is not None)
            found.append(Rule(parser.text, names, truth, sides, type(op), alone))
        return found

    return split(parser.tree())


def solutions(rules: Sequence[Rule], columns: Mapping[str, Column]) -> list[tuple[str, Rule]]:
    """Choose the columns that equalities compute from others."""
    taken: set[str] = set()
    found = []
    for rule in rules:
        for name in (*rule.alone, *reversed(rule.names)):
            if name not in taken and isinstance(columns[name], Interval) and rule.slope(name) is not None:
                found.append((name, rule))
                taken.update(rule.names)
                break
    return found
