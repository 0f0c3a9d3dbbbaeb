"""Constraints as text: what is read, what it says of rows, and what is refused."""

import copy
import pickle
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdpflow import Categories, Domain, Interval
from skdpflow.domain.constraints import Data, rules_of, solutions
from skdpflow.domain.resolve import resolve_domain

COLUMNS = {
    "a": Interval(-10, 10),
    "b": Interval(-10, 10),
    "i": Interval(-5, 5, integer=True),
    "j": Interval(-5, 5, integer=True, nullable=True),
    "room number": Interval(0, 5, integer=True),
    "sex": Categories(["m", "f"]),
    "partner": Categories(["f", "m", "none"]),
    "pregnant": Categories([False, True], nullable=True),
    "grade": Categories(["low", "middle", "high"], ordered=True),
    "beds": Categories([1, 2, 4]),
    "day": Interval("2024-01-01", "2024-12-31", unit="D"),
    "hour": Interval("2024-01-01", "2024-12-31", unit="h"),
}


def frame(n=60, seed=0):
    """Rows of whole numbers and labels, none missing."""
    rng = np.random.default_rng(seed)
    days = rng.integers(0, 365, n)
    return pd.DataFrame(
        {
            "a": rng.integers(-4, 5, n).astype(float),
            "b": rng.integers(-4, 5, n).astype(float),
            "i": rng.integers(-5, 6, n),
            "j": rng.integers(-5, 6, n),
            "room number": rng.integers(0, 6, n),
            "sex": rng.choice(["m", "f"], n),
            "partner": rng.choice(["f", "m", "none"], n),
            "pregnant": rng.integers(0, 2, n).astype(bool),
            "grade": rng.choice(["low", "middle", "high"], n),
            "beds": rng.choice([1, 2, 4], n),
            "day": np.datetime64("2024-01-01") + days,
            "hour": np.datetime64("2024-01-01T00") + 24 * days + rng.integers(-30, 30, n),
        }
    )


def data_of(rows):
    """Return a frame as constraints read it."""
    data = {}
    for name, column in COLUMNS.items():
        if isinstance(column, Categories):
            values = rows[name].map({value: code for code, value in enumerate(column.values)})
        elif column.unit is not None:
            values = rows[name].to_numpy().astype(f"datetime64[{column.unit}]").astype(np.int64)
        else:
            values = rows[name]
        numbers = np.asarray(values, dtype=np.float64)
        data[name] = Data(np.nan_to_num(numbers), np.isnan(numbers))
    return data


def met(text, rows):
    return np.logical_and.reduce([rule.met(data_of(rows)) for rule in rules_of([text], COLUMNS)])


# ---------------------------------------------------------------- the meaning is that of pandas.DataFrame.eval

numbers = st.recursive(
    st.sampled_from(["a", "b", "i", "j", "`room number`", "beds", "2", "3.5", "0"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"(-{t})"),
        inner.map(lambda t: f"({t} / 4)"),
    ),
    max_leaves=5,
)
names = st.sampled_from(["a", "b", "i", "j", "`room number`", "beds"])
orders = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
comparisons = st.one_of(
    st.tuples(names, orders, numbers).map(" ".join),
    st.tuples(names, orders, names, orders, numbers).map(" ".join),
    st.sampled_from(["sex == 'm'", "'f' != sex", "sex == partner", "sex != partner", "pregnant", "pregnant == True"]),
    st.sampled_from(["(a > 1) == (b > 1)", "pregnant != (sex == 'm')", "(i < j) != pregnant"]),
    st.sampled_from(["sex in ('m', 'f')", "partner in ['none', 'm']", "i in (1, -2, 3)", "i not in [0, 1]"]),
    st.sampled_from(["day <= hour", "hour < '2024-06-01'", "'2024-02-03' <= day", "day == '2024-02-03'"]),
)
predicates = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        inner.map(lambda t: f"not ({t})"),
    ),
    max_leaves=4,
)


