"""What a fit says does not depend on a cell, whatever the cell is."""

import datetime as dt
import logging
import warnings
from collections import Counter
from csv import writer as writer_of
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.curator.cells import quiet
from skdpflow.curator.gate import admit
from skdpflow.files import TableFile
from skdpflow.mechanisms import MarginalsMechanism

#: Cells that are poisoned, over all containers; 100_000 takes about a minute.
N_POISONED = 12_000
#: Rows of a table, and cells of it that are poisoned at once.
N_ROWS, AT_ONCE = 400, 1_000
DOMAIN = {
    "number": Interval(0, 1),
    "whole": Interval(0, 9, integer=True, nullable=True),
    "day": Interval("2020-01-01", "2024-12-31", unit="D"),
    "second": Interval("2020-01-01", "2024-12-31", unit="s", nullable=True),
    "word": Categories(["a", "b", "nan"]),
    "code": Categories([1, 2, 2**53 + 1], nullable=True),
    "flag": Categories([False, True]),
}
TARGETS = {"label": Categories(["x", "y"]), "value": Interval(0, 1), "date": DOMAIN["day"]}


class Loud:
    """Warns, logs and raises, whatever is done with it."""

    def _act(self, *args):
        warnings.warn("SECRET", RuntimeWarning, stacklevel=1)
        logging.getLogger("poison").error("SECRET")
        raise RuntimeError("SECRET")

    __eq__ = __ne__ = __hash__ = __float__ = __int__ = __index__ = __bool__ = __str__ = __repr__ = __array__ = _act
    __len__ = __iter__ = __lt__ = __gt__ = __le__ = __ge__ = __complex__ = _act


class LoudZone(dt.tzinfo):
    """A time zone that warns."""

    def utcoffset(self, when):
        warnings.warn("SECRET", RuntimeWarning, stacklevel=1)
        return dt.timedelta(hours=30)


class LoudNumber(float):
    """A number that warns of being one."""

    def __float__(self):
        warnings.warn("SECRET", RuntimeWarning, stacklevel=1)
        return 0.5


FAR = dt.timezone(dt.timedelta(hours=5))
POISON = [
    *[None, np.nan, pd.NA, pd.NaT, np.datetime64("NaT"), np.ma.masked, np.inf, -np.inf, 1e308, -1e308, 5e-324],
    *[10**400, -(10**400), 2**63, -(2**63), True, 1j, np.complex64(1j), np.longdouble(1) / 3, np.float16(0.1)],
    *[Decimal("sNaN"), Decimal("NaN"), Decimal("Infinity"), Decimal("1e999999"), Decimal("-0.1"), Fraction(1, 3)],
    *[Fraction(10**400), "", " ", "nan", "SECRET", "1_0", "0x1", "1,5", "\x00", "\ud800", "é" * 300, "1e999"],
    *["2024-03-01T00:00:00Z", "2024-03-01 10:00+02:00", "20240302", "2024-W10-1", "2024-02-30", "0000-01-01", "NaT"],
    *["99999-01-01", "2024-03-10T24:00:00", b"a", bytearray(b"x"), [1], (1, 2), {"a": 1}, {1}, object(), float],
    *[dt.date.min, dt.date.max, dt.datetime.min.replace(tzinfo=FAR), dt.datetime.max.replace(tzinfo=FAR), dt.time(5)],
    *[dt.datetime(2022, 1, 1, tzinfo=LoudZone()), dt.timedelta(1), np.timedelta64(5, "s"), np.datetime64(2**62, "s")],
    *[np.datetime64("2024", "Y"), pd.Timestamp.min, pd.Timestamp.max.tz_localize("UTC"), pd.Timedelta(1)],
    *[pd.Period("2024"), pd.Interval(0, 1), np.array([1.0, 2.0]), np.array(1.0), np.str_("a"), np.bytes_(b"a")],
    *[np.bool_(True), Loud(), LoudNumber(0.25), type, print, ..., NotImplemented, range(3), memoryview(b"x")],
]  # fmt: skip


