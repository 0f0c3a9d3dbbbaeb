"""Rows that meet a condition: all of them do, and they are distributed as the model's rows that do."""

import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval

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
