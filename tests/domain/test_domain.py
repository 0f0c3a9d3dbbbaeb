"""Public descriptions of columns: what is legal, equality, copies, and what estimators make of them."""

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdpflow.domain import (
    FINE_LEVELS,
    Categories,
    Domain,
    Interval,
    column_from_dict,
)
from skdpflow.domain.resolve import resolve_domain

AGE = Interval(17, 90, integer=True)
WARD = Categories(["A", "B", "C"])

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
intervals = st.one_of(
    st.tuples(finite, finite).filter(lambda b: b[0] < b[1]).map(lambda b: Interval(*b)),
    st.tuples(st.integers(-(2**40), 2**40), st.integers(1, 2**30)).map(
        lambda b: Interval(b[0], b[0] + b[1], integer=True)
    ),
)
scalars = st.one_of(st.text(), st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
columns = st.one_of(intervals, st.lists(scalars, min_size=1, unique=True).map(Categories))
domains = st.dictionaries(st.text(), columns, min_size=1, max_size=5).map(Domain)


def test_levels_of_an_interval():
    assert AGE.n_levels == 74
    assert AGE.discrete
    assert Interval(0.0, 1.5).n_levels == FINE_LEVELS == 2**20
    assert not Interval(0.0, 1.5).discrete


def test_integers_have_one_level_each_up_to_the_fine_lattice():
    assert Interval(1, FINE_LEVELS, integer=True).discrete
    wide = Interval(0, FINE_LEVELS, integer=True)
    assert not wide.discrete
    assert wide.n_levels == FINE_LEVELS


@pytest.mark.parametrize(
    ("lower", "upper", "integer", "match"),
    [
        (1, 1, False, "lower < upper"),
        (2, 1, True, "lower < upper"),
        (float("nan"), 1, False, "'lower' parameter of Interval"),
        (0, float("inf"), False, "'upper' parameter of Interval"),
        (0, "1", False, "'upper' parameter of Interval"),
        (True, 2, False, "'lower' parameter of Interval"),
        (0.5, 2, True, "whole number"),
        (0, 2**60, True, "whole number"),
        (-1.7e308, 1.7e308, False, "width"),
        (0, 1, "yes", "'integer' parameter of Interval"),
    ],
)
def test_illegal_intervals(lower, upper, integer, match):
    with pytest.raises(ValueError, match=match):
        Interval(lower, upper, integer=integer)


def test_bounds_are_plain_python_numbers():
    interval = Interval(np.float32(0.5), np.int64(3))
    assert type(interval.lower) is float
    assert type(interval.upper) is float
    assert type(Interval(np.int64(1), 3.0, integer=True).upper) is int


def test_categories_are_plain_python_scalars():
    given_ = np.array(["a", "b"])
    assert Categories(given_).categories == ("a", "b")
    assert all(type(value) is str for value in Categories(given_).values)
    assert [type(value) for value in Categories([np.int8(1), np.float64(0.5), np.bool_(False)]).values] == [
        int,
        float,
        bool,
    ]


@pytest.mark.parametrize("categories", [None, [], ()])
def test_categories_may_be_left_open(categories):
    column = Categories(categories)
    assert not column.declared
    assert column == Categories()
    with pytest.raises(ValueError, match="no values yet"):
        _ = column.n_levels


@pytest.mark.parametrize(
    ("categories", "match"),
    [
        (["a", "b", "a"], "'a' and 'a' are equal"),
        ([True, 1], "True and 1 are equal"),
        ([0, False], "0 and False are equal"),
        ([1, 1.0], "1 and 1.0 are equal"),
        ([float("nan")], "finite float"),
        ([None], "finite float"),
        ([("a",)], "finite float"),
        ("abc", "ordered list"),
        ({"a", "b"}, "ordered list"),
        (3, "ordered list"),
    ],
)
def test_illegal_categories(categories, match):
    with pytest.raises(ValueError, match=match):
        Categories(categories)


def test_a_domain_is_an_ordered_mapping():
    domain = Domain({"age": AGE, "ward": WARD})
    assert domain.names == ("age", "ward")
    assert domain.columns == (AGE, WARD)
    assert len(domain) == 2
    assert list(domain) == ["age", "ward"]
    assert domain["ward"] == WARD
    assert dict(domain) == {"age": AGE, "ward": WARD}
    assert domain != Domain({"ward": WARD, "age": AGE})
    assert domain != {"age": AGE, "ward": WARD}


def test_a_domain_shows_the_call_that_makes_it():
    domain = Domain({"age": AGE, "bmi": Interval(10, 70), "ward": WARD})
    assert repr(domain) == (
        "Domain({'age': Interval(17, 90, integer=True), 'bmi': Interval(10.0, 70.0), "
        "'ward': Categories(['A', 'B', 'C'])})"
    )
    assert eval(repr(domain)) == domain


@pytest.mark.parametrize(
    ("mapping", "match"),
    [
        ({}, "at least one column"),
        ([("age", AGE)], "'columns' parameter of Domain"),
        ({1: AGE}, "keys are str"),
        ({"age": (17, 90)}, "column 'age'"),
    ],
)
def test_illegal_domains(mapping, match):
    with pytest.raises(ValueError, match=match):
        Domain(mapping)


@pytest.mark.parametrize("value", [AGE, WARD, Domain({"age": AGE})])
def test_values_are_immutable(value):
    with pytest.raises(AttributeError):
        value.lower = 3
    with pytest.raises(AttributeError):
        value.categories = ()


@given(domains)
def test_copies_pickles_and_json_give_the_same_domain(domain):
    for twin in (
        copy.deepcopy(domain),
        copy.copy(domain),
        pickle.loads(pickle.dumps(domain)),
        Domain.from_dict(json.loads(json.dumps(domain.to_dict(), allow_nan=False))),
    ):
        assert twin == domain
        assert hash(twin) == hash(domain)
        assert repr(twin) == repr(domain)


def test_an_open_target_has_a_description_too():
    assert column_from_dict(json.loads(json.dumps(Categories().to_dict()))) == Categories()


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.pop("kind"),
        lambda d: d.update(kind="table"),
        lambda d: d.update(extra=1),
        lambda d: d.update(columns={}),
        lambda d: d.update(columns=[]),
        lambda d: d["columns"].append(d["columns"][0]),
        lambda d: d["columns"].append("age"),
        lambda d: d["columns"][0].pop("name"),
        lambda d: d["columns"][0].pop("upper"),
        lambda d: d["columns"][0].update(upper="90"),
        lambda d: d["columns"][0].update(upper=1),
        lambda d: d["columns"][0].update(integer=1),
        lambda d: d["columns"][0].update(kind="date"),
        lambda d: d["columns"][0].update(nullable="yes"),
        lambda d: d["columns"][0].update(unit="fortnight"),
        lambda d: d["columns"][1].update(categories="AB"),
        lambda d: d["columns"][1].update(categories=[["A"]]),
    ],
)
def test_damaged_descriptions_are_refused(damage):
    data = Domain({"age": AGE, "ward": WARD}).to_dict()
    damage(data)
    with pytest.raises(ValueError, match=r"domain|column|interval|Interval|Categories"):
        Domain.from_dict(data)


