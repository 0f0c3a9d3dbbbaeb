"""Rows that meet a condition: all of them do, and they are distributed as the model's rows that do."""

import time

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.sampling.where import sample_where

DOMAIN = {
    "age": Interval(0, 99, integer=True),
    "bmi": Interval(0.0, 100.0, nullable=True),
    "ward": Categories(["A", "B"]),
    "day": Interval("2024-01-01", "2024-12-31", unit="D"),
}


@pytest.fixture(scope="module")
def flow():
    rng = np.random.default_rng(0)
    n = 6000
    y = rng.integers(0, 2, n)
    age = rng.integers(20, 90, n)
    frame = pd.DataFrame(
        {
            "age": age,
            "bmi": np.where(rng.uniform(size=n) < 0.2, np.nan, age / 2 + rng.normal(0, 3, n) + 20 * y),
            "ward": rng.choice(["A", "B"], n, p=[0.9, 0.1]),
            "day": np.datetime64("2024-02-01") + rng.integers(0, 300, n).astype("timedelta64[D]"),
        }
    )
    flow = DPSlicedWassersteinFlow(epsilon=5.0, domain=DOMAIN, target=Categories([0, 1]), random_state=0)
    return flow.fit(frame, y)


@pytest.mark.slow
def test_every_row_meets_the_condition(flow):
    where = {"ward": "B", "age": (60, None), "day": ("2024-03-01", "2024-06-30")}
    rows = flow.sample(3000, where=where, random_state=0)
    assert len(rows) == 3000
    assert set(rows["ward"]) == {"B"}
    assert rows["age"].min() >= 60
    assert rows["day"].between("2024-03-01", "2024-06-30").all()
    assert flow.sample(200, where={"bmi": None}, random_state=0)["bmi"].isna().all()
    assert flow.sample(200, where={"bmi": (20.0, 30.0)}, random_state=0)["bmi"].between(20, 30).all()
    assert len(flow.sample(0, where={"ward": "A"})) == 0


@pytest.mark.slow
def test_other_columns_follow_the_model(flow):
    where = {"ward": "B", "age": (75, None)}
    wide = flow.sample(150_000, random_state=1)
    wanted = wide[(wide["ward"] == "B") & (wide["age"] >= 75)]["bmi"].dropna()
    got = flow.sample(40_000, where=where, random_state=2)["bmi"].dropna()  # more than the pool holds: completed
    assert got.mean() == pytest.approx(wanted.mean(), abs=1.5)
    assert got.std() == pytest.approx(wanted.std(), rel=0.15)
    assert got.nunique() > 20_000


def test_wanted_labels(flow):
    y = np.array([1, 0, 1, 1] * 500)
    X, labels = flow.sample_labeled(y=y, random_state=0)
    assert np.array_equal(labels, y)
    assert X["bmi"][y == 1].mean() > X["bmi"][y == 0].mean() + 10
    X, labels = flow.sample_labeled(y=y, where={"ward": ["B"]}, random_state=0)
    assert np.array_equal(labels, y)
    assert set(X["ward"]) == {"B"}
    X, labels = flow.sample_labeled(500, proportions={1: 1.0}, where={"ward": "B"}, random_state=0)
    assert set(labels) == {1}


@pytest.mark.parametrize(
    ("where", "match"),
    [
        ({"bmi": (0.0, 1e-5), "age": (98, 99)}, "almost no mass"),
        ({"bmi": 3.0}, r"needs a pair .* 'bmi'"),
        ({"age": None}, r"'age', which is not nullable"),
        ({"ward": "C"}, r"'ward' that its domain does not have"),
        ({"age": (200, None)}, r"'age' that its domain does not have"),
        ({"age": ("x", None)}, r"'age' in `where` must be"),
        ({"street": 3}, "keys are columns of the domain"),
        ("ward", "must be a dict"),
    ],
)
def test_bad_conditions(flow, where, match):
    with pytest.raises(ValueError, match=match):
        flow.sample(10, where=where, random_state=0)


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(1)
    n = 3000
    frame = pd.DataFrame(
        {
            "rooms": pd.array(rng.integers(0, 9, n), dtype="Int64"),
            "wide": rng.integers(0, 2**22, n),
            "size": np.where(rng.uniform(size=n) < 0.2, np.nan, rng.uniform(size=n)),
            "ward": rng.choice(["A", "B", None], n),
            "grade": rng.choice(["low", "middle", "high"], n),
            "day": np.datetime64("2024-01-01") + rng.integers(0, 10, n).astype("timedelta64[D]"),
        }
    )
    domain = {
        "rooms": Interval(0, 8, integer=True, nullable=True),
        "wide": Interval(0, 2**22, integer=True),
        "size": Interval(0, 1, nullable=True),
        "ward": Categories(["A", "B"], nullable=True),
        "grade": Categories(["low", "middle", "high"], ordered=True),
        "day": Interval("2024-01-01", "2024-01-10", unit="D"),
    }
    return DPSlicedWassersteinFlow(epsilon=5.0, domain=domain, random_state=0).fit(frame)


