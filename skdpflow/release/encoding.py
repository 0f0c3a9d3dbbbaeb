"""How the cells of declared columns are encoded once their mass was located."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from skdpflow.domain import Column, Domain, Interval
from skdpflow.domain.measured import as_measured


def encoded_as(domain: Domain, target: Column | None, columns: Sequence[Column]) -> tuple[Domain, Column | None]:
    """Return the domain and the target with grids for their cells, and nothing else changed."""
    declared = (*domain.columns, *((target,) if isinstance(target, Interval) else ()))
    if tuple(columns) != tuple(map(as_measured, declared)):
        raise ValueError("A request may give columns grids, and change nothing else that is declared of them.")
    located = [
        replace(own, grid=grid) if isinstance(own, Interval) and own.grid is not grid else own
        for own, grid in zip(declared, (getattr(column, "grid", None) for column in columns), strict=True)
    ]
    of_rows = Domain(dict(zip(domain.names, located, strict=False)), constraints=domain.constraints)
    return of_rows, located[-1] if isinstance(target, Interval) else target