@pytest.mark.slow
@given(predicates)
def test_rows_meet_what_pandas_says_they_meet(text):
    rows = frame()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of pandas 2, about its own comparisons of dates with text
        expected = rows.eval(text, engine="python")
    assert np.array_equal(met(text, rows), np.asarray(expected, dtype=bool))


@given(predicates)
def test_a_constraint_travels_with_its_domain(text):
    domain = Domain(COLUMNS, constraints=[text])
    assert domain.constraints == (text,)
    assert Domain.from_json(domain.to_json()) == domain
    assert pickle.loads(pickle.dumps(domain)) == domain == copy.deepcopy(domain)
    assert hash(copy.copy(domain)) == hash(domain)
    assert domain != Domain(COLUMNS)
    assert domain.describe().endswith(f"in every row: {text}")
    assert repr(text) in repr(domain)
    turned = resolve_domain(domain, list(COLUMNS)[::-1], len(COLUMNS))
    assert turned.constraints == (text,)


def test_dates_and_what_pandas_does_not_say():
    rows = frame()
    days = (rows["hour"].to_numpy() - rows["day"].to_numpy()) / np.timedelta64(1, "h")
    assert np.array_equal(met("hour - day <= 5", rows), days <= 5)  # counted in the finer unit
    assert np.array_equal(met("day + 1 <= hour", rows), days >= 24)
    assert np.array_equal(met("hour > '2024-03-01T12:00'", rows), rows["hour"] > pd.Timestamp("2024-03-01T12:00"))
    assert np.array_equal(met("day < '2024-03-01T12:00'", rows), rows["day"] <= pd.Timestamp("2024-03-01"))
    grade = rows["grade"].map({"low": 0, "middle": 1, "high": 2})
    assert np.array_equal(met("grade >= 'middle'", rows), grade >= 1)
    assert np.array_equal(met("'middle' > grade", rows), grade < 1)
    assert np.array_equal(met("col('room number') + 1 == i", rows), rows["room number"] + 1 == rows["i"])


def test_what_hangs_on_a_missing_cell_counts_as_met():
    rows = frame(4)
    rows["j"] = [np.nan, np.nan, 3, 3]
    rows["i"] = [4, 0, 4, 0]
    rows["pregnant"] = pd.Series([None, True, None, True], dtype=object)
    rows["sex"] = ["m", "m", "f", "f"]
    assert met("j <= i", rows).tolist() == [True, True, True, False]
    assert met("not (j > i)", rows).tolist() == [True, True, True, False]
    assert met("j <= i and i > 0", rows).tolist() == [True, False, True, False]  # false whatever is missing
    assert met("not (sex == 'm' and pregnant)", rows).tolist() == [True, False, True, True]
    assert met("j is not None", rows).tolist() == [False, False, True, True]
    assert met("j is None or j > i", rows).tolist() == [True, True, False, True]
    assert met("j in (3, 4)", rows).all()
    assert met("(j is None) == (sex == 'm')", rows).all()
    assert met("(j is None) == (pregnant is None)", rows).tolist() == [True, False, False, True]
    assert met("(j > 0) == pregnant", rows).all()


def test_floats_are_equal_up_to_rounding_and_whole_numbers_exactly():
    columns = {"a": Interval(0, 1), "b": Interval(0, 1), "c": Interval(0, 1), "n": Interval(0, 2**53, integer=True)}
    (rule,) = rules_of(["a + b == c"], columns)
    value = lambda x: Data(np.array([x]), np.array([False]), 2.0**-52)  # noqa: E731
    assert rule.met({"a": value(0.1), "b": value(0.2), "c": value(0.3)}).all()
    assert not rule.met({"a": value(0.1), "b": value(0.2), "c": value(0.3 + 1e-14)}).any()
    (rule,) = rules_of([f"n == {2**53 - 1}"], columns)
    assert rule.met({"n": value(2.0**53 - 1)}).all()
    assert not rule.met({"n": value(2.0**53 - 2)}).any()