DAYS = [np.datetime64("2024-01-03"), np.datetime64("2024-01-07")]
NUMBERS = [[3, 4], {3, 4}, frozenset([4, 3]), range(3, 5), np.array([3, 4]), np.array([3.0, 4.0], dtype=np.float32),
           pd.Series([3, 4]), pl.Series([3, 4]), pd.Index([3, 4]), pd.array([3, 4], dtype="Int64"), {3: 0, 4: 0}.keys(),
           (3, 4)]  # fmt: skip
WORDS = [["A", None], {"A", None}, np.array(["A", None]), pd.Series(["A", None]), pl.Series(["A", None]), ["A", np.nan],
         ["A", pd.NA], [None, np.str_("A")], pd.Categorical(["A", None])]  # fmt: skip


@pytest.mark.parametrize("wanted", NUMBERS)
def test_a_list_of_numbers(mixed, wanted):
    assert set(mixed.sample(100, where={"rooms": wanted}, random_state=0)["rooms"]) == {3, 4}


@pytest.mark.parametrize("wanted", WORDS)
def test_a_list_with_a_missing_value(mixed, wanted):
    got = mixed.sample(100, where={"ward": wanted}, random_state=0)["ward"]
    assert set(got.dropna()) == {"A"}
    assert got.isna().any()


@pytest.mark.parametrize(
    ("where", "met"),
    [
        ({"rooms": 3}, lambda rows: rows["rooms"] == 3),
        ({"rooms": np.array(3)}, lambda rows: rows["rooms"] == 3),
        ({"rooms": [3]}, lambda rows: rows["rooms"] == 3),
        ({"rooms": (3, 4)}, lambda rows: rows["rooms"].between(3, 4)),
        ({"rooms": [3, 8, None]}, lambda rows: rows["rooms"].isin([3, 8]) | rows["rooms"].isna()),
        ({"wide": (5, 70_000)}, lambda rows: rows["wide"].between(5, 70_000)),
        ({"wide": range(0, 2**16)}, lambda rows: rows["wide"] < 2**16),
        ({"size": np.nan}, lambda rows: rows["size"].isna()),
        ({"size": [None]}, lambda rows: rows["size"].isna()),
        ({"size": (None, 0.5)}, lambda rows: rows["size"] <= 0.5),
        ({"ward": pd.NA}, lambda rows: rows["ward"].isna()),
        ({"ward": np.array(["A", "B"])}, lambda rows: rows["ward"].notna()),
        ({"grade": ("middle", None)}, lambda rows: rows["grade"].isin(["middle", "high"])),
        ({"grade": ["low", "high"]}, lambda rows: rows["grade"].isin(["low", "high"])),
        ({"day": DAYS}, lambda rows: rows["day"].isin(DAYS)),
        ({"day": pd.DatetimeIndex(DAYS)}, lambda rows: rows["day"].isin(DAYS)),
        ({"day": pl.Series(np.array(DAYS))}, lambda rows: rows["day"].isin(DAYS)),
        ({"day": ("2024-01-03", None)}, lambda rows: rows["day"] >= DAYS[0]),
    ],
)
def test_what_is_wanted_is_what_comes(mixed, where, met):
    rows = mixed.sample(60, where=where, random_state=0)
    assert len(rows) == 60
    assert met(rows).all()


