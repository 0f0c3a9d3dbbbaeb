"""One table from the recorded name of a dtype to what its cells can hold, and to the library's own dtype."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["Dtype", "dtype_of", "library_of"]


def library_of(container: str) -> Any:
    """Import the library of a container, which only its users need to have."""
    library = None
    try:
        library = importlib.import_module(container)
    except ImportError:
        pass
    if library is None:
        raise ImportError(
            f"These rows have to be given as a {container} data frame, and {container} is not installed. "
            f"Install it: pip install {container}"
        )
    return library


@dataclass(frozen=True, eq=False)
class Dtype:
    """What cells of a recorded dtype can hold.

    Parameters
    ----------
    kind : {"number", "decimal", "date", "text", "category", "object"}
        How its cells are written. Booleans are numbers.
    own : object
        The dtype itself, as the library has it.
    plain : numpy.dtype or None
        For numbers, the numpy dtype in which they are computed.
    digits : (int, int) or None
        Precision and scale of decimals.
    unit, zone : str or None
        Of dates.
    ordered : bool
        Whether categories of pandas are ordered.
    listed : frozenset of str or None
        The values of an Enum of polars.
    """

    kind: str
    own: Any
    plain: np.dtype[Any] | None = None
    digits: tuple[int, int] | None = None
    unit: str | None = None
    zone: str | None = None
    ordered: bool = False
    listed: frozenset[str] | None = None

    @property
    def eps(self) -> float:
        """Relative rounding error of its numbers; 0 where they are whole or no numbers."""
        if self.kind == "decimal":
            return float(np.finfo(np.float64).eps)
        return float(np.finfo(self.plain).eps) if self.plain is not None and self.plain.kind == "f" else 0.0

    @property
    def is_numpy(self) -> bool:
        """Whether the dtype is one of numpy's, which have no missing cells beside NaN, NaT and None."""
        return isinstance(self.own, np.dtype)


def _numpy(name: str) -> Dtype | None:
    if name == "str":
        return Dtype("text", np.dtype(np.str_))
    if name == "StringDType":
        return Dtype("text", np.dtypes.StringDType())
    return _of_numpy(np.dtype(name))


def _of_numpy(dtype: np.dtype[Any]) -> Dtype | None:
    """Describe a dtype of numpy or of pandas' numpy-backed columns; bytes and durations have no entry."""
    if dtype.kind in "biuf":
        return Dtype("number", dtype, dtype)
    if dtype.kind == "M":
        unit = np.datetime_data(dtype)[0]
        return Dtype("date", dtype, unit=None if unit == "generic" else unit)
    return Dtype("object", dtype) if dtype.kind == "O" else None


_STORAGE = re.compile(r"(str|string)\[storage=(python|pyarrow)\]")


def _pandas(name: str) -> Dtype | None:
    pd = library_of("pandas")
    if name in ("category", "category, ordered"):
        return Dtype("category", None, ordered=name != "category")
    if name.endswith("[pyarrow]"):
        found = _arrow(name.removesuffix("[pyarrow]"))
        return None if found is None else replace(found, own=pd.ArrowDtype(found.own))
    stored = _STORAGE.fullmatch(name)
    if stored:
        own = pd.StringDtype(stored[2], na_value=np.nan) if stored[1] == "str" else pd.StringDtype(stored[2])
        return Dtype("text", own)
    own = pd.api.types.pandas_dtype(name)
    if isinstance(own, np.dtype):
        return _of_numpy(own)
    if isinstance(own, pd.StringDtype):
        return Dtype("text", own)
    if isinstance(own, pd.DatetimeTZDtype):
        return Dtype("date", own, unit=own.unit, zone=str(own.tz))
    plain = getattr(own, "numpy_dtype", None)
    return Dtype("number", own, plain) if isinstance(plain, np.dtype) and plain.kind in "biuf" else None


_ARROW_DECIMAL = re.compile(r"decimal(32|64|128|256)\((\d+), (-?\d+)\)")
_ARROW_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns)(?:, tz=([^\]]+))?\]")
_ARROW_DICTIONARY = re.compile(r"dictionary<values=(.+), indices=(u?int\d+), ordered=([01])>")


def _arrow(name: str) -> Dtype | None:
    """Describe a type of Arrow by the name that Arrow gives it."""
    import pyarrow as pa

    found = _ARROW_DECIMAL.fullmatch(name)
    if found:
        bits, precision, scale = map(int, found.groups())
        return Dtype("decimal", getattr(pa, f"decimal{bits}")(precision, scale), digits=(precision, scale))
    found = _ARROW_TIMESTAMP.fullmatch(name)
    if found:
        return Dtype("date", pa.timestamp(found[1], tz=found[2]), unit=found[1], zone=found[2])
    found = _ARROW_DICTIONARY.fullmatch(name)
    if found:
        values = _arrow(found[1])
        if values is None:
            return None
        own = pa.dictionary(pa.type_for_alias(found[2]), values.own, ordered=found[3] == "1")
        return replace(values, own=own)
    own = pa.type_for_alias(name)
    if pa.types.is_boolean(own) or pa.types.is_integer(own) or pa.types.is_floating(own):
        return Dtype("number", own, np.dtype(own.to_pandas_dtype()))
    if name in ("string", "large_string", "string_view"):
        return Dtype("text", own)
    return Dtype("date", own, unit="D") if pa.types.is_date(own) else None


_POLARS_NUMBERS = {
    **{f"{kind}{bits}": f"{kind.lower()}{bits}" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)},
    "Int128": "int64",  # declared whole numbers are at most 2**53
    "UInt128": "uint64",
    "Float16": "float16",
    "Float32": "float32",
    "Float64": "float64",
    "Boolean": "bool",
}
_POLARS_DECIMAL = re.compile(r"Decimal\[(\d+), (\d+)\]")
_POLARS_DATETIME = re.compile(r"Datetime\[(ms|us|ns)(?:, ([^\]]+))?\]")


def _polars(name: str) -> Dtype | None:
    pl = library_of("polars")
    if name in _POLARS_NUMBERS:
        return Dtype("number", getattr(pl, name), np.dtype(_POLARS_NUMBERS[name]))
    if name in ("String", "Categorical"):
        return Dtype("text", getattr(pl, name)())
    if name.startswith("Enum["):
        listed = json.loads(name.removeprefix("Enum"))
        return Dtype("text", pl.Enum(listed), listed=frozenset(listed))
    if name.startswith("Categorical["):
        called, space, physical = json.loads(name.removeprefix("Categorical"))
        return Dtype("text", pl.Categorical(pl.Categories(called, space, getattr(pl, physical))))
    found = _POLARS_DECIMAL.fullmatch(name)
    if found:
        precision, scale = int(found[1]), int(found[2])
        return Dtype("decimal", pl.Decimal(precision, scale), digits=(precision, scale))
    if name == "Date":
        return Dtype("date", pl.Date(), unit="D")
    found = _POLARS_DATETIME.fullmatch(name)
    if found:
        return Dtype("date", pl.Datetime(found[1], found[2]), unit=found[1], zone=found[2])
    return Dtype("object", pl.Object()) if name == "Object" else None


_NAMED = {"numpy": _numpy, "pandas": _pandas, "polars": _polars}


@lru_cache(maxsize=4096)
def dtype_of(container: str, name: str | None) -> Dtype | None:
    """Look up a recorded dtype."""
    if container != "numpy":
        library_of(container)  # raises where it is not installed
    try:
        return None if name is None else _NAMED[container](name)
    except Exception:  # whatever a library raises for the name of a dtype that it does not know
        return None
