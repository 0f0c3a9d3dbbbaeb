"""Constraints that no row of a domain can meet, found from what is declared alone."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

import numpy as np

from skdpflow.domain.columns import Column, Interval
from skdpflow.domain.constraints import Data, Rule, rules_of
from skdpflow.domain.domain import Domain

__all__ = ["check_possible"]

#: Most rows of which all are tried, where constraints name columns of few values.
_MOST_ROWS = 2**14
_LESS = (ast.Lt, ast.LtE)
#: Part of the magnitude of numbers that are not whole which rounding may change.
_ROUNDING = 2.0**-20
#: Relative distance up to which numbers may count as equal, also in half precision.
_NEAR = 2.0**-6


def check_possible(domain: Domain) -> None:
    """Refuse constraints that no row can meet.

    Notes
    -----
    Two ways of proof are tried. Of columns with few values, every row is looked at. Of columns that are never
    missing, upper bounds of x - y are added up around a circle: ``a < b``, ``b <= c`` and ``c <= a`` say that a is
    less than itself, and the bounds of the columns count like constraints. What neither way proves is let through.
    """
    rules = rules_of(domain.constraints, domain)
    culprits = _of_few_values(rules, domain) or _of_circles(rules, domain)
    if culprits is None:
        return
    texts = [text for text in domain.constraints if any(rule.text == text for rule in culprits)]
    names = [name for name in domain if any(name in rule.names for rule in culprits)]
    which = f"the constraint {texts[0]!r}" if len(texts) == 1 else f"the constraints {', '.join(map(repr, texts))}"
    together = "" if len(texts) == 1 else " together"
    raise ValueError(
        f"No row can meet {which}{together}, with the values that the domain declares for "
        f"{', '.join(map(repr, names))}. Correct or drop {'it' if len(texts) == 1 else 'one of them'}, or declare "
        "other bounds or categories. Nothing was spent."
    )


# ---------------------------------------------------------------------- few values


def _of_few_values(rules: Sequence[Rule], domain: Domain) -> list[Rule] | None:
    """Return constraints that none of all rows meets, as few as can be told."""
    small = [
        rule
        for rule in rules
        if all(_is_small(domain[name]) for name in rule.names) and _n_rows(rule.names, domain) <= _MOST_ROWS
    ]
    for rule in small:
        if not _some_row_meets([rule], domain):
            return [rule]
    for group in _linked(small):
        names = {name for rule in group for name in rule.names}
        if len(group) > 1 and _n_rows(names, domain) <= _MOST_ROWS and not _some_row_meets(group, domain):
            return _fewer(group, domain)
    return None


def _is_small(column: Column) -> bool:
    return not isinstance(column, Interval) or column.discrete


def _n_rows(names: Iterable[str], domain: Domain) -> int:
    return prod(domain[name].n_levels for name in names)


def _linked(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Group rules that have columns in common."""
    groups: list[tuple[set[str], list[Rule]]] = []
    for rule in rules:
        names, own = set(rule.names), [rule]
        for group in [group for group in groups if group[0] & names]:
            groups.remove(group)
            names, own = names | group[0], group[1] + own
        groups.append((names, own))
    return [own for _, own in groups]


def _fewer(rules: list[Rule], domain: Domain) -> list[Rule]:
    """Leave out rules without which the others still contradict each other."""
    for rule in list(rules):
        rest = [other for other in rules if other is not rule]
        if rest and not _some_row_meets(rest, domain):
            rules = rest
    return rules


def _some_row_meets(rules: Sequence[Rule], domain: Domain) -> bool:
    names = list(dict.fromkeys(name for rule in rules for name in rule.names))
    levels = np.indices([domain[name].n_levels for name in names]).reshape(len(names), -1)
    rows = {}
    for name, codes in zip(names, levels, strict=True):
        column = domain[name]
        values = column.numbers(codes.astype(np.float64)) if isinstance(column, Interval) else codes.astype(np.float64)
        roundoff = 0.0 if not isinstance(column, Interval) or column.integer else _NEAR
        rows[name] = Data(values, codes >= column.n_values, roundoff)
    return bool(np.logical_and.reduce([rule.met(rows) for rule in rules]).any())


# ---------------------------------------------------------------------- circles


@dataclass(frozen=True, eq=False)
class _Bound:
    """Says that x - y is at most `most`, or less where `strict`; None stands for 0."""

    x: str | None
    y: str | None
    most: Fraction
    strict: bool
    rule: Rule | None


