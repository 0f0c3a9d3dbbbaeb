"""Exact counts of how rows fit a domain: only for whoever holds the rows."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skdpflow.curator.dtypes import check_declared
from skdpflow.curator.files import header_of
from skdpflow.curator.gate import admit, as_table, as_target
from skdpflow.curator.parts import Ranks
from skdpflow.curator.source import RowSource
from skdpflow.domain import Column, Domain
from skdpflow.domain.categories import is_undeclared
from skdpflow.domain.check import DomainCheck
from skdpflow.domain.codes import outside_of
from skdpflow.domain.differences import by_themselves
from skdpflow.domain.schema import Name, container_of, schema_of
from skdpflow.files import TableFile
from skdpflow.frames import ELSEWHERE

_OWNER = "Domain.check"


def check_rows(domain: Domain, table: Any, y: Any, target: Column | None) -> DomainCheck:
    """Count the cells that lie outside of a domain, see `Domain.check`."""
    if is_undeclared(target):
        target = None
    if isinstance(table, ELSEWHERE):
        source = admit(_Asking(), table, domain=domain, target=target)
        unnamed, absent = list[Name](), list[Name]()
    else:
        source, unnamed, absent = _of_table(domain, table, y, target)
    declared = source.domain
    assert declared is not None
    for j, column in enumerate(declared.columns):
        check_declared(source.types[j], column, source.label(j), source.schema.dtypes[j])
    unknown = set(declared.undeclared)  # nothing is outside of what is not listed
    columns = [c.listing([0]) if is_undeclared(c) else c for c in by_themselves(declared).columns]
    declared = Domain(dict(zip(declared, columns, strict=True)))
    if target is not None:
        check_declared(source.target_type, target, "y", source.schema.target_dtype)
    *found, of_target = source.answer(_Outside(declared, target), 0)
    return DomainCheck(
        {
            name: _shares(counts, column, source.n_rows)
            for (name, column), counts in zip(declared.items(), found, strict=True)
            if name not in unknown
        },
        None if target is None else _shares(of_target, target, source.n_rows),
        tuple(unnamed),
        tuple(absent),
    )


def names_and_dtypes(table: Any) -> list[tuple[str, str, Any]]:
    """Return names, container and dtypes of the columns of a frame or a file, see `Domain.template`; reads no row."""
    if isinstance(table, TableFile):
        return [(name, "pandas", dtype) for name, dtype in header_of(table)]
    container = container_of(table)
    if container == "numpy" or len(table.shape) != 2:
        raise TypeError(
            f"Domain.template needs a data frame or a TableFile. Got an instance of {type(table).__name__!r}."
        )
    return [(str(name), container, dtype) for name, dtype in zip(table.columns, table.dtypes, strict=True)]


class _Outside:
    """A query for how cells of each column, and last of the target, lie outside."""

    def __init__(self, declared: Domain, target: Column | None) -> None:
        self._declared, self._target = declared, target

    def answer(self, rows: RowSource, start: int, stop: int, ranks: Ranks) -> list[Counter[str]]:
        """Count the cells of a block."""
        codes, target_codes = rows.block(start, stop, self._declared, self._target)
        found = [
            _outside(codes[:, j], rows.cells(start, stop, j, column).gaps, column)
            for j, column in enumerate(self._declared.columns)
        ]
        if self._target is None:
            return [*found, Counter()]
        gaps = rows.target_cells(start, stop, self._target).gaps
        return [*found, _outside(target_codes, gaps, self._target)]


class _Asking(BaseEstimator):
    """The owner that messages name, where a file is read."""


def _of_table(domain: Domain, X: Any, y: Any, target: Column | None) -> tuple[RowSource, list[Name], list[Name]]:
    """Return the declared columns of a table, the names of its others, and declared names that it lacks."""
    table = as_table(X, _OWNER)
    unnamed, absent, columns = list[Name](), list[Name](), dict(domain)
    labels = None if target is None else as_target(y, _OWNER)
    if container_of(table) == "numpy":
        if table.shape[1] != len(domain):
            raise ValueError(
                f"X has {table.shape[1]} columns without names, and the domain {len(domain)}. Pass a data frame, or "
                "exactly the declared columns in their order."
            )
    else:
        names = {str(name): name for name in table.columns}  # as a fit compares them
        unnamed = [name for text, name in names.items() if text not in domain]
        absent = [name for name in domain if name not in names and name != getattr(labels, "name", None)]
        columns = {text: domain[text] for text in names if text in domain}
        if not columns:
            raise ValueError(f"None of the columns of X is one of the domain, which are {list(domain)[:10]}.")
        table = table[[names[text] for text in columns]]
    if labels is not None and labels.shape[0] != table.shape[0]:
        raise ValueError("Found input variables with inconsistent numbers of samples: y needs one entry per row of X.")
    return RowSource(table, labels, schema_of(table, labels), Domain(columns)), unnamed, absent


def _outside(codes: NDArray[np.int64], gaps: NDArray[np.bool_], column: Column) -> Counter[str]:
    """Count cells of a column by the way in which they lie outside; missing ones apart."""
    missing = gaps & (not column.nullable)
    counts = Counter({"missing": int(missing.sum())})
    for code, outside in enumerate(outside_of(column), start=column.n_levels):
        counts[outside] = int(((codes == code) & ~missing).sum())
    return counts


def _shares(counts: Counter[str], column: Column, n: int) -> dict[str, float]:
    return {outside: counts[outside] / n for outside in (*outside_of(column), "missing")}