@pytest.mark.parametrize("data", [None, [], "domain", {"kind": "interval"}])
def test_other_things_are_no_descriptions(data):
    with pytest.raises(ValueError, match=r"must be a dict|lacks"):
        Domain.from_dict(data)
    with pytest.raises(ValueError, match=r"must be|lacks|key"):
        column_from_dict(data)


def test_no_domain_is_none():
    assert resolve_domain(None, ["a"], 1) is None


def test_columns_follow_the_order_of_the_frame():
    domain = Domain({"age": AGE, "ward": WARD})
    assert resolve_domain(domain, ["ward", "age"], 2).names == ("ward", "age")
    assert resolve_domain({"age": AGE, "ward": WARD}, ["age", "ward"], 2) == domain


def test_a_domain_of_other_columns_is_refused_by_name():
    domain = Domain({"age": AGE, "ward": WARD})
    with pytest.raises(
        ValueError, match=r"of Flow must .* the domain: 'bmi'; drop it or .* domain but not in X: 'ward'"
    ):
        resolve_domain(domain, ["age", "bmi"], 2, owner="Flow")


def test_only_a_few_names_are_listed():
    wide = Domain({f"c{j}": AGE for j in range(50)})
    with pytest.raises(ValueError, match="and 44 more"):
        resolve_domain(wide, ["c0"], 1)


