"""The public shape of the input: its container, column names and dtypes, never its values."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

__all__ = ["Schema", "container_of", "schema_of"]

_CONTAINERS = ("numpy", "pandas", "polars")

Name = str | int


def _is_name(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


@dataclass(frozen=True)
class Schema:
    """Container, names and dtypes that synthetic rows share with the rows that were given.

    A schema is public: it is stored in every release and counts as known to everybody.

    Parameters
    ----------
    container : {"numpy", "pandas", "polars"}
        Kind of table.
    names : tuple of str or int, or None
        Column names; None for arrays.
    dtypes : tuple of str
        One dtype per column, by the name that the container's library gives it, with all that it takes to write
        its cells: precision and scale of decimals, time zones, the values of an Enum of polars. Lengths of strings
        and lists of categories of pandas are left out, as they may have been read off the rows.
    target_container : {"numpy", "pandas", "polars"} or None, default=None
        Kind of the target; None if there was no target.
    target_name : str, int or None, default=None
        Name of the target, where the container has names.
    target_dtype : str or None, default=None
        Dtype of the target.

    See Also
    --------
    schema_of : Read the schema of a table.

    Examples
    --------
    >>> from skdpflow.domain.schema import Schema
    >>> schema = Schema("pandas", ("age", "ward"), ("int64", "category"))
    >>> Schema.from_dict(schema.to_dict()) == schema
    True
    """

    container: str
    names: tuple[Name, ...] | None
    dtypes: tuple[str, ...]
    target_container: str | None = None
    target_name: Name | None = None
    target_dtype: str | None = None

    def __post_init__(self) -> None:
        """Refuse anything that is not the description of a table."""
        if self.container not in _CONTAINERS:
            raise ValueError(f"The container of a schema must be one of {', '.join(_CONTAINERS)}.")
        if not isinstance(self.dtypes, tuple) or not all(isinstance(dtype, str) for dtype in self.dtypes):
            raise ValueError("The dtypes of a schema must be str, one per column.")
        if (self.container == "numpy") != (self.names is None):
            raise ValueError("A schema has column names exactly if its container is a data frame.")
        if self.names is not None:
            if not isinstance(self.names, tuple) or not all(map(_is_name, self.names)):
                raise ValueError("The column names of a schema must be str or int.")
            if len(self.names) != len(self.dtypes) or len(set(self.names)) != len(self.names):
                raise ValueError("A schema needs one dtype per column and column names without duplicates.")
        if self.target_container not in (None, *_CONTAINERS):
            raise ValueError(f"The target's container must be None or one of {', '.join(_CONTAINERS)}.")
        if not (self.target_name is None or _is_name(self.target_name)):
            raise ValueError("The target's name must be str, int or None.")
        if (self.target_container is None) != (self.target_dtype is None):
            raise ValueError("A schema has a target's dtype exactly if it has a target's container.")
        if not isinstance(self.target_dtype, str | None):
            raise ValueError("The target's dtype must be a str or None.")

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.dtypes)

    @property
    def feature_names(self) -> list[str] | None:
        """Column names if all of them are strings, else None: scikit-learn's rule."""
        names = [name for name in self.names or () if isinstance(name, str)]
        return names if names and len(names) == self.n_features else None

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as a dict that JSON can hold."""
        data = asdict(self)
        data["names"] = None if self.names is None else list(self.names)
        data["dtypes"] = list(self.dtypes)
        return {"kind": "schema", **data}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Schema:
        """Build a schema from what :meth:`to_dict` gave."""
        expected = {"kind", *(entry.name for entry in fields(cls))}
        if not isinstance(data, Mapping) or set(data) != expected or data["kind"] != "schema":
            raise ValueError(f"A schema must be a dict with exactly the keys {', '.join(sorted(expected))}.")
        values: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in data.items() if key != "kind"
        }
        if not all(isinstance(v, str | int | tuple | None) for v in values.values()):
            raise ValueError("The entries of a schema must be str, int, lists of them, or null.")
        return cls(**values)


def container_of(data: object) -> str:
    """Say which kind of container an object is.

    Examples
    --------
    >>> from skdpflow.domain.schema import container_of
    >>> container_of([[1.0, 2.0]])
    'numpy'
    """
    for name in ("pandas", "polars"):
        library = sys.modules.get(name)  # an object of a library that was never imported cannot exist
        if library is not None and isinstance(data, library.DataFrame | library.Series):
            return name
    return "numpy"


def _array_dtype(dtype: np.dtype[Any]) -> str:
    """Name a dtype without the length of its strings, which is that of the longest value."""
    return {"U": "str", "S": "bytes", "T": "StringDType"}.get(dtype.kind, dtype.name)


def _polars_dtype(dtype: Any) -> str:
    """Name a dtype of polars with all that belongs to it, such as the values of an Enum, which are declared."""
    name = str(dtype.base_type())
    if name == "Datetime":
        return f"{name}[{dtype.time_unit}{f', {dtype.time_zone}' if dtype.time_zone else ''}]"
    if name == "Decimal":
        return f"{name}[{dtype.precision or 38}, {dtype.scale}]"
    if name == "Enum":
        return name + json.dumps(dtype.categories.to_list(), ensure_ascii=False)
    if name == "Categorical":
        named = getattr(dtype, "categories", None)  # since polars 1.31
        if named is not None and not named.is_global():
            return name + json.dumps([named.name(), named.namespace(), str(named.physical())], ensure_ascii=False)
    return name


def _pandas_dtype(dtype: Any) -> str:
    """Name a dtype of pandas, without a list of categories, which may have been read off the rows."""
    if isinstance(dtype, np.dtype):
        return _array_dtype(dtype)
    name = str(dtype)
    if name == "category":
        return "category, ordered" if dtype.ordered else name
    storage = getattr(dtype, "storage", None)  # of text: the name says it where it is not the usual one
    if name in ("str", "string") and dtype != importlib.import_module("pandas").api.types.pandas_dtype(name):
        return f"{name}[storage={storage}]"  # Arrow's own text is called string[pyarrow]
    return name


def _series_dtype(container: str, dtype: Any) -> str:
    return _polars_dtype(dtype) if container == "polars" else _pandas_dtype(dtype)


def dtypes_of(dtypes: Iterable[Any]) -> tuple[str, ...]:
    """Name the dtypes of a pandas frame."""
    return tuple(_series_dtype("pandas", dtype) for dtype in dtypes)


def _plain_name(name: object) -> Any:
    return name.item() if isinstance(name, np.generic) else name


def schema_of(X: Any, y: Any = None) -> Schema:
    """Read the schema of a table and of its target.

    Examples
    --------
    >>> import numpy as np
    >>> from skdpflow.domain.schema import schema_of
    >>> schema_of(np.zeros((4, 2), dtype=np.float32), np.zeros(4, dtype=int)).dtypes
    ('float32', 'float32')
    """
    container = container_of(X)
    names = None
    if container == "numpy":
        array = np.asarray(X)
        dtypes = (_array_dtype(array.dtype),) * array.shape[1]
    else:
        names = tuple(map(_plain_name, X.columns))
        dtypes = tuple(_series_dtype(container, dtype) for dtype in X.dtypes)
    if y is None:
        return Schema(container, names, dtypes)
    target_container, target_name = container_of(y), None
    if target_container == "numpy":
        target_dtype = _array_dtype(np.asarray(y).dtype)
    else:
        target_dtype = _series_dtype(target_container, y.dtype)
        target_name = _plain_name(y.name) if _is_name(_plain_name(y.name)) else None
    return Schema(container, names, dtypes, target_container, target_name, target_dtype)
