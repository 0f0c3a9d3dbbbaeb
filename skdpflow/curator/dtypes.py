"""The types of cells: one table from public dtypes to types of cells, and what each type can be declared as."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skdpflow.domain import Categories, Column
from skdpflow.domain.dates import NANOSECONDS

__all__ = ["CellType", "arrow_type", "check_declared", "numpy_type", "pandas_type", "polars_type"]

_OBJECTS = np.dtype(object)


@dataclass(frozen=True)
class CellType:
    """The type of the cells of a column, whatever cells there are.

    Parameters
    ----------
    kind : {"float", "whole", "bool", "text", "date", "decimal", "null", "object"}
        What the cells are. "object" may be anything, cell by cell.
    dtype : numpy.dtype
        Of every block that is read.
    stored : numpy.dtype or None, default=None
        For floats and whole numbers, the dtype of the column, which `dtype` contains.
    zone : str, tzinfo or None, default=None
        Time zone of dates.
    of_list : bool, default=False
        Whether `kind` is that of a list of categories, which may have been read off the rows.
    """

    kind: str
    dtype: np.dtype[Any]
    stored: np.dtype[Any] | None = None
    zone: Any = None
    of_list: bool = False


OBJECT, TEXT, NULL = (CellType(kind, _OBJECTS) for kind in ("object", "text", "null"))
DECIMAL, BOOL = CellType("decimal", _OBJECTS), CellType("bool", np.dtype(bool))
#: Whole numbers of more than 64 bits, as Python has them.
WIDE = CellType("whole", _OBJECTS)
FLOAT = CellType("float", np.dtype(np.float64))

_NESTED = "Nested cells are not supported: make a column of each part"
_DURATION = "Turn durations and times of day into numbers first, such as minutes"
_BYTES = "Decode bytes to text first"


def _refused(label: str, dtype: Any, remedy: str) -> TypeError:
    return TypeError(f"{label} is of dtype {dtype}, whose cells cannot be read. {remedy}.")


def _date(unit: str, zone: Any = None) -> CellType:
    return CellType("date", np.dtype(f"datetime64[{unit}]"), zone=zone)


def numpy_type(dtype: np.dtype[Any], label: str) -> CellType:
    """Return the type of the cells of an array."""
    native = dtype.newbyteorder("=") if dtype.kind in "iufM" else dtype
    kinds = {
        "b": BOOL,
        "i": CellType("whole", np.dtype(np.int64), native),
        "u": CellType("whole", np.dtype(np.uint64), native),
        "f": replace(FLOAT, stored=native if native.itemsize <= 8 else np.dtype(np.float64)),
        "U": TEXT,
        "T": TEXT,
        "O": OBJECT,
    }
    if dtype.kind in kinds:
        return kinds[dtype.kind]
    if dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {label} holds complex numbers.")
    if dtype.kind == "M" and np.datetime_data(dtype)[0] in (*NANOSECONDS, "Y", "M"):
        return CellType("date", native)
    remedies = {"m": _DURATION, "S": _BYTES, "M": "Convert it: astype('datetime64[ns]')"}
    raise _refused(label, dtype, remedies.get(dtype.kind, _NESTED))


def arrow_type(kind: Any, label: str) -> CellType:
    """Return the type of the cells of an Arrow column; see `numpy_type`."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        if _decodes(kind):
            return arrow_type(kind.value_type, label)
        raise _refused(label, kind, "Convert it to a plain column, as of pyarrow.string()")
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        return numpy_type(np.dtype(kind.to_pandas_dtype()), label)
    if types.is_timestamp(kind):
        return _date(kind.unit, kind.tz)
    if types.is_date(kind):
        return _date("D" if types.is_date32(kind) else "ms")
    if types.is_decimal(kind):
        return DECIMAL
    if types.is_null(kind):
        return NULL
    name = str(kind)
    if name in ("string", "large_string", "string_view"):
        return TEXT
    remedy = _NESTED if types.is_nested(kind) else "Convert it to numbers, text, booleans or dates"
    if "binary" in name:
        remedy = _BYTES
    elif types.is_temporal(kind):
        remedy = _DURATION
    raise _refused(label, kind, remedy)


def _decodes(kind: Any) -> bool:
    """Say whether Arrow can look up the values of a dictionary of this type."""
    import pyarrow as pa

    try:
        pa.nulls(1, kind).cast(kind.value_type)
    except pa.ArrowNotImplementedError:
        return False
    return True


_PANDAS_OWN = ("boolean", "Float32", "Float64", *(f"{kind}Int{8 * 2**i}" for kind in ("", "U") for i in range(4)))


