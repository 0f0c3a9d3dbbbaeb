"""Columns from the dtypes of a frame, or from a sample that is public."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import numpy as np

from skdpflow.domain.columns import Categories, Column, Interval
from skdpflow.domain.schema import container_of
from skdpflow.domain.unmeasured import Unmeasured

_SMALL_INTEGERS = {f"{sign}int{bits}": np.iinfo(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16)}


def _frame(frame: Any, what: str) -> str:
    container = container_of(frame)
    if container == "numpy" or len(frame.shape) != 2:
        raise TypeError(f"{what} needs a pandas or polars data frame. Got an instance of {type(frame).__name__!r}.")
    return container


def of_dtype(container: str, dtype: Any) -> Column | str:
    """Return the column that a dtype declares, or words for what has to be declared."""
    name, nullable = str(dtype), container == "polars" or not isinstance(dtype, np.dtype)
    kind = name.lower()
    if kind in ("bool", "boolean", "bool[pyarrow]"):
        return Categories([False, True], nullable=nullable)
    if kind in _SMALL_INTEGERS:
        info = _SMALL_INTEGERS[kind]
        return Interval(int(info.min), int(info.max), integer=True, nullable=nullable)
    if container == "polars" and kind.startswith("enum"):
        return Categories(list(dtype.categories), ordered=True, nullable=True)
    if kind.startswith(("date", "timestamp")):
        return "dates: Interval('2000-01-01', '2030-12-31', unit='D')"
    if kind.startswith(("timedelta", "duration", "time")):
        return "durations or times of day: turn them into numbers first, such as minutes"
    if kind.startswith(("int", "uint", "float", "double", "decimal")):
        return "numbers: Interval(lower, upper)"
    return "values: Categories([...])"


def columns_of_dtypes(frame: Any, given: Mapping[str, Column | Unmeasured]) -> dict[str, Column | Unmeasured]:
    """Return the columns that dtypes and `given` declare; no value of the frame is looked at."""
    container = _frame(frame, "Domain.from_dtypes")
    names = [str(name) for name in frame.columns]
    unexpected = sorted(set(given) - set(names))
    if unexpected:
        raise ValueError(
            "\n".join(["The frame has no columns of these names:", *(f"- {name!r}" for name in unexpected)])
        )
    found = {
        name: given[name] if name in given else of_dtype(container, dtype)
        for name, dtype in zip(names, frame.dtypes, strict=True)
    }
    left = [f"- {name!r} ({open_})" for name, open_ in found.items() if isinstance(open_, str)]
    if left:
        head = "The dtypes of these columns do not say which values may occur. Declare them in `columns`:"
        raise ValueError("\n".join([head, *left]))
    return {name: column for name, column in found.items() if not isinstance(column, str)}


def _of_values(values: list[Any], name: str) -> Column:
    """Return the column that contains all values of a public sample."""
    present = [v for v in values if v is not None and v == v]  # NaN and NaT differ from themselves
    nullable = len(present) < len(values)
    plain = [v.item() if isinstance(v, np.generic) and not isinstance(v, np.datetime64) else v for v in present]
    if not plain:
        raise ValueError(f"Column {name!r} of the sample has no values.")
    if all(isinstance(v, str | bool) for v in plain):
        if all(isinstance(v, bool) for v in plain):
            return Categories([False, True], nullable=nullable)
        return Categories(sorted(set(plain), key=str), nullable=nullable)
    if all(isinstance(v, int | float) for v in plain):
        integer = all(float(v).is_integer() for v in plain)
        lower, upper = min(plain), max(plain)
        if lower == upper:
            raise ValueError(
                f"Column {name!r} of the sample is constant: declare it as Constant(value) or Interval(lower, upper)."
            )
        return Interval(lower, upper, integer=integer, nullable=nullable)
    moments: Any = None
    plain = [v.astimezone(UTC).replace(tzinfo=None) if getattr(v, "tzinfo", None) else v for v in plain]
    try:
        moments = np.array(plain, dtype="datetime64[us]")
    except (TypeError, ValueError):
        pass
    if moments is None:
        raise TypeError(f"Column {name!r} of the sample holds neither numbers nor text, booleans or dates.")
    unit = next(u for u in ("D", "s", "us") if (moments == moments.astype(f"datetime64[{u}]")).all())
    return Interval(moments.min(), moments.max(), nullable=nullable, unit=unit)


def columns_of_sample(sample: Any) -> dict[str, Column]:
    """Return the columns that contain a public sample."""
    container = _frame(sample, "Domain.from_public")
    columns = {}
    for name in sample.columns:
        series = sample[name]
        values = series.to_list() if container == "polars" else series.astype(object).where(series.notna(), None)
        columns[str(name)] = _of_values(list(values), str(name))
    return columns
