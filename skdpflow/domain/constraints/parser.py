"""Parses text to typed terms by a whitelist: no code in a text is run."""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from skdpflow.domain.categories import is_undeclared
from skdpflow.domain.columns import Categories, Column, Interval
from skdpflow.domain.constraints.terms import (
    EXACT,
    MICROSECONDS,
    ORDER,
    Evaluated,
    Label,
    Literal,
    Mask,
    Number,
    Rows,
    Term,
    Truth,
    all_of,
    any_of,
    arithmetic,
    compared,
    constant_of,
    in_one_unit,
    known,
    negated,
)

#: Longest text and deepest nesting that are read.
LONGEST, DEEPEST = 2000, 100
_ISO = re.compile(r"\d{4}-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d{1,6})?)?)?)?)?")
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`([^`]*)`""", re.DOTALL)

ALLOWED = (
    "names of columns (in `backticks` if they are no identifiers), numbers, text in quotes, True, False, + - * /, "
    "comparisons, `in (...)`, `is None`, and, or, not"
)


_FLIPPED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq}


class Parser:
    """Parses one text, and names the problem if it is not valid.

    Parameters
    ----------
    text : str
        An expression.
    columns : mapping of str to Interval or Categories
        What its names mean.
    """

    def __init__(self, text: str, columns: Mapping[str, Column]) -> None:
        self.text = text
        self.columns = columns
        self._depth = 0

    def error(self, problem: str) -> ValueError:
        """Build the error that names the text and the problem."""
        shown = self.text if len(self.text) <= 80 else self.text[:77] + "..."
        return ValueError(f"The constraint {shown!r} {problem}")

    def tree(self) -> ast.expr:
        """Parse the text."""
        if len(self.text) > LONGEST:
            raise self.error(f"is longer than {LONGEST} characters: split it, as constraints hold together.")
        quoted = _QUOTED.sub(lambda m: m[0] if m[1] is None else f"col({m[1]!r})", self.text.strip())
        found = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # of doubtful spellings
                found = ast.parse(quoted, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError, Warning):
            pass
        if found is None:
            raise self.error(f"is no expression. It may hold {ALLOWED}.")
        return found

    def name(self, node: ast.AST) -> str | None:
        """Return the name of the column that a node stands for, if it does."""
        match node:
            case ast.Name(id=name):
                return name
            case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str() as name)], keywords=[]):
                return name
        return None

    def names(self, node: ast.AST) -> list[str]:
        """Return the names of all columns in a node, in their order."""
        own = self.name(node)
        if own is not None:
            return [own]
        return list(dict.fromkeys(name for child in ast.iter_child_nodes(node) for name in self.names(child)))

    # ------------------------------------------------------------------ terms

    def term(self, node: ast.expr) -> Term:
        """Return what a node means."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise self.error(f"is nested more than {DEEPEST} levels deep.")
        found = self._term(node)
        self._depth -= 1
        return found

    def _term(self, node: ast.expr) -> Term:
        name = self.name(node)
        if name is not None:
            return self._column(name)
        match node:
            case ast.Constant(value=bool() | str() | None as value):
                return Literal(value)
            case ast.Constant(value=int() | float() as value):
                return self._number(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return negated(self.truth(operand))
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                number = self._plain(operand)
                return number if isinstance(sign, ast.UAdd) else arithmetic(operator.mul, constant_of(-1), number)
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
                return self._binary(node)
            case ast.BoolOp(op=op, values=values):
                return (all_of if isinstance(op, ast.And) else any_of)([self.truth(value) for value in values])
            case ast.Compare(left=first, ops=ops, comparators=others):
                ends = [first, *others]
                return all_of([self.comparison(a, op, b) for a, op, b in zip(ends, ops, others, strict=False)])
        called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None
        part = node.op if isinstance(node, ast.BinOp | ast.UnaryOp) else node
        what = f"has a part of the kind {type(part).__name__}" if called is None else f"calls {called!r}"
        raise self.error(f"{what}, which is not allowed. It may hold {ALLOWED}.")

    def _number(self, value: float) -> Number:
        if not abs(value) <= (EXACT if isinstance(value, int) else np.finfo(np.float64).max):
            raise self.error("has a number that is too large: whole numbers go to 2**53, others to 1.8e308.")
        return constant_of(value)

    def _column(self, name: str) -> Number | Label:
        if name not in self.columns:
            listed = ", ".join(map(repr, list(self.columns)[:10])) + (", ..." if len(self.columns) > 10 else "")
            raise self.error(
                f"names {name!r}, which is no column of the domain (a target is none). Its columns: {listed}."
            )
        column = self.columns[name]
        if not isinstance(column, Interval | Categories):
            raise self.error(
                f"names {name!r}, which is not measured: write the value of a Constant itself; keys have no meaning."
            )
        if is_undeclared(column):
            raise self.error(f"names {name!r}, whose values are not listed. List them: Categories([...]).")
        if isinstance(column, Interval):

            def value(rows: Rows) -> Evaluated:
                values, missing, roundoff = rows[name]
                return Evaluated(values, 0.0 if column.integer else np.abs(values) * roundoff, missing)

            return Number(value, column.integer, column.unit, {name: 1.0})
        numbers = [v for v in column.values if isinstance(v, int | float) and not isinstance(v, bool)]
        if len(numbers) < column.n_values:
            return Label(name, column)
        table, whole = np.array(numbers, dtype=np.float64), all(float(v).is_integer() for v in numbers)

        def listed_value(rows: Rows) -> Evaluated:
            values, missing, _ = rows[name]
            x = table[np.clip(values, 0, len(table) - 1).astype(np.int64)]
            return Evaluated(x, 0.0 if whole else np.abs(x) * 2.0**-52, missing)

        return Number(listed_value, whole, None, {name: 1.0})

    def _plain(self, node: ast.expr) -> Number:
        """Return a number that is no date."""
        term = self.term(node)
        if not isinstance(term, Number) or term.unit is not None:
            raise self.error(f"calculates with {self._shown(node)}, which is no number.")
        return term

    def _binary(self, node: ast.BinOp) -> Number:
        if isinstance(node.op, ast.Mult | ast.Div):
            op = operator.mul if isinstance(node.op, ast.Mult) else operator.truediv
            return arithmetic(op, self._plain(node.left), self._plain(node.right))
        op = operator.add if isinstance(node.op, ast.Add) else operator.sub
        left, right = self.term(node.left), self.term(node.right)
        left, right = self._dated(left, right), self._dated(right, left)
        for side, term in ((node.left, left), (node.right, right)):
            if not isinstance(term, Number):
                raise self.error(f"calculates with {self._shown(side)}, which is no number.")
        assert isinstance(left, Number)
        assert isinstance(right, Number)
        if left.unit is not None and right.unit is not None:
            if op is operator.add:
                raise self.error("adds two dates: only their difference is a number.")
            left, right, _ = in_one_unit(left, right)
            return arithmetic(op, left, right)
        if right.unit is not None and op is operator.sub:
            raise self.error("subtracts a date from a number.")
        return arithmetic(op, left, right, left.unit or right.unit)

    def _dated(self, term: Term, other: Term) -> Term:
        """Return text that stands beside a date as a date."""
        if not (isinstance(term, Literal) and isinstance(term.value, str)):
            return term
        if not (isinstance(other, Number) and other.unit is not None):
            return term
        if _ISO.fullmatch(term.value):
            try:
                moment = int(np.datetime64(term.value.replace(" ", "T"), "us").astype(np.int64))
                return constant_of(moment / MICROSECONDS[other.unit], other.unit)
            except ValueError:
                pass
        raise self.error(
            f"compares a date with {term.value[:40]!r}, which is no date in ISO form, such as '2024-02-29'."
        )

    def _shown(self, node: ast.expr) -> str:
        name = self.name(node)
        return f"{ast.unparse(node)[:40]!r}" if name is None else f"column {name!r}"

    # ------------------------------------------------------------------ truths

    def truth(self, node: ast.expr) -> Truth:
        """Return what a node says of rows."""
        found = self._said(self.term(node))
        if found is None:
            raise self.error(
                f"uses {self._shown(node)} where something true or false is needed: compare it with a value."
            )
        return found

    def _said(self, term: Term) -> Truth | None:
        """Return what a term says of rows, if it is true or false."""
        if not isinstance(term, Number | Label | Literal):
            return term
        if not (isinstance(term, Label) and all(isinstance(value, bool) for value in term.column.values)):
            return None
        true = float(term.column.values.index(True)) if True in term.column.values else -1.0
        return lambda rows: known(rows[term.name].values == true, rows[term.name].missing)

    def comparison(self, first: ast.expr, op: ast.cmpop, second: ast.expr) -> Truth:
        """Return what one comparison of two nodes says."""
        left = self.term(first)
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(second, ast.Tuple | ast.List) or not second.elts:
                raise self.error("needs a list of values after `in`, as in `ward in ('A', 'B')`.")
            found = any_of([self._pair(left, ast.Eq, self.term(value), first, value) for value in second.elts])
            return found if isinstance(op, ast.In) else negated(found)
        right = self.term(second)
        if isinstance(op, ast.Is | ast.IsNot):
            return self._gap(left, right, first, isinstance(op, ast.Is))
        return self._pair(left, type(op), right, first, second)

    def _gap(self, left: Term, right: Term, node: ast.expr, wanted: bool) -> Truth:
        name = self.name(node)
        if name is None or not (isinstance(right, Literal) and right.value is None):
            raise self.error("may use `is` only to ask for missing cells, as in `bmi is None`.")

        def value(rows: Rows) -> tuple[Mask, Mask]:
            missing = rows[name].missing
            return (missing, ~missing) if wanted else (~missing, missing)

        return value

    def _pair(self, left: Term, op: type[ast.cmpop], right: Term, first: ast.expr, second: ast.expr) -> Truth:
        left, right = self._dated(left, right), self._dated(right, left)
        if isinstance(left, Number) and isinstance(right, Number):
            if left.constant is not None and right.constant is not None:
                raise self.error("compares two constants: one side needs a column.")
            if (left.unit is None) != (right.unit is None):
                raise self.error("compares a date with a number: write dates as ISO text, such as '2024-02-29'.")
            if left.unit is not None:
                left, right, _ = in_one_unit(left, right)
            return compared(left, op, right)
        said, meant = self._said(left), self._said(right)
        if said is not None and meant is not None and op in (ast.Eq, ast.NotEq):
            same = any_of([all_of([said, meant]), all_of([negated(said), negated(meant)])])
            return same if op is ast.Eq else negated(same)
        if isinstance(left, Label) and isinstance(right, Label):
            return self._two_labels(left, op, right)
        if isinstance(left, Label):
            return self._coded(left, op, right, second)
        if isinstance(right, Label):
            return self._coded(right, _FLIPPED[op], left, first)
        missing = any(isinstance(term, Literal) and term.value is None for term in (left, right))
        if missing:
            raise self.error("compares with None: ask for missing cells with `is None`.")
        raise self.error(
            f"cannot compare {self._shown(first)} with {self._shown(second)}: they are of different kinds."
        )

    def _coded(self, label: Label, op: type[ast.cmpop], other: Term, node: ast.expr) -> Truth:
        """Compare a column with one of its values."""
        value = other.constant if isinstance(other, Number) else other.value if isinstance(other, Literal) else None
        values = label.column.values
        if value is None or value not in values:
            few = ", ".join(map(repr, values[:5])) + (", ..." if len(values) > 5 else "")
            shown = "None" if isinstance(other, Literal) and other.value is None else self._shown(node)
            raise self.error(f"compares column {label.name!r} with {shown}, which is none of its values: {few}.")
        self._check_order(label, op)
        code = np.float64(values.index(value))

        def found(rows: Rows) -> tuple[Mask, Mask]:
            codes, missing, _ = rows[label.name]
            if op in ORDER:
                return known(ORDER[op](codes, code), missing)
            return known((codes == code) == (op is ast.Eq), missing)

        return found

    def _two_labels(self, left: Label, op: type[ast.cmpop], right: Label) -> Truth:
        own, theirs = left.column.values, right.column.values
        for label in (left, right):
            self._check_order(label, op)
        if op in ORDER and own != theirs:
            raise self.error(f"compares columns {left.name!r} and {right.name!r}, which have different ordered values.")
        code_of = {value: code for code, value in enumerate(own)}
        table = np.array([code_of.get(value, -1) for value in theirs], dtype=np.float64)
        compare: Callable[[Any, Any], Mask] = ORDER.get(op, operator.eq if op is ast.Eq else operator.ne)

        def found(rows: Rows) -> tuple[Mask, Mask]:
            (a, gone, _), (b, lost, _) = rows[left.name], rows[right.name]
            codes = table[np.clip(b, 0, len(table) - 1).astype(np.int64)]
            return known(compare(a, codes), gone | lost)

        return found

    def _check_order(self, label: Label, op: type[ast.cmpop]) -> None:
        if op in ORDER and not label.column.ordered:
            raise self.error(f"orders column {label.name!r}, whose values have no order: declare it with ordered=True.")

    def sides(self, first: ast.expr, second: ast.expr) -> tuple[Number, Number] | None:
        """Return the sides of a comparison of numbers, in one unit; None if it is one of labels."""
        left, right = self.term(first), self.term(second)
        left, right = self._dated(left, right), self._dated(right, left)
        if not (isinstance(left, Number) and isinstance(right, Number)):
            return None
        if left.unit is not None and right.unit is not None:
            left, right, _ = in_one_unit(left, right)
        return left, right