# ---------------------------------------------------------------- equalities

TEN = {name: Interval(0, 10) for name in "abcdef"} | {"k": Categories([1, 2])}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a + b == c"], ["c"]),
        (["a == b + c"], ["a"]),  # a side of its own
        (["a + b - c == 0"], ["c"]),
        (["2 * a - b == c / 4 + d"], ["d"]),
        (["a * b == c"], ["c"]),
        (["a == b == c"], ["b", "c"]),
        (["a + b == c", "c + d == e"], ["c", "e"]),
        (["a + b == c", "a - b == d and c < d"], ["c", "d"]),
        (["c + d == e", "a + b == c"], ["e", "b"]),  # c is needed already
        (["a * a == 4"], []),
        (["a - a == 0"], []),
        (["a * (b - b) == 4"], []),
        (["a + k == 3"], ["a"]),
        (["a < 3 or a == b"], []),
        (["a == b", "b == a"], ["b"]),
    ],
)
def test_which_columns_equalities_give(texts, expected):
    assert [name for name, _ in solutions(rules_of(texts, TEN), TEN)] == expected


@given(st.integers(-3, 3).filter(bool), st.integers(-3, 3), st.integers(-3, 3), st.integers(0, 2**32))
def test_a_solution_solves(p, q, r, seed):
    rules = rules_of([f"{q} * a + {r} == b - {p} * c"], TEN)
    ((name, rule),) = solutions(rules, TEN)
    rng = np.random.default_rng(seed)
    rows = {name: Data(rng.uniform(0, 10, 20), np.zeros(20, dtype=bool), 2.0**-52) for name in "abc"}
    solved, known = rule.solved(name, rows)
    assert known.all()
    assert rule.met({**rows, name: Data(solved, known & False, 2.0**-52)}).all()
    assert np.allclose(q * rows["a"].values + r, rows["b"].values - p * solved)


# ---------------------------------------------------------------- what is refused