def clean(rng):
    return {
        "number": rng.uniform(size=N_ROWS).tolist(),
        "whole": rng.integers(0, 10, N_ROWS).tolist(),
        "day": [dt.date(2022, 1, 1) + dt.timedelta(days=int(d)) for d in rng.integers(0, 99, N_ROWS)],
        "second": [dt.datetime(2022, 1, 1) + dt.timedelta(seconds=int(s)) for s in rng.integers(0, 10**6, N_ROWS)],
        "word": rng.choice(["a", "b"], N_ROWS).tolist(),
        "code": rng.choice([1, 2], N_ROWS).tolist(),
        "flag": (rng.uniform(size=N_ROWS) < 0.5).tolist(),
    }


def clean_target(name, rng):
    if name == "date":
        return clean(rng)["day"]
    return rng.choice(["x", "y"], N_ROWS).tolist() if name == "label" else rng.uniform(size=N_ROWS).tolist()


def objects(cells):
    return np.fromiter(cells, dtype=object, count=len(cells))


def typed(columns):
    """Return a frame of typed columns, in which poison that the type can hold is kept."""
    with np.errstate(over="ignore"):
        return pd.DataFrame(_typed(columns))


def _typed(columns):
    return {
        "number": np.array([_float(cell) for cell in columns["number"]]),
        "whole": pd.array([_int(cell) for cell in columns["whole"]], dtype="Int64"),
        "day": pd.array([_moment(cell) for cell in columns["day"]], dtype="datetime64[s]"),
        "second": pd.Series([_moment(cell) for cell in columns["second"]], dtype="datetime64[us, Europe/Berlin]"),
        "word": pd.Series([cell if type(cell) is str else None for cell in columns["word"]], dtype=object),
        "code": np.array([_float(cell) for cell in columns["code"]]).astype(np.float32),
        "flag": pd.array([cell if type(cell) is bool else None for cell in columns["flag"]], dtype="boolean"),
    }


def _float(cell):
    return float(cell) if (type(cell) in (int, float) and abs(cell) < 1e38) or type(cell) is float else np.nan


def _int(cell):
    return cell if type(cell) is int and abs(cell) < 2**63 else None


def _moment(cell):
    plain = type(cell) in (dt.date, dt.datetime) and getattr(cell, "tzinfo", None) is None
    return np.datetime64(cell, "us") if plain else np.datetime64("NaT")


def csv(columns, folder):
    texts = {name: [_text(cell) for cell in cells] for name, cells in columns.items()}
    path = folder / "table.csv"
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        writer = writer_of(file)
        writer.writerow(texts)
        writer.writerows(zip(*texts.values(), strict=True))
    return TableFile(path)


def _text(cell):
    loud = isinstance(getattr(cell, "tzinfo", None), LoudZone)
    return str(cell) if type(cell) in (str, int, float, bool, dt.date, dt.datetime, Decimal) and not loud else ""


CONTAINERS = {
    "list": lambda columns, _: [list(row) for row in zip(*columns.values(), strict=True)],
    "numpy": lambda columns, _: np.stack([objects(cells) for cells in columns.values()], axis=1),
    "pandas": lambda columns, _: pd.DataFrame({n: pd.Series(objects(cells)) for n, cells in columns.items()}),
    "polars": lambda columns, _: pl.DataFrame(
        [pl.Series(name, cells, dtype=pl.Object) for name, cells in columns.items()]
    ),
    "typed": lambda columns, _: typed(columns),
    "csv": csv,
}


class Heard(logging.Handler):
    """Collects what is logged."""

    def __init__(self):
        super().__init__(level=0)
        self.lines = []

    def emit(self, record):
        self.lines.append(f"log: {record.getMessage()}")


def said(flow, X, y=None):
    """Return the messages of a fit, and of the encoding of rows after it."""
    heard, root = Heard(), logging.getLogger()
    root.addHandler(heard)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                flow.fit(X, y)
                if not isinstance(X, TableFile):
                    flow.score_samples(X)
            except Exception as error:  # whatever it is, is what is tested
                heard.lines.append(f"{type(error).__name__}: {error}")
    finally:
        root.removeHandler(heard)
    # the one warning that is a function of the Release
    told = [w for w in caught if w.category.__name__ != "DomainMismatchWarning"]
    return Counter([*heard.lines, *(f"{w.category.__name__}: {w.message}" for w in told)])