def test_arrays_take_a_domain_by_position():
    domain = Domain({"age": AGE, "ward": WARD})
    assert resolve_domain(domain, None, 2) is domain
    with pytest.raises(ValueError, match=r"describe the 3 columns of X\. Got 2 columns"):
        resolve_domain(domain, None, 3)


def test_pairs_of_bounds():
    assert resolve_domain((0, 1), None, 2) == Domain({"x0": Interval(0, 1), "x1": Interval(0, 1)})
    expected = Domain({"a": Interval(0, 1), "b": Interval(0, 2)})
    assert resolve_domain([np.zeros(2), [1, 2]], ["a", "b"], 2) == expected
    assert resolve_domain((np.array(0.0), 1), ["a"], 1) == Domain({"a": Interval(0, 1)})


@pytest.mark.parametrize(
    ("domain", "match"),
    [
        ("adult", r"'domain' parameter of DPSlicedWassersteinFlow must be a Domain, a dict .* Got 'adult'"),
        ((0, 1, 2), "must be a Domain"),
        (np.zeros((2, 2)), "must be a Domain"),
        (3, "must be a Domain"),
        (([0, 0, 0], 1), r"lower bound. Got an array of shape \(3,\)"),
        ((0, np.ones((2, 1))), r"upper bound. Got an array of shape \(2, 1\)"),
        ((1, 0), "lower < upper"),
        (("0", 1), "'lower' parameter of Interval"),
        ({"a": 3, "b": 4}, "column 'a'"),
    ],
)
def test_illegal_domain_parameters(domain, match):
    with pytest.raises(ValueError, match=match):
        resolve_domain(domain, None, 2)


@pytest.mark.parametrize("names", [[1, 0], [np.int64(1), np.int64(0)], ["1", "0"]])
def test_names_are_compared_as_text(names):
    domain = Domain({"0": AGE, "1": WARD})
    assert resolve_domain(domain, names, 2).names == ("1", "0")
    assert resolve_domain((0, 1), names, 2).names == ("1", "0")


def test_numbers_are_no_positions():
    with pytest.raises(ValueError, match=r"Not in the domain: '0', '1'; .* Names that are whole numbers .* as text"):
        resolve_domain({"age": AGE, "ward": WARD}, [0, 1], 2)


@pytest.mark.parametrize("names", [["age"], None])
def test_a_domain_may_describe_the_target(names):
    domain = Domain({"ward": WARD, "age": AGE}, constraints=["age > 18"])
    resolved = resolve_domain(domain, names, 1, target=WARD, target_name="ward")
    assert resolved == Domain({"age": AGE}, constraints=["age > 18"])
    with pytest.raises(ValueError, match=r"describe the target 'ward' differently: .* Make them equal"):
        resolve_domain(domain, names, 1, target=Categories(["A"]), target_name="ward")
    with pytest.raises(ValueError, match=r"'ward', which is y .* target=domain\['ward'\]"):
        resolve_domain(domain, names, 1, target_name="ward")
    with pytest.raises(ValueError, match="not in X: 'ward'" if names else "describe the 1 columns"):
        resolve_domain(domain, names, 1, target=WARD, target_name="y")
    with pytest.raises(ValueError, match="the target only"):
        resolve_domain({"ward": WARD}, names, 0, target=WARD, target_name="ward")


def test_a_column_of_the_table_is_no_target():
    domain = Domain({"ward": WARD, "age": AGE})
    assert resolve_domain(domain, ["age", "ward"], 2, target=AGE, target_name="ward").names == ("age", "ward")
    assert resolve_domain(domain, None, 2, target=AGE, target_name="ward") is domain
