"""Nothing but the sums of a curator tells two tables apart: with the same sums, all that leaves a fit is the same."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow._flow.rows import rows_like
from skdpflow.curator import curator
from skdpflow.curator.sketch import Sketch

DOMAIN = Domain(
    {
        "start": Interval("2020-01-01", "2022-12-31", unit="D"),
        "end": Interval("2020-01-01", "2022-12-31", unit="D", nullable=True),
        "ward": Categories(["A", "B"], other="elsewhere"),
        "rooms": Interval(0, 9, integer=True),
        "kind": Categories(["A", "B"], nullable=True),
    },
    constraints=["start <= end"],
)


class Loud:
    """A cell that warns and fails when it is used."""

    __hash__ = None

    def __float__(self):
        warnings.warn("a cell was read", UserWarning, stacklevel=2)
        return 1.0

    def __eq__(self, other):
        raise RuntimeError("a cell was compared")


def table(n, odd=""):
    rng = np.random.default_rng(n)
    start = pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"))
    end = start + pd.to_timedelta(rng.integers(-9, 90, n), unit="D")
    ward, rooms = pd.Series(rng.choice(["A", "B", "C"], n), dtype=object), pd.Series([3] * n, dtype=object)
    y = pd.Series(rng.choice(["no", "yes"], n), name="y")
    if odd == "row":
        start[0], end[0], ward[0], rooms[0], y[0] = pd.NaT, pd.NaT, "a private word " * 9, 10**400, "private"
    elif odd == "loud":
        ward[0] = rooms[0] = Loud()
    elif odd == "all":
        start[:], end[:], rooms[:] = pd.Timestamp("1700-01-01"), pd.Timestamp("2200-01-01"), np.nan
    kind = ward.map(lambda cell: str(cell)[:20]).astype("category") if odd != "loud" else y.astype("category")
    return pd.DataFrame({"start": start, "end": end, "ward": ward, "rooms": rooms, "kind": kind}), y


TABLES = [(300, ""), (300, "row"), (300, "loud"), (40, "all")]


@pytest.fixture
def fixed_sums(monkeypatch):
    """Rows are read as ever, and their sums are replaced by fixed numbers."""
    read, rounds = curator.sketch_rows, []

    def fixed(source, query, rank_key, **kwargs):
        read(source, query, rank_key, **kwargs)
        rng = np.random.default_rng(len(rounds))
        rounds.append(query)
        return [Sketch(rng.integers(0, 30, statistic.shape)) for statistic in query.statistics]

    monkeypatch.setattr(curator, "sketch_rows", fixed)
    return rounds


def left(X, y, capfd):
    """Return all that leaves a fit."""
    flow = DPSlicedWassersteinFlow(
        domain=DOMAIN, target=Categories(["no", "yes"]), random_state=0, noise_random_state=0
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        flow.fit(X, y)
        rows = flow.sample_labeled(random_state=0), flow.sample(9, where={"y": "yes"}, random_state=0)
    said = [(own.category, str(own.message)) for own in caught]
    return pickle.dumps(flow), repr(flow), str(flow.privacy_statement()), repr(rows), said, capfd.readouterr()


def test_with_equal_sums_all_that_leaves_a_fit_is_equal(fixed_sums, capfd):
    outcomes = []
    for given in TABLES:
        fixed_sums.clear()
        outcomes.append(left(*table(*given), capfd))
    for other in outcomes[1:]:
        for own, expected in zip(other, outcomes[0], strict=True):
            assert own == expected


@pytest.mark.parametrize("declared", [True, False])
def test_made_up_rows_tell_nothing_of_a_table(declared):
    found = {"ward": Categories(other="elsewhere"), "kind": Categories(nullable=True)}
    domain = DOMAIN if declared else Domain({**DOMAIN, **found}, constraints=DOMAIN.constraints)
    flow = DPSlicedWassersteinFlow(domain=domain, target=Categories(["no", "yes"]) if declared else Categories())
    expected, *others = (rows_like(flow, *table(*given), 50) for given in TABLES)
    for X, y in others:
        pd.testing.assert_frame_equal(X, expected[0])
        pd.testing.assert_series_equal(y, expected[1])
