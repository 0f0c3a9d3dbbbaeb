"""Synthetic rows beside real ones, in the dtypes of the real ones."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from skdpflow.domain import Column, Domain
from skdpflow.domain.measured import measured_domain
from skdpflow.domain.schema import container_of, schema_of
from skdpflow.sampling.decode import decode, decode_target
from skdpflow.sampling.dtypes import library_of
from skdpflow.sampling.writable import check_writable

__all__ = ["beside", "check_beside"]


def beside(parts: list[Any]) -> Any:
    """Put tables or columns below each other."""
    container = container_of(parts[0])
    if container == "numpy":
        return np.concatenate(parts)
    library = importlib.import_module(container)
    if container == "pandas":
        return library.concat(_with_one_list(parts), ignore_index=True)
    if len(parts[0].shape) == 2:
        return library.concat(parts, how="vertical_relaxed")
    name = parts[0].name
    return library.concat([part.to_frame(name) for part in parts], how="vertical_relaxed").to_series()


def _with_one_list(parts: list[Any]) -> list[Any]:
    """Give columns of categories one list in all parts, as pandas makes others objects."""
    if len(parts[0].shape) == 1:
        return _with_one_dtype(parts, "y")
    columns = [_with_one_dtype([part[name] for part in parts], f"column {name!r}") for name in parts[0].columns]
    return [library_of("pandas").DataFrame({s.name: s for s in of_part}) for of_part in zip(*columns, strict=True)]


def _with_one_dtype(parts: list[Any], label: str) -> list[Any]:
    dtypes = [part.dtype for part in parts]
    own = dtypes[0]
    if own != "category" or all(dtype == own for dtype in dtypes):
        return parts
    # numbers that are declared as an interval come without a list
    new = [part if part.dtype == "category" else part.astype("category") for part in parts[1:]]
    have = set(own.categories)
    declared = list(dict.fromkeys(value for part in new for value in part.cat.categories))
    lacking = [value for value in declared if value not in have]
    values = [*own.categories, *lacking]
    if own.ordered and lacking:
        numbers = all(dtype != "category" for dtype in dtypes[1:])
        values = sorted(values) if numbers else declared
        if [value for value in values if value in have] != list(own.categories):
            raise ValueError(
                f"The ordered categories of {label} and those that are declared are in no common order. Give it all "
                "that are declared, in their order: .cat.set_categories([...], ordered=True)."
            )
    whole = library_of("pandas").CategoricalDtype(values, ordered=own.ordered) if lacking else own
    return [part.astype(whole) for part in (parts[0], *new)]


def check_beside(X: Any, y: Any, domain: Domain, target: Column) -> None:
    """Refuse frames beside which synthetic rows cannot be put, before anything is spent."""
    schema = schema_of(X, y)
    check_writable(schema, domain, target)
    levels = np.array([[column.n_levels - 1.0 for column in measured_domain(domain).columns]])
    beside([X[:0], decode(levels, domain, schema)])
    beside([y[:0], decode_target([0], target, schema)])
