"""Dates and times as whole numbers of a unit since 1970, each by itself."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

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
_PARTIAL = re.compile(r"[0-9]{4}(-[0-9]{2})?")


def units_since_1970(moment: object, unit: str) -> int | None:
    """Count whole units from 1970 to a moment; None if it cannot be read.

    Parameters
    ----------
    moment : object
        ISO text (also in its basic form, 20240229), a date or datetime of Python or pandas, or numpy's datetime64.
    unit : str
        The unit, of `skdpflow.domain.columns.UNITS`.

    Returns
    -------
    count : int or None

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


def _count(moment: object, unit: str) -> int | None:
    kind = type(moment)
    if issubclass(kind, str):
        text = str.__str__(moment).strip()
        if _PARTIAL.fullmatch(text):  # a year, or a month
            text = f"{text}-01-01"[:10]
        moment, kind = datetime.fromisoformat(text), datetime
    if issubclass(kind, np.datetime64):
        assert isinstance(moment, np.datetime64)
        return _numpy_count(moment, unit)
    if not issubclass(kind, date):
        return None
    assert isinstance(moment, date)
    if moment != moment:  # NaT
        return None
    total = (moment.toordinal() - _EPOCH) * NANOSECONDS["D"]
    if isinstance(moment, datetime):
        seconds = (moment.hour * 60 + moment.minute) * 60 + moment.second
        total += (seconds * 10**6 + moment.microsecond) * 1000
        offset = None if unit == "D" else moment.utcoffset()
        total -= 0 if offset is None else offset // timedelta(microseconds=1) * 1000
    return total // NANOSECONDS[unit]


def _numpy_count(moment: np.datetime64, unit: str) -> int | None:
    if np.isnat(moment):
        return None
    own, step = np.datetime_data(moment.dtype)
    if own in ("Y", "M"):
        moment, own, step = moment.astype("datetime64[D]"), "D", 1
    return int(moment.astype(np.int64)) * step * NANOSECONDS[own] // NANOSECONDS[unit]
