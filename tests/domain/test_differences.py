"""Which columns constraints make differences of others: a matter of what is declared alone."""

import json

import pytest

from skdpflow import Categories, Constant, Domain, Interval
from skdpflow.domain.differences import by_themselves, differences, since_of, with_differences
from skdpflow.domain.measured import measured_domain, measured_names

DAYS = Interval("2024-01-01", "2024-12-31", unit="D")
LATER = Interval("2024-06-01", "2025-12-31", unit="D", nullable=True)
HOURS = Interval("2024-01-01", "2025-12-31", unit="h")
SUM = Interval(0, 100)
CENTS = Interval(0, 100, decimals=2)


def since(columns, *constraints):
    return {name: own.name for name, own in differences(Domain(columns, constraints=constraints)).items()}


@pytest.mark.parametrize("text", ["a <= b", "a < b", "b >= a", "b > a", "a <= b and a < 50", "0 <= a <= b"])
def test_ways_to_say_it(text):
    assert since({"a": SUM, "b": SUM}, text) == {"b": "a"}


@pytest.mark.parametrize(
    "text", ["b - a >= 0", "a + 1 <= b", "a != b", "a < b or a < 3", "not (a > b)", "a == b", "a <= 2 * b"]
)
def test_ways_to_say_something_else(text):
    assert since({"a": SUM, "b": SUM}, text) == {}


def test_chains_and_several_before():
    columns = dict.fromkeys("abcd", SUM)
    assert since(columns, "a <= b <= c") == {"b": "a", "c": "b"}
    assert since(columns, "b <= c", "a <= b") == {"b": "a", "c": "b"}
    assert list(since(columns, "b <= c", "a <= b")) == ["b", "c"]  # each after the one that it differs from
    assert since(columns, "a <= c", "b <= c") == {"c": "a"}
    assert since(columns, "a <= b", "b <= a") == {"b": "a"}
    assert since(columns, "a <= b", "b <= c", "c <= a") == {"b": "a", "c": "b"}


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Interval(0, 100, nullable=True), SUM),
        (Interval(0, 100, special=[0]), SUM),
        (SUM, Interval(0, 100, special=[99])),
        (SUM, Interval(0, 100, integer=True)),
        (CENTS, SUM),
        (CENTS, Interval(0, 100, decimals=1)),
        (DAYS, HOURS),
        (Interval(0, 10, integer=True), Interval(0, 20, integer=True)),
        (Categories([1, 2, 3]), SUM),
        (Interval(0, 100, step=0.5), Interval(0.25, 100.25, step=0.5)),
        (Interval(100, 200), SUM),
        (Interval(-(2**53), 0, integer=True), Interval(0, 2**53, integer=True)),
    ],
)
def test_columns_that_stay_as_they_are(a, b):
    assert since({"a": a, "b": b}, "a <= b") == {}


def test_what_equalities_compute_stays_as_it_is():
    columns = {"a": SUM, "b": SUM, "c": SUM, "d": SUM}
    assert since(columns, "a + b == c", "a <= c") == {}
    assert since(columns, "a + b == c", "c <= d") == {}
    assert since(columns, "a + b == c", "a <= b") == {"b": "a"}


def test_the_difference_has_the_grain_and_the_gaps_of_its_column():
    domain = Domain(
        {"key": Constant(3), "in": DAYS, "out": LATER, "low": CENTS, "high": CENTS, "x": SUM, "y": SUM},
        constraints=["`in` <= out", "low <= high", "x <= y"],
    )
    domain = with_differences(measured_domain(domain))
    assert domain["out"].difference == Interval(0, 730, integer=True, nullable=True)
    assert domain["high"].difference == Interval(0, 100, decimals=2)
    assert domain["high"].measured == Interval(0, 10_000, integer=True)
    assert domain["y"].difference == SUM
    assert list(measured_names(domain)) == ["in", "out - in", "low", "high - low", "x", "y - x"]
    assert by_themselves(domain)["out"] == LATER
    assert by_themselves(domain)["out"].difference is None


def test_quarters():
    low, high = Interval(0.5, 10, step=0.25), Interval(1, 20.25, step=0.25)
    domain = with_differences(Domain({"a": low, "b": high}, constraints=["a <= b"]))
    assert domain["b"].difference == Interval(0, 19.75, step=0.25)


def test_what_is_measured_since_goes_into_files_and_no_fit_takes_it():
    domain = with_differences(Domain({"a": DAYS, "b": LATER}, constraints=["a <= b"]))
    again = Domain.from_json(domain.to_json())
    assert again["b"].since == domain["b"].since == ("a", 730)
    assert domain.without_grids()["b"].since is None
    assert domain == domain.without_grids()
    data = json.loads(domain.to_json())
    data["columns"][0]["name"] = "c"
    data["constraints"] = []
    with pytest.raises(ValueError, match="measured since 'a', which is no column of numbers"):
        since_of(Domain.from_dict(data))
    data["columns"][1]["since"] = ["b", 730]
    with pytest.raises(ValueError, match="'b' cannot be measured since itself"):
        since_of(Domain.from_dict(data))
    for wrong in ("a", ["a"], [1, 2], ["a", -1], ["a", "b"]):
        data["columns"][1]["since"] = wrong
        with pytest.raises(ValueError):  # noqa: PT011
            Domain.from_dict(data)
