"""What `Domain.check` tells whoever holds the rows."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdpflow import Categories, Domain, Interval
from skdpflow.files import TableFile

DOMAIN = Domain(
    {"age": Interval(0, 99, integer=True), "ward": Categories(["A", "B"]), "bmi": Interval(10, 60, nullable=True)}
)
AGE, WARD, BMI = [20, 120, -1, 50], ["A", "Q", "Q", None], [20.0, None, 70.0, 20.0]


def test_shares_of_all_that_lies_outside():
    frame = pd.DataFrame({"age": AGE, "ward": WARD, "bmi": BMI})
    check = DOMAIN.check(frame, ["yes", "no", "maybe", "no"], Categories(["no", "yes"]))
    nothing = {"below": 0.0, "above": 0.0, "unreadable": 0.0, "missing": 0.0}
    assert check.columns == {
        "age": {**nothing, "below": 0.25, "above": 0.25},
        "ward": {"unlisted": 0.5, "missing": 0.25},
        "bmi": {**nothing, "above": 0.25},
    }
    assert check.target == {"unlisted": 0.25, "missing": 0.0}
    assert not check.fits
    assert json.loads(json.dumps(check.to_dict()))["notice"].startswith("A look at private rows")


def test_it_says_what_it_is_and_shows_no_cell():
    check = DOMAIN.check(pd.DataFrame({"age": AGE, "ward": WARD, "id": ["SECRET"] * 4}))
    text = str(check)
    assert text == repr(check)
    assert text.splitlines() == [
        "A look at private rows, outside the guarantee; do not share.",
        "25 % of 'age' lies below its declared bounds",
        "25 % of 'age' lies above its declared bounds",
        "50 % of 'ward' is none of its declared categories",
        "25 % of 'ward' is missing, though it is not declared as nullable",
        "not in the domain: 'id'; drop it or declare it",
        "in the domain, but not in the table: 'bmi'",
    ]
    for cell in ("Q", "120", "SECRET"):
        assert cell not in text + json.dumps(check.to_dict()["columns"])


def test_cells_that_are_no_numbers_and_those_that_are_missing_are_told_apart():
    frame = pd.DataFrame({"x": np.array([0.5, "?", None, float("nan")], dtype=object)})
    found = Domain({"x": Interval(0, 1)}).check(frame).columns["x"]
    assert (found["unreadable"], found["missing"]) == (0.25, 0.5)


@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame])
def test_containers_agree(make):
    table = make({"age": AGE, "ward": WARD, "bmi": BMI})
    assert DOMAIN.check(table) == DOMAIN.check(pd.DataFrame({"age": AGE, "ward": WARD, "bmi": BMI}))


def test_arrays_and_numeric_targets():
    domain = Domain({"x0": Interval(0, 1), "x1": Interval(0, 1)})
    check = domain.check(np.array([[0.0, 0.5], [1.0, 2.0]]), [0.0, 9.0], Interval(0, 1))
    assert (check.columns["x1"]["above"], check.target["above"]) == (0.5, 0.5)
    assert domain.check([[0, 0], [1, 1]]).fits
    assert str(domain.check([[0, 0]])).endswith("the grain of numbers were not compared.")
    with pytest.raises(ValueError, match="3 columns without names"):
        domain.check(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="None of the columns"):
        domain.check(pd.DataFrame({"y": [0]}))


def test_a_file_is_checked_as_its_frame_is(tmp_path):
    pd.DataFrame({"age": AGE, "ward": WARD, "bmi": BMI}).to_csv(tmp_path / "rows.csv", index=False)
    check = DOMAIN.check(TableFile(tmp_path / "rows.csv"))
    assert check == DOMAIN.check(pd.DataFrame({"age": AGE, "ward": WARD, "bmi": BMI}))


def test_names_are_compared_as_a_fit_compares_them():
    domain = Domain({"0": Interval(0, 1), "y": Categories(["a"])})
    check = domain.check(pd.DataFrame({0: [2.0, 0.5]}), pd.Series(["a", "a"], name="y"), Categories(["a"]))
    assert (check.columns["0"]["above"], check.absent, check.unnamed) == (0.5, (), ())