def flow_of(target=None, n_jobs=None):
    mechanism = MarginalsMechanism(n_slices=2, n_pairs=2)
    size = {"n_particles": 16, "n_steps": 1}
    return DPSlicedWassersteinFlow(5.0, domain=DOMAIN, target=target, mechanism=mechanism, n_jobs=n_jobs, **size)


def poisoned(columns, rng, times):
    """Replace cells, in place; both kinds of Python's own cells and odd ones."""
    for _ in range(times):
        cells = columns[list(columns)[rng.integers(len(columns))]]
        cells[rng.integers(len(cells))] = POISON[rng.integers(len(POISON))]
    return columns


@pytest.mark.slow
@pytest.mark.parametrize("container", CONTAINERS)
def test_poisoned_cells_change_no_message(container, tmp_path):
    rng, make = np.random.default_rng(list(CONTAINERS).index(container)), CONTAINERS[container]
    silent = said(flow_of(), make(clean(rng), tmp_path))
    assert silent == Counter()
    for i in range(-(-N_POISONED // (AT_ONCE * len(CONTAINERS)))):
        table = make(poisoned(clean(rng), rng, AT_ONCE), tmp_path)
        assert said(flow_of(n_jobs=2 if i % 4 == 0 else None), table) == silent


@pytest.mark.parametrize("name", DOMAIN)
def test_each_poison_alone_in_each_column(name):
    """In one fit for all of them, and one by one where no noise is drawn."""
    rng = np.random.default_rng(0)
    columns = clean(rng)
    for start in range(0, len(POISON), N_ROWS):
        columns[name][: len(POISON[start : start + N_ROWS])] = POISON[start : start + N_ROWS]
        assert said(flow_of(), CONTAINERS["pandas"](columns, None)) == Counter()


@pytest.mark.slow
@pytest.mark.parametrize("container", ["list", "numpy", "pandas", "polars"])
@pytest.mark.parametrize("name", TARGETS)
def test_poisoned_targets_change_no_message(name, container):
    rng = np.random.default_rng(1)
    make = {"list": list, "numpy": objects, "pandas": lambda y: pd.Series(objects(y)), "polars": _polars_objects}
    X = CONTAINERS["pandas"](clean(rng), None)
    for start in range(0, len(POISON), N_ROWS - 5):
        y = clean_target(name, rng)
        y[: len(POISON[start : start + N_ROWS - 5])] = POISON[start : start + N_ROWS - 5]
        assert said(flow_of(TARGETS[name]), X, make[container](y)) == Counter()


def _polars_objects(cells):
    return pl.Series("y", cells, dtype=pl.Object)


def test_labels_that_are_found_may_be_anything():
    rng, silent = np.random.default_rng(2), Counter()
    X = CONTAINERS["pandas"](clean(rng), None)
    y = [*(["x", "y"] * (N_ROWS // 2))]
    for start in range(0, len(POISON), N_ROWS - 5):
        y[: len(POISON[start : start + N_ROWS - 5])] = POISON[start : start + N_ROWS - 5]
        assert said(flow_of(Categories()), X, y) == silent


def test_what_numpy_was_told_to_raise_is_not_raised():
    rng = np.random.default_rng(3)
    table = CONTAINERS["pandas"](poisoned(clean(rng), rng, 200), None)
    with np.errstate(all="raise"):
        source = admit(flow_of(), table, domain=Domain(DOMAIN))
        assert [len(codes) for _, codes, _ in source.blocks(source.domain)] == [N_ROWS]


def test_passes_of_several_threads_leave_the_filters_of_warnings_as_they_were():
    before, first, second = list(warnings.filters), quiet(), quiet()
    with first:
        second.__enter__()  # another thread's, which ends later
        warnings.warn("held back", RuntimeWarning, stacklevel=1)
    warnings.warn("held back", RuntimeWarning, stacklevel=1)
    second.__exit__(None, None, None)
    assert list(warnings.filters) == before
    with pytest.warns(RuntimeWarning, match="heard"):
        warnings.warn("heard", RuntimeWarning, stacklevel=1)
