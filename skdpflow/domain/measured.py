"""Which declared columns are measured, where they are, and as what: the one place that decides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from skdpflow.domain.columns import Column, Interval
from skdpflow.domain.differences import since_of
from skdpflow.domain.domain import Domain
from skdpflow.domain.schema import Schema
from skdpflow.domain.unmeasured import Constant, Key

__all__ = [
    "as_difference",
    "as_measured",
    "is_measured",
    "measured_domain",
    "measured_names",
    "measured_places",
    "measured_schema",
    "put_back",
]


def is_measured(column: object) -> bool:
    """Whether a column is measured: constants and keys carry no information."""
    return not isinstance(column, Constant | Key)


def measured_places(domain: Domain) -> list[int]:
    """Return the places of the measured columns among those of a table."""
    return [j for j, column in enumerate(domain.columns) if is_measured(column)]


def measured_domain(domain: Domain) -> Domain:
    """Return the measured columns, as they are declared."""
    if all(map(is_measured, domain.columns)):
        return domain
    columns = {name: column for name, column in domain.items() if is_measured(column)}
    return Domain(columns, constraints=domain.constraints)


def measured_names(measured: Domain) -> Sequence[str]:
    """Return what is measured: names of columns, and of the differences of two."""
    since = since_of(measured)
    return [f"{name} - {since[name].name}" if name in since else name for name in measured]


def measured_schema(schema: Schema, domain: Domain) -> Schema:
    """Return the names and dtypes of the measured columns."""
    places = measured_places(domain)
    names = None if schema.names is None else tuple(schema.names[j] for j in places)
    return replace(schema, names=names, dtypes=tuple(schema.dtypes[j] for j in places))


def put_back(measured: Domain, declared: Domain) -> Domain:
    """Return declared columns, the measured ones with the grids that were located."""
    columns = {name: measured[name] if name in measured else column for name, column in declared.items()}
    return Domain(columns, constraints=declared.constraints)


def as_difference(column: Column) -> Column:
    """Return a column, or the difference by which it is measured, in declared units."""
    return column if not isinstance(column, Interval) or column.difference is None else column.difference


def as_measured(column: Column) -> Column:
    """Return a column as a mechanism sees it: as a difference, and in whole steps, where these are declared."""
    return column.measured if isinstance(column, Interval) else column