def _of_circles(rules: Sequence[Rule], domain: Domain) -> list[Rule] | None:
    """Return constraints which say that something is less than itself."""
    sure = [rule for rule in rules if not any(domain[name].nullable for name in rule.names)]
    bounds = [bound for rule in sure for bound in _bounds_of(rule, domain)]
    for name in dict.fromkeys(name for bound in bounds for name in (bound.x, bound.y) if name is not None):
        column = domain[name]
        assert isinstance(column, Interval)
        bounds.append(_Bound(name, None, Fraction(column.upper), False, None))
        bounds.append(_Bound(None, name, -Fraction(column.lower), False, None))
    circle = _shrinking(bounds)
    rules = [bound.rule for bound in circle if bound.rule is not None]
    return rules or None


def _bounds_of(rule: Rule, domain: Domain) -> list[_Bound]:
    """Return what a comparison says of the difference of two columns, or of one column."""
    if rule.sides is None or rule.op is ast.NotEq or not all(isinstance(domain[n], Interval) for n in rule.names):
        return []
    left, right = rule.sides
    slopes: dict[str, float] = {}
    peak = 0.0
    for name in rule.names:
        p, q = left.slopes.get(name, 0.0), right.slopes.get(name, 0.0)
        if p is None or q is None:
            return []
        peak = max(peak, *(abs(float(end)) * max(abs(p), abs(q)) for end in _ends(name, domain)))
        if p != q:
            slopes[name] = p - q
    zeros = {name: Data(np.zeros(1), np.zeros(1, dtype=np.bool_)) for name in rule.names}
    with np.errstate(all="ignore"):
        constant = float(np.ravel(left.value(zeros).x)[0] - np.ravel(right.value(zeros).x)[0])
    if not np.isfinite(constant):
        return []
    whole = left.whole and right.whole
    paired = len(slopes) == 2 and sum(slopes.values()) == 0.0
    slack = Fraction(0) if whole else _slack(rule, peak + abs(constant))
    if len(slopes) != 1 and not paired:
        return _of_range(rule, slopes, Fraction(constant), slack, domain)
    x: str | None
    (x, slope), *others = slopes.items()
    y = others[0][0] if others else None
    most, slack = -Fraction(constant) / Fraction(abs(slope)), slack / Fraction(abs(slope))
    strict = rule.op in (ast.Lt, ast.Gt) and not slack
    if strict and whole and abs(slope) == 1.0:  # less by one at least
        strict, most = False, most - (1 if (rule.op is ast.Lt) else -1)
    if slope < 0:
        x, y = y, x
    out = []
    if rule.op in (*_LESS, ast.Eq):
        out.append(_Bound(x, y, most + slack, strict, rule))
    if rule.op not in _LESS:
        out.append(_Bound(y, x, -most + slack, strict, rule))
    return out


def _slack(rule: Rule, peak: float) -> Fraction:
    """Return by how much rounding may change a comparison of numbers that are not whole."""
    assert rule.sides is not None
    if rule.op is ast.Eq:  # near numbers count as equal
        return Fraction(peak * _NEAR)
    plain = len(rule.alone) + sum(side.constant is not None for side in rule.sides)
    return Fraction(0) if plain == 2 else Fraction(peak * _ROUNDING)


def _of_range(
    rule: Rule, slopes: Mapping[str, float], constant: Fraction, slack: Fraction, domain: Domain
) -> list[_Bound]:
    """Return whether a sum of columns can be below or above zero at all, within their bounds."""
    ends = [[Fraction(slope) * Fraction(end) for end in _ends(name, domain)] for name, slope in slopes.items()]
    low, high = constant + sum(map(min, ends)), constant + sum(map(max, ends))
    strict = rule.op in (ast.Lt, ast.Gt) and not slack
    out = [] if rule.op in (ast.Gt, ast.GtE) else [_Bound(None, None, slack - low, strict, rule)]
    return out if rule.op in _LESS else [*out, _Bound(None, None, slack + high, strict, rule)]


def _ends(name: str, domain: Domain) -> tuple[float, float]:
    column = domain[name]
    assert isinstance(column, Interval)
    return column.lower, column.upper


def _shrinking(bounds: Sequence[_Bound]) -> list[_Bound]:
    """Return a circle of bounds whose sum is below 0, or 0 and strict, by the algorithm of Bellman and Ford."""
    nodes = dict.fromkeys(node for bound in bounds for node in (bound.x, bound.y))
    least: Mapping[str | None, tuple[Fraction, int]] = dict.fromkeys(nodes, (Fraction(0), 0))
    found, last, moved = dict(least), dict[str | None, _Bound](), None
    for _ in range(len(nodes) + 1):
        moved = None
        for bound in bounds:
            total, strict = found[bound.y]
            new = (total + bound.most, strict - bound.strict)
            if new < found[bound.x]:
                found[bound.x], last[bound.x], moved = new, bound, bound
        if moved is None:
            return []
    node = moved.x if moved is not None else None
    for _ in nodes:  # far enough back to be on the circle
        node = last[node].y
    circle, first = [last[node]], node
    while circle[-1].y != first:
        circle.append(last[circle[-1].y])
    return circle