def pandas_type(dtype: Any, label: str) -> CellType:
    """Return the type of the cells of a pandas column; see `numpy_type`.

    Cells of a column of categories are read as the objects that the categories are, so that whichever dtype pandas
    has found for the categories changes no cell. Dates are not, as some are beyond what the objects of a library can
    hold. What the cells can be declared as follows from that dtype.
    """
    import pandas as pd

    if isinstance(dtype, np.dtype):
        return numpy_type(dtype, label)
    if isinstance(dtype, pd.CategoricalDtype):
        if dtype.categories is None:
            return OBJECT
        found = pandas_type(dtype.categories.dtype, label)
        return found if found.kind == "date" else replace(OBJECT, kind=found.kind, of_list=True)
    if isinstance(dtype, pd.StringDtype):
        return TEXT
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _date(dtype.unit, dtype.tz)
    if isinstance(dtype, pd.ArrowDtype):
        return arrow_type(dtype.pyarrow_dtype, label)
    plain = getattr(dtype, "numpy_dtype", None)
    if str(dtype) in _PANDAS_OWN and isinstance(plain, np.dtype):
        return numpy_type(plain, label)
    remedies = {
        pd.SparseDtype: "Sparse data is not supported: use '.sparse.to_dense()'",
        pd.PeriodDtype: "Convert it to dates: '.dt.to_timestamp()'",
        pd.IntervalDtype: "Name the intervals: '.astype(str)'",
    }
    remedy = remedies.get(type(dtype), "Convert it to numbers, text, booleans or dates")
    raise _refused(label, dtype, remedy)


def polars_type(dtype: Any, label: str) -> CellType:
    """Return the type of the cells of a polars column; see `numpy_type`."""
    name = str(dtype.base_type())
    if dtype.is_integer():
        bits = int(name.lstrip("UInt"))
        return WIDE if bits > 64 else numpy_type(np.dtype(name.lower()), label)
    if dtype.is_float():
        return numpy_type(np.dtype(name.lower()), label)
    if name == "Datetime":
        return _date(dtype.time_unit, dtype.time_zone)
    types = {
        "Boolean": BOOL,
        "String": TEXT,
        "Categorical": TEXT,
        "Enum": TEXT,
        "Date": _date("D"),
        "Decimal": DECIMAL,
        "Null": NULL,
        "Object": OBJECT,
    }
    if name in types:
        return types[name]
    remedies = {"Binary": _BYTES, "Duration": _DURATION, "Time": _DURATION}
    remedy = remedies.get(name, _NESTED if dtype.is_nested() else "Convert it to numbers, text, booleans or dates")
    raise _refused(label, name, remedy)


_NUMBERS = ("float", "whole", "bool", "decimal")


def check_declared(found: CellType, column: Column | None, label: str, dtype: Any) -> None:
    """Refuse a column whose dtype cannot hold any declared value."""
    if found.kind == "object" or (found.kind == "null" and column is not None and column.nullable):
        return
    if isinstance(column, Categories):
        if not column.declared and str(dtype).startswith("Enum"):
            raise ValueError(f"{label} is of dtype Enum, which lists its values: list them in its Categories, too.")
        if not _can_be(found, column):
            raise ValueError(f"{label} is of dtype {dtype}, {_remedy(found, column, label)}")
    elif column is not None and column.unit is not None:
        if found.kind not in ("date", "text"):
            raise ValueError(
                f"{label} is of dtype {dtype}, but declared as dates with unit={column.unit!r}. Make dates of it: "
                "pandas.to_datetime(column, unit='D') for days since 1970, or (column, format='%Y%m%d') for 20240229."
            )
    elif found.kind == "text":
        raise ValueError(
            f"{label} holds text where numbers are expected. Convert it to numbers, or give a Domain that "
            "declares it with Categories([...])."
        )
    elif found.kind not in _NUMBERS:
        raise TypeError(
            f"{label} is of dtype {dtype}, which cannot be read as numbers. Convert it to numbers first, and declare "
            "dates: Interval(..., unit='D')."
        )
    elif column is not None and _beside(found, column.lower, column.upper):
        raise ValueError(f"{label} is of dtype {dtype}, which holds no number of its interval {column!r}.")


def _range(found: CellType) -> tuple[int, int] | None:
    """Return the least and the largest number of a type, if they are few."""
    if found.kind == "bool":
        return 0, 1
    if found.kind == "whole" and found.stored is not None:
        return int(np.iinfo(found.stored).min), int(np.iinfo(found.stored).max)
    return None


def _beside(found: CellType, lower: float, upper: float) -> bool:
    """Say whether no number of a type lies between two bounds."""
    ends = _range(found)
    return ends is not None and (ends[1] < lower or ends[0] > upper)


def _can_be(found: CellType, column: Categories) -> bool:
    """Say whether a cell of this type can be one of the categories."""
    if not column.declared:
        return found.kind not in ("date", "null")
    text = any(isinstance(value, str) for value in column.values)
    numbers = [value for value in column.values if not isinstance(value, str)]
    if found.kind == "text":
        return text
    if found.kind in ("whole", "bool"):
        return any(float(v).is_integer() and not _beside(found, v, v) for v in numbers)
    return found.kind in _NUMBERS and bool(numbers)


def _remedy(found: CellType, column: Categories, label: str) -> str:
    what = "text" if column.declared and all(isinstance(value, str) for value in column.values) else "other values"
    text = f"which can hold none of its declared categories ({what}). Declare the values that it has, or convert it"
    if label != "y":
        return f"{text}, as with astype(str)."
    if found.kind == "whole":
        text += (
            ". Tools of scikit-learn that recode labels, such as VotingClassifier, pass 0, 1, ... for the sorted "
            "labels: encode y yourself then, and declare target=Categories([0, 1, ...])"
        )
    return f"{text}."
