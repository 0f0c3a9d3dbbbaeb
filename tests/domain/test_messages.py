"""What is said of declarations that are missing or that say nothing."""

import re

import pandas as pd
import pytest

from skdpflow import Domain, Interval


def test_dtypes_that_say_too_little_are_a_list():
    frame = pd.DataFrame({"ward": ["A"], "bmi": [21.5], "day": pd.to_datetime(["2024-02-29"]), "smoker": [True]})
    with pytest.raises(ValueError, match="Declare them in `columns`") as error:
        Domain.from_dtypes(frame)
    assert str(error.value).splitlines()[1:] == [
        "- 'ward' (values: Categories([...]))",
        "- 'bmi' (numbers: Interval(lower, upper))",
        "- 'day' (dates: Interval('2000-01-01', '2030-12-31', unit='D'))",
    ]


@pytest.mark.parametrize(
    ("lower", "unit", "constant"), [(3, None, "Constant(3)"), ("2024-02-29", "D", "Constant('2024-02-29')")]
)
def test_an_interval_of_one_value_points_to_a_constant(lower, unit, constant):
    with pytest.raises(ValueError, match=re.escape(constant)):
        Interval(lower, lower, unit=unit)


def test_a_file_that_is_no_json_is_told_by_line_and_column():
    text = '{"kind": "domain",\n "columns": [\n  {"name": "age",}]}'
    with pytest.raises(ValueError, match=r"must be JSON, as Domain.to_json writes it. Line 3, column \d+ is not: "):
        Domain.from_json(text)


@pytest.mark.parametrize(
    "text", ['{"kind": "domain", "columns": [\n  {}, \n]}', '{"kind": "domain",\n "columns": [],\n}']
)
def test_a_comma_after_the_last_entry_is_named(text):
    with pytest.raises(ValueError, match="JSON has no comma after the last entry of a list or object: remove it"):
        Domain.from_json(text)


def test_another_mistake_in_json_is_not_taken_for_a_comma():
    with pytest.raises(ValueError, match="is not: ") as raised:
        Domain.from_json('{"kind": domain}')
    assert "comma after the last" not in str(raised.value)


def test_a_unit_of_dates_is_a_word():
    domain = Domain({"day": Interval("2024-01-01", "2024-12-31", unit="D")})
    assert domain.describe() == "day  dates and times from '2024-01-01' to '2024-12-31', to the day"


def test_swapped_dates_are_shown_as_dates():
    message = "Got '2026-12-31' and '2015-01-01' instead. Are they swapped?"
    with pytest.raises(ValueError, match=re.escape(message)):
        Interval("2026-12-31", "2015-01-01", unit="D")
