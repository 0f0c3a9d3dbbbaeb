"""Dates and times as whole numbers of a unit since 1970, each by itself."""

from __future__ import annotations

import re
import sys
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

__all__ = ["NANOSECONDS", "units_since_1970"]

#: Lengths of the units that always have the same.
NANOSECONDS = {
    "W": 7 * 86_400 * 10**9,
    "D": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}
_EPOCH = date(1970, 1, 1).toordinal()
_PARTS: tuple[Any, ...] = (datetime.hour, datetime.minute, datetime.second, datetime.microsecond)
_PARTIAL = re.compile(r"[0-9]{4}(-[0-9]{2})?")


def units_since_1970(moment: object, unit: str) -> int | None:
    """Count whole units from 1970 to a moment; None if it cannot be read.

    Notes
    -----
    Where there is a time zone, a day (unit "D") is that of the zone's own clock, as it is written. Finer units are
    counted in UTC.
    """
    count = None
    try:
        count = _count(moment, unit)
    except Exception:  # out of range, no date at all, or a time zone of foreign code
        pass
    return count


def _count(moment: Any, unit: str) -> int | None:
    kind = type(moment)
    if issubclass(kind, str):
        text = str.__str__(moment).strip()
        if _PARTIAL.fullmatch(text):  # a year, or a month
            text = f"{text}-01-01"[:10]
        moment, kind = datetime.fromisoformat(text), datetime
    if kind is np.datetime64:
        return _numpy_count(moment, unit)
    if not issubclass(kind, date) or kind.__name__ == "NaTType":
        return None
    if kind is getattr(sys.modules.get("pandas"), "Timestamp", None):  # its years go beyond those of Python
        moment = moment.tz_localize(None) if unit == "D" and moment.tzinfo is not None else moment
        return _numpy_count(moment.to_datetime64(), unit)
    # by the methods of Python's own classes: those of a class of the user's own are not called
    total = (date.toordinal(moment) - _EPOCH) * NANOSECONDS["D"]
    if issubclass(kind, datetime):
        hour, minute, second, microsecond = (part.__get__(moment) for part in _PARTS)
        total += (((hour * 60 + minute) * 60 + second) * 10**6 + microsecond) * 1000
        offset = None if unit == "D" else datetime.utcoffset(moment)
        total -= 0 if offset is None else offset // timedelta(microseconds=1) * 1000
    return total // NANOSECONDS[unit]


def _numpy_count(moment: np.datetime64, unit: str) -> int | None:
    if np.isnat(moment):
        return None
    own, step = np.datetime_data(moment.dtype)
    if own in ("Y", "M"):
        moment, own, step = moment.astype("datetime64[D]"), "D", 1
    return int(moment.astype(np.int64)) * step * NANOSECONDS[own] // NANOSECONDS[unit]
