"""Synthetic rows beside real ones, in the dtypes of the real ones."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from skdpflow.domain import Column, Domain
from skdpflow.schema import container_of, schema_of
from skdpflow.transport.decode import decode, decode_target
from skdpflow.transport.dtypes import library_of
from skdpflow.transport.writable import check_writable

__all__ = ["beside", "check_beside"]


def beside(parts: list[Any]) -> Any:
    """Put tables or columns below each other.

    Parameters
    ----------
    parts : list of array, frame or series
        Of one container. The first one decides on dtypes: a list of categories is its list, and what that lacks.

    Returns
    -------
    whole : array, frame or series

    Raises
    ------
    ValueError
        If dtypes do not go together.
    """
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
    if any(dtype != "category" for dtype in dtypes) or all(dtype == dtypes[0] for dtype in dtypes):
        return parts
    own, declared = list(dtypes[0].categories), list(dict.fromkeys(v for d in dtypes[1:] for v in d.categories))
    lacking = [value for value in declared if value not in set(own)]
    if not lacking:
        return [part.astype(dtypes[0]) for part in parts]
    if dtypes[0].ordered and [value for value in declared if value in set(own)] != own:
        raise ValueError(
            f"The ordered categories of {label} and those that are declared are in no common order. Give it all that "
            "are declared, in their order: .cat.set_categories([...], ordered=True)."
        )
    values = declared if dtypes[0].ordered else own + lacking
    whole = library_of("pandas").CategoricalDtype(values, ordered=dtypes[0].ordered)
    return [part.astype(whole) for part in parts]


def check_beside(X: Any, y: Any, domain: Domain, target: Column) -> None:
    """Refuse frames beside which synthetic rows cannot be put, before anything is spent.

    Parameters
    ----------
    X : DataFrame
        The real rows, of which only dtypes are looked at.
    y : array, Series
        Their labels, likewise.
    domain : Domain
        The columns.
    target : Categories
        The declared classes.

    Raises
    ------
    ValueError, TypeError
        If dtypes do not go together, or synthetic rows cannot have them.
    """
    schema = schema_of(X, y)
    check_writable(schema, domain, target)
    levels = np.array([[column.n_levels - 1.0 for column in domain.columns]])
    beside([X[:0], decode(levels, domain, schema)])
    beside([y[:0], decode_target([0], target, schema)])
