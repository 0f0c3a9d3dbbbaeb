"""Constraints that no row can meet are refused before anything is spent; what some row meets is let through."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow.domain.constraints import Data, rules_of
from skdpflow.domain.contradictions import check_possible

COLUMNS = {
    "x": Interval(0, 10),
    "y": Interval(0, 10),
    "z": Interval(0, 10),
    "gap": Interval(0, 10, nullable=True),
    "i": Interval(0, 10, integer=True),
    "j": Interval(0, 10, integer=True),
    "wide": Interval(0, 10**7, integer=True),
    "wider": Interval(0, 10**7, integer=True),
    "cents": Interval(0, 1, decimals=2),
    "year": Interval("2024-01-01", "2024-12-31", unit="D"),
    "next": Interval("2025-01-01", "2025-12-31 23", unit="h"),
    "sex": Categories(["m", "f"]),
    "answer": Categories(["yes", "no"], nullable=True),
    "grade": Categories(["low", "middle", "high"], ordered=True),
}


@pytest.mark.parametrize(
    "constraints",
    [
        ["x < x"],
        ["i + 1 <= i"],
        ["x > y", "x < y"],
        ["x > y and x < y"],
        ["x < y", "y <= z", "z <= x"],
        ["i > j", "j >= i"],
        ["wide > wider", "wide < wider + 1"],
        ["x > 10"],
        ["wide > 10000000"],
        ["x < 3", "x > 3"],
        ["y - x >= 5", "y - x <= 3"],
        ["2 * y - 2 * x >= 10", "y - x <= 3"],
        ["x + y > 21"],
        ["i + j == 21"],
        ["next < year"],
        ["year > '2024-06-01'", "year < '2024-05-01'"],
        ["sex == 'm'", "sex == 'f'"],
        ["answer == 'yes'", "answer == 'no'", "answer is not None"],
        ["grade > 'high'"],
        ["cents > 0.5", "cents < 0.25"],
        ["sex == 'm' or i > 10", "sex == 'f'"],
    ],
)
def test_what_no_row_meets_is_refused(constraints):
    with pytest.raises(ValueError, match=r"No row can meet .* Nothing was spent\.") as error:
        check_possible(Domain(COLUMNS, constraints=[*constraints, "z >= 1", "sex == 'm' or j < 5"]))
    assert all(repr(text) in str(error.value) for text in constraints)
    assert "z >= 1" not in str(error.value)


@pytest.mark.parametrize(
    "constraints",
    [
        ["x >= y", "x <= y"],
        ["wide > wider", "wide < wider + 2"],
        ["x >= 10"],
        ["gap > x", "gap < x"],  # met where it is missing
        ["answer == 'yes'", "answer == 'no'"],
        ["x == 0.1", "x <= 0.1", "x >= 0.1"],
        ["x + y >= 20"],
        ["y - x >= 3", "y - x <= 3"],
        ["year < next"],
        ["wide != wider"],
        ["x * y > 90"],
    ],
)
def test_what_some_row_meets_is_let_through(constraints):
    check_possible(Domain(COLUMNS, constraints=constraints))


terms = st.sampled_from(["wide", "wider", "third", "wide - wider", "wider - third", "wide + third", "3", "wide - 2"])
orders = st.sampled_from(["<", "<=", ">", ">=", "=="])
texts = st.tuples(terms, orders, terms).filter(lambda t: {t[0], t[2]} != {"3"}).map(" ".join)


@settings(max_examples=300)
@given(st.lists(texts, min_size=1, max_size=4))
def test_nothing_is_refused_that_some_row_meets(constraints):
    """Compared with all rows of narrow columns, which bounds of differences do not know to be narrow."""
    columns = {name: Interval(0, 5, integer=True) for name in ("wide", "wider", "third")}
    try:
        rules = rules_of(constraints, columns)
    except ValueError:  # compares two constants
        assume(False)
    levels = np.indices((6, 6, 6)).reshape(3, -1).astype(float)
    rows = {name: Data(own, np.zeros(len(own), dtype=bool)) for name, own in zip(columns, levels, strict=True)}
    possible = np.logical_and.reduce([rule.met(rows) for rule in rules]).any()
    for factor in (1, 10**6):  # narrow ones are enumerated, wide ones are not
        own = {name: Interval(0, 5 * factor, integer=True) for name in columns}
        refused = False
        try:
            check_possible(Domain(own, constraints=constraints))
        except ValueError:
            refused = True
        if possible:
            assert not refused
        elif factor == 1:
            assert refused


def test_nothing_is_spent_on_them():
    ledger = PrivacyLedger(epsilon=1.0, delta=1e-5)
    domain = Domain({"x": Interval(0, 1), "y": Interval(0, 1)}, constraints=["x > y", "x < y"])
    flow = DPSlicedWassersteinFlow(1.0, domain=domain, ledger=ledger)
    with pytest.raises(ValueError, match=r"'x > y'.*'x < y'|'x < y'.*'x > y'"):
        flow.fit(pd.DataFrame({"x": [0.1], "y": [0.2]}))
    assert ledger.spent() == 0.0
    with pytest.raises(ValueError, match="No row can meet"):
        flow.plan(n_guess=100)


def test_no_warning_is_raised():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_possible(Domain(COLUMNS, constraints=["x / y > 3", "x * y >= 0", "1 / z > 5"]))