@pytest.mark.parametrize(
    ("where", "match"),
    [
        ({"size": (0.5, 0.5)}, "single number of column 'size', which is continuous"),
        ({"size": (1, 2)}, "single number of column 'size'"),
        ({"size": [0.1, 0.2]}, r"needs a pair .* 'size', which is continuous"),
        ({"size": (0.6, 0.4)}, "'size' in `where` must not end before it starts"),
        ({"size": (0.6, np.nan)}, "'size' in `where` must be finite"),
        ({"rooms": (3, 4, 5)}, r"must be a pair .* 'rooms'"),
        ({"rooms": 3.5}, "'rooms' that its domain does not have"),
        ({"rooms": (3.2, 3.8)}, "'rooms' that its domain does not have"),
        ({"rooms": [3, 9]}, "'rooms' that its domain does not have"),
        ({"rooms": []}, "lists no value for column 'rooms'"),
        ({"rooms": [(3, 4)]}, "'rooms' in `where` must be finite"),
        ({"rooms": {3: 4}}, "'rooms', no table or dict"),
        ({"rooms": np.zeros((2, 2))}, "'rooms', no table or dict"),
        ({"rooms": pd.DataFrame({"a": [1]})}, "'rooms', no table or dict"),
        ({"ward": ("A", "B")}, "'ward' do not have, as they are not ordered. Pass a list"),
        ({"ward": [["A"]]}, "'ward' that its domain does not have"),
        ({"ward": b"A"}, "'ward' that its domain does not have"),
        ({"grade": ("high", "low")}, "'grade' in `where` must not end before it starts"),
        ({"grade": ["low", None]}, "'grade', which is not nullable"),
    ],
)
def test_what_cannot_be_is_refused_at_once(mixed, where, match):
    start = time.process_time()
    with pytest.raises(ValueError, match=match):
        mixed.sample(10, where=where)
    assert time.process_time() - start < 1.0


def test_names_that_are_numbers():
    flow = DPSlicedWassersteinFlow(5.0, domain=(0, 1)).fit(pd.DataFrame(np.linspace(0, 1, 200).reshape(100, 2)))
    for where in ({1: (0.5, None)}, {"1": (0.5, None)}, {np.int64(1): (0.5, None)}):
        assert flow.sample(20, where=where)[1].min() >= 0.5


def test_a_condition_against_the_constraints_ends_soon():
    rng = np.random.default_rng(0)
    domain = Domain({name: Interval(0, 9, integer=True) for name in "abcde"}, constraints=["a <= b"])
    flow = DPSlicedWassersteinFlow(5.0, domain=domain).fit(np.sort(rng.integers(0, 10, (1000, 5)), axis=1))
    start = time.process_time()
    with pytest.raises(ValueError, match=r"almost no mass.* may contradict"):
        flow.sample(3, where={"a": (7, None), "b": (None, 5)})
    assert time.process_time() - start < 3.0


def test_few_particles_are_drawn_for_few_rows():
    drawn = []

    def draw(n):
        drawn.append(n)
        return np.random.default_rng(n).uniform(size=(n, 1)), np.zeros(n, dtype=np.int64)

    rows, component = sample_where(None, 1, {0: [(0.0, 0.5)]}, draw, np.random.default_rng(0))
    assert rows.shape == (1, 1)
    assert component.shape == (1,)
    assert sum(drawn) <= 2**11


def test_a_value_that_a_flow_drew_can_be_asked_for_in_whatever_float_it_came() -> None:
    X = np.round(np.random.default_rng(0).uniform(0, 1, (500, 1)), 1).astype(np.float32)
    flow = DPSlicedWassersteinFlow(domain={"x0": Interval(0, 1, decimals=1)}, random_state=0).fit(X)
    drawn = flow.sample(50, random_state=0)[:, 0]
    assert drawn.dtype == np.float32
    for value in np.unique(drawn):
        for asked in ([value], [float(value)], (value, value)):
            assert (flow.sample(5, where={"x0": asked})[:, 0] == value).all()
    with pytest.raises(ValueError, match="that its domain does not have"):
        flow.sample(5, where={"x0": [0.15]})
