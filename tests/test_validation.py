"""Messages and limits of the parameter checks."""

import math

import numpy as np
import pytest

from skdpflow._validation import (
    InvalidParameterError,
    check_bool,
    check_choice,
    check_int,
    check_real,
    check_seed,
)

FLOW = "DPSlicedWassersteinFlow"


def test_the_message_has_the_form_of_scikit_learn():
    with pytest.raises(InvalidParameterError) as caught:
        check_real(FLOW, "epsilon", -1, 0)
    assert str(caught.value) == (
        "The 'epsilon' parameter of DPSlicedWassersteinFlow must be a float in the range (0, inf). Got -1 instead."
    )


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_errors_can_be_caught_as_value_and_as_type_error(kind):
    with pytest.raises(kind):
        check_int(FLOW, "n_samples", "ten", 0)


@pytest.mark.parametrize("value", [0, 1, math.nan, math.inf, "0.5", None, True, 0.5j, [0.5]])
def test_reals_outside_an_open_range_are_refused(value):
    with pytest.raises(InvalidParameterError, match=r"must be a float in the range \(0, 1\)"):
        check_real(FLOW, "delta", value, 0, 1)


@pytest.mark.parametrize("value", [1, np.float32(0.5), np.int8(1), 0.0])
def test_reals_in_a_closed_range_come_back_as_floats(value):
    checked = check_real(FLOW, "share", value, 0, 1, "both")
    assert type(checked) is float
    assert checked == value


def test_a_number_beyond_double_precision_is_refused():
    with pytest.raises(InvalidParameterError, match="double precision"):
        check_real(FLOW, "epsilon", 10**400, 0)


@pytest.mark.parametrize("value", [-1, 2.0, True, np.bool_(True), "3"])
def test_integers_are_not_guessed(value):
    with pytest.raises(InvalidParameterError, match=r"must be an int in the range \[0, inf\)"):
        check_int(FLOW, "n_samples", value, 0)


def test_numpy_integers_come_back_as_int():
    checked = check_int(FLOW, "n_samples", np.int64(3), 0)
    assert type(checked) is int
    assert checked == 3


def test_booleans_of_numpy_are_booleans_and_integers_are_not():
    assert check_bool(FLOW, "verbose", np.bool_(True)) is True
    with pytest.raises(InvalidParameterError, match="Got 1 instead"):
        check_bool(FLOW, "verbose", 1)


def test_choices_are_listed_with_the_alternative():
    assert check_choice(FLOW, "projections", "sobol", {"sobol", "auto"}) == "sobol"
    with pytest.raises(InvalidParameterError, match=r"a str among \{'auto', 'sobol'\} or a sampler\. Got 3"):
        check_choice(FLOW, "projections", 3, {"sobol", "auto"}, otherwise="a sampler")


@pytest.mark.parametrize("value", [None, 0, np.int32(7), 2**32 - 1, np.random.RandomState(0)])
def test_seeds_of_scikit_learn_are_taken(value):
    checked = check_seed(FLOW, "random_state", value)
    assert checked is value or checked == value


@pytest.mark.parametrize("value", [-1, 2**32, 1.0, "0", True, np.random.default_rng(0)])
def test_other_seeds_are_refused(value):
    with pytest.raises(InvalidParameterError, match="'random_state' parameter"):
        check_seed(FLOW, "random_state", value)


@pytest.mark.parametrize("table", [np.full((2, 2), 31337.5), [[31337.5]], "31337.5" * 100, {"a": 31337.5}])
def test_a_table_in_the_place_of_a_parameter_is_not_printed(table):
    with pytest.raises(InvalidParameterError) as caught:
        check_real(FLOW, "epsilon", table, 0)
    assert "31337" not in str(caught.value)
