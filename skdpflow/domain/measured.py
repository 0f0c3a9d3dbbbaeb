"""Which declared columns are measured, and as what: the one place that decides it."""

from __future__ import annotations

from skdpflow.domain.columns import Column, Interval
from skdpflow.domain.domain import Domain

__all__ = ["as_measured", "measured_domain"]


def as_measured(column: Column) -> Column:
    """Return a column as a mechanism sees it: whole numbers of steps, where a grain is declared."""
    return column.measured if isinstance(column, Interval) else column


def measured_domain(domain: Domain) -> Domain:
    """Return the columns that a mechanism sees."""
    columns = {name: as_measured(column) for name, column in domain.items()}
    return Domain(columns, constraints=domain.constraints)
