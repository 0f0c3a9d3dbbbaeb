"""Cells of classes that derive from known ones are read by the known methods; dates beyond what objects can hold."""

import datetime as dt
import logging
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.curator.gate import admit

COLUMNS = [
    Interval(0, 1),
    Interval(0, 9, integer=True, nullable=True),
    Interval("2020-01-01", "2024-12-31", unit="D"),
    Interval("2020-01-01", "2024-12-31", unit="s", nullable=True),
    Categories(["a", "b", "2022-01-01"]),
    Categories([1, 2, 0.25], nullable=True),
]
BASES = [
    *[(float, 0.25), (float, "nan"), (int, 1), (str, "a"), (str, "2022-01-01"), (Decimal, "0.25"), (Decimal, "NaN")],
    *[(np.float64, 0.25), (np.str_, "a"), (complex, 1j), (bytes, b"a"), (list, [1]), (tuple, (1,))],
]
NO_PART = [(Fraction, "1/4"), (np.float32, 0.25), (np.int64, 1)]
MOMENTS = [(dt.date, 2022, 1, 1), (dt.datetime, 2022, 1, 1)]


def _shout(*args):
    logging.getLogger("odd").error("SECRET")
    raise RuntimeError("SECRET")


class _Unhashable(type):
    __eq__ = _shout
    __hash__ = None


def shouting(base, *args, kind=type):
    """Return an object of a class, all of whose own methods raise and log."""
    skip = {"__new__", "__class__", "__init__", "__init_subclass__", "__subclasshook__", "__getattribute__", "__del__"}
    skip |= {"__doc__", "__dict__", "__slots__", "__weakref__", "__setattr__", "_numerator", "_denominator"}
    own = {}
    for name in set(dir(base)) - skip:
        own[name] = _shout if callable(getattr(base, name)) else property(_shout)
    return base.__new__(kind(f"Shouting{base.__name__}", (base,), own), *args)


def codes_of(cells, column, make):
    domain = Domain({"x": column})
    source = admit(DPSlicedWassersteinFlow(), make(cells), domain=domain)
    return [code for _, block, _ in source.blocks(domain) for code in block[:, 0].tolist()]


MAKE = {
    "list": lambda cells: [[cell] for cell in cells],
    "pandas": lambda cells: pd.DataFrame({"x": pd.Series(np.fromiter(cells, object, len(cells)), dtype=object)}),
}


@pytest.mark.parametrize("make", MAKE)
@pytest.mark.parametrize("column", COLUMNS, ids=str)
def test_methods_of_derived_classes_are_not_called(make, column, caplog):
    for base, *args in [*BASES, *MOMENTS]:
        plain = codes_of([base(*args), None], column, MAKE[make])
        assert codes_of([shouting(base, *args), None], column, MAKE[make]) == plain
    for base, *args in NO_PART:  # those of others have no public methods that are safe
        assert codes_of([shouting(base, *args)], column, MAKE[make])[0] >= column.n_levels
    assert not caplog.records


@pytest.mark.parametrize("column", COLUMNS, ids=str)
def test_classes_without_a_hash_are_no_error(column, caplog):
    cells = [shouting(object, kind=_Unhashable), shouting(float, 0.25, kind=_Unhashable), "a"]
    plain = codes_of([object(), 0.25, "a"], column, MAKE["list"])
    assert codes_of(cells, column, MAKE["list"]) == plain
    assert not caplog.records


def test_a_class_that_counts_its_conversions_makes_no_cell_depend_on_others():
    class Counting(float):
        seen = 0

        def __float__(self):
            Counting.seen += 1
            return Counting.seen % 2 / 2

    cell = Counting(0.25)
    assert len(set(codes_of([cell] * 5, Interval(0, 1), MAKE["pandas"]))) == 1


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", "America/New_York", "+05:30"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("declared", ["D", "s"])
def test_categories_that_are_dates_may_be_any(zone, unit, declared):
    column = Interval("2020-01-01", "2024-12-31", unit=declared, nullable=True)
    counts = np.array([18_500 * 86_400 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit], 2**63 - 1, 1 - 2**63])
    moments = pd.Series(counts.view(f"M8[{unit}]"))
    if zone is not None:
        moments = moments.dt.tz_localize("UTC").dt.tz_convert(zone)
    arrow = pd.Series(pa.array(counts).cast(pa.timestamp(unit, zone)), dtype=pd.ArrowDtype(pa.timestamp(unit, zone)))
    plain = codes_of(moments, column, lambda cells: cells.to_frame("x"))
    assert plain[1:] == [column.n_levels + 1, column.n_levels]
    assert plain[0] < column.n_values
    for cells in (moments, arrow):
        assert codes_of(cells.astype("category"), column, lambda cells: cells.to_frame("x")) == plain
    gap = codes_of(moments.astype("category").where([True, False, True]), column, lambda cells: cells.to_frame("x"))
    assert gap == [plain[0], column.n_values, plain[2]]


def test_timestamps_beyond_the_years_of_python_lie_outside():
    column = Interval("2020-01-01", "2024-12-31", unit="D")
    cells = [pd.Timestamp(np.datetime64("2022-01-01", "s")), pd.Timestamp(np.datetime64("20000-01-01", "s"))]
    later = codes_of([dt.date(9000, 1, 1)], column, MAKE["pandas"])
    assert codes_of(cells, column, MAKE["pandas"])[1:] == later


def test_arrow_text_of_any_bytes_is_text():
    offsets = pa.py_buffer(np.array([0, 1, 3], dtype=np.int32).tobytes())
    text = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"a\xff\xfe")])
    frame = pd.DataFrame({"x": pd.Series(text, dtype=pd.ArrowDtype(pa.string()))})
    assert codes_of(frame, Categories(["a", "b"]), lambda cells: cells) == [0, 2]


def test_arrow_dictionaries_that_arrow_cannot_look_up_are_refused_by_their_type():
    kind = pa.dictionary(pa.int32(), pa.string_view())
    frame = pd.DataFrame(
        {"x": pd.Series(pa.array(["a"], pa.string_view()).dictionary_encode(), dtype=pd.ArrowDtype(kind))}
    )
    with pytest.raises(TypeError, match="cannot be read"):
        codes_of(frame, Categories(["a", "b"]), lambda cells: cells)
