"""Which columns are measured as their differences from others: a matter of the declared constraints alone.

A fit decides it once, by `with_differences`. From then on the columns themselves say it, also in a Release, which may
be given other constraints later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from skdpflow.domain.columns import Column, Interval
from skdpflow.domain.constraints import rules_of, solutions
from skdpflow.domain.domain import Domain
from skdpflow.domain.grid import FEW_VALUES
from skdpflow.domain.interval import Since
from skdpflow.domain.lattice import Lattice

__all__ = ["by_themselves", "differences", "since_of", "with_differences"]


def with_differences(domain: Domain) -> Domain:
    """Return columns as a fit is going to measure them."""
    since, columns = differences(domain), dict(domain)
    if not since:
        return domain
    for name, own in since.items():
        column = columns[name]
        assert isinstance(column, Interval)
        columns[name] = replace(column, grid=None, since=own)
    return Domain(columns, constraints=domain.constraints)


def by_themselves(domain: Domain) -> Domain:
    """Return the same columns, those that are measured as differences in their own values."""
    since, columns = since_of(domain), dict(domain)
    if not since:
        return domain
    for name in since:
        column = columns[name]
        assert isinstance(column, Interval)
        columns[name] = column.without_grid()
    return Domain(columns, constraints=domain.constraints)


def since_of(domain: Domain) -> dict[str, Since]:
    """Return the columns that are measured as differences, each after the column that it is measured from."""
    found = {n: c.since for n, c in domain.items() if isinstance(c, Interval) and c.since is not None}
    for name, own in found.items():
        if not isinstance(domain.get(own.name), Interval):
            raise ValueError(f"The column {name!r} was measured since {own.name!r}, which is no column of numbers.")
    return _in_order(found)


def differences(domain: Domain) -> dict[str, Since]:
    """Return the columns that constraints make differences, each after the column that it is measured from.

    Notes
    -----
    The first constraint that says ``a <= b`` or ``a < b`` of two columns has b measured as b - a. In a chain
    ``a <= b <= c``, that is b - a and c - b. Both are dates of one unit or numbers of one grain, so that b - a has that
    grain too, and a shift of b by a changes no density. Columns stay as they are where a may be missing, as b had no
    difference then; where one has special values, which are no differences; where an equality computes one of
    them; and where all the values of b are counted one by one.
    """
    if not domain.constraints:
        return {}
    rules = rules_of(domain.constraints, domain)
    computed = {name for name, _ in solutions(rules, domain)}
    found: dict[str, Since] = {}
    for rule in rules:
        if rule.order is None or computed & set(rule.order):
            continue
        low, high = rule.order
        if high not in found and high not in _behind(low, found):
            width = _width(domain[low], domain[high])
            if width is not None:
                found[high] = Since(low, width)
    return _in_order(found)


def _in_order(found: Mapping[str, Since]) -> dict[str, Since]:
    return {name: found[name] for name in sorted(found, key=lambda name: len(_behind(name, found)))}


def _behind(name: str, found: Mapping[str, Since]) -> list[str]:
    """Return a column and those that it is measured from, one after the other."""
    out = [name]
    while out[-1] in found:
        out.append(found[out[-1]].name)
        if len(out) > len(found) + 1:
            raise ValueError(f"The column {name!r} cannot be measured since itself.")
    return out


def _width(low: Column, high: Column) -> float | None:
    """Return the largest difference of two columns; None if they are not measured by it."""
    if not (isinstance(low, Interval) and isinstance(high, Interval)):
        return None
    if low.nullable or low.special or high.special or _grain(low) != _grain(high):
        return None
    if high.discrete and high.n_values <= FEW_VALUES:
        return None
    first, last = _ends(low)[0], _ends(high)[1]
    if high.step is not None and ((_ends(high)[0] - first) / Fraction(repr(high.step))).denominator != 1:
        return None
    if not last > first:
        return None
    width = int(last - first) if high.integer else float(last - first)
    try:
        Interval(0, width, integer=high.integer, decimals=high.decimals, step=high.step)
    except ValueError:  # too wide for double precision, or one value only
        return None
    return width


def _grain(column: Interval) -> tuple[object, ...]:
    return column.unit, column.integer, column.decimals, column.step


def _ends(column: Interval) -> tuple[Fraction, Fraction]:
    """Return the first and the last value of a column."""
    own = column.lattice
    return (Fraction(column.lower), Fraction(column.upper)) if own is None else _of_lattice(own)


def _of_lattice(own: Lattice) -> tuple[Fraction, Fraction]:
    first, last = (Fraction(own.offset + k * own.stride, own.denominator) for k in (own.first, own.last))
    return first, last