HOSTILE = {
    "__import__('os').system('true')": "not allowed",
    "().__class__": "not allowed",
    "a.real > 0": "not allowed",
    "a[0] > 0": "not allowed",
    "print(a) > 0": "calls 'print', which is not allowed",
    "col(a) > 0": "calls 'col'",
    "col('a', b=1) > 0": "calls 'col'",
    "(lambda: a)() > 0": "not allowed",
    "[x for x in a]": "not allowed",
    "a if b > 0 else i": "not allowed",
    "f'{a}' == 'x'": "not allowed",
    "a ** 2 > 1": "kind Pow, which is not allowed",
    "a % 2 > 1": "not allowed",
    "a // 2 > 1": "not allowed",
    "i & 1 > 0": "not allowed",
    "~i > 0": "not allowed",
    "9**9**9**9 > a": "not allowed",
    "a < 1e999": "too large",
    f"i < {2**53 + 1}": "too large",
    "a < " + "9" * 1900: "too large",
    "a < 1j": "not allowed",
    "a < b'x'": "not allowed",
    "a < ...": "not allowed",
    "(a := 3) < 4": "not allowed",
    "": "no expression",
    "a <": "no expression",
    "a < 1; b < 1": "no expression",
    "a = 1": "no expression",
    "import os": "no expression",
    "a < 3\x00": "no expression",
    "sex == '\ud800'": "no expression",
    "sex == '\\d'": "no expression",
    "`a < 3": "no expression",
    "(" * 900 + "a" + ")" * 900 + " < 3": "no expression",
    "-" * 1900 + "a < 3": "levels deep",
    "not " * 400 + "a < 3": "levels deep",
    "+".join("a" * 900) + " < 3": "levels deep",
    "a" + ".b" * 900: "not allowed",
    "a < 3 and " * 190 + "a ** 2 < 3": "not allowed",
    "x" * 3000: "longer than 2000",
    "street > 3": "names 'street', which is no column of the domain",
    "`no such column` > 3": "names 'no such column'",
    "a": "column 'a' where something true or false is needed",
    "not beds": "column 'beds' where something true or false is needed",
    "a and b > 1": "column 'a' where",
    "True": "true or false",
    "1 < 2": "compares two constants",
    "'x' == 'y'": "different kinds",
    "sex + 1 > 2": "column 'sex', which is no number",
    "pregnant * 2 > 1": "column 'pregnant', which is no number",
    "day * 2 > 1": "column 'day', which is no number",
    "day + hour > '2024-01-01'": "adds two dates",
    "3 - day > 1": "subtracts a date",
    "day > 3": "date with a number",
    "day > a": "date with a number",
    "day < 'now'": "no date in ISO form",
    "day < '2024-13-40'": "no date in ISO form",
    "day < 'NaT'": "no date in ISO form",
    "a == 'x'": "different kinds",
    "a == sex": "compares column 'sex' with column 'a'",
    "sex == 'x'": "none of its values: 'm', 'f'",
    "sex < 'm'": "declare it with ordered=True",
    "sex < partner": "declare it with ordered=True",
    "a == None": "is None",
    "sex == None": "none of its values",
    "a is 3": "only to ask for missing cells",
    "a + b is None": "only to ask for missing cells",
    "a in b": "list of values after `in`",
    "a in ()": "list of values after `in`",
    "sex in ('m', 'x')": "none of its values",
    "(a > 1) == b": "different kinds",
    "(a > 1) < (b > 1)": "different kinds",
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_anything_else_is_refused_at_once(text):
    start = time.process_time()
    with pytest.raises(ValueError, match=r"The constraint .* ") as error:
        Domain(COLUMNS, constraints=["a <= b", text])
    assert HOSTILE[text] in str(error.value)
    assert text[:40].strip() in str(error.value) or repr(text)[1:40] in str(error.value)
    assert len(str(error.value)) < 600
    assert time.process_time() - start < 1.0


@pytest.mark.slow
@given(st.one_of(st.text(max_size=40), st.text("ab <>=+-*/()'`.,[]1e_col", max_size=40)))
def test_any_text_is_a_constraint_or_a_value_error(text):
    try:
        domain = Domain(COLUMNS, constraints=[text])
    except ValueError as error:
        assert "The constraint" in str(error)  # noqa: PT017
    else:
        assert met(domain.constraints[0], frame(5)).shape == (5,)


@pytest.mark.parametrize("constraints", ["a <= b", [3], [lambda row: True], {"a <= b"}])
def test_constraints_are_a_list_of_text(constraints):
    with pytest.raises(ValueError, match="'constraints' parameter of Domain must be a list of str"):
        Domain(COLUMNS, constraints=constraints)


def test_a_domain_made_of_a_domain_keeps_its_constraints_and_a_dict_has_none():
    domain = Domain(COLUMNS, constraints=["a < b"])
    assert Domain(domain) == domain
    assert Domain(domain, constraints=["a > b"]).constraints == ("a > b",)
    assert Domain(domain, constraints=[]) == Domain(dict(domain)) == Domain(COLUMNS)


def test_domains_of_dtypes_and_of_samples_take_constraints():
    rows = frame()[["a", "b"]]
    assert Domain.from_public(rows, constraints=["a < b"]).constraints == ("a < b",)
    assert Domain.from_dtypes(rows, {c: COLUMNS[c] for c in "ab"}, constraints=["a < b"]).constraints == ("a < b",)


def test_json_without_constraints_and_with_bad_ones():
    plain = Domain({"a": COLUMNS["a"]}).to_dict()
    assert "constraints" not in plain
    assert Domain.from_dict(plain).constraints == ()
    for bad in ("a < 1", [1], ["zz < 1"], None):
        with pytest.raises(ValueError, match="constraint"):
            Domain.from_dict({**plain, "constraints": bad})
