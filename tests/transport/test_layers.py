"""Knots of monotone maps: slopes between the bounds, as near as can be to what was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from skdpflow.transport.layers import MAX_SLOPE, MIN_SLOPE, monotone_knots


@st.composite
def knots(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(2, 12))
    x = np.cumsum(rng.choice([3e-5, 1e-3, 0.1, 5.0], size=n))
    return x, np.cumsum(rng.choice([0.0, 1e-6, 0.1, 2.0], size=n))


@given(knots())
@settings(max_examples=100, deadline=None)
def test_no_map_with_slopes_between_the_bounds_is_nearer(asked):
    x, y = asked
    kept, found = monotone_knots(x, y)
    dx, slopes = np.diff(kept), np.diff(found) / np.diff(kept)
    assert (slopes >= MIN_SLOPE * (1.0 - 1e-6)).all()
    assert (slopes <= MAX_SLOPE * (1.0 + 1e-6)).all()
    wanted, n = np.interp(kept, x, y), len(kept)
    # the least t such that |z - wanted| <= t for some z whose rises are between the bounds
    one, rise = np.ones((n, 1)), np.diff(np.eye(n), axis=0)
    inequalities = np.block(
        [[np.eye(n), -one], [-np.eye(n), -one], [rise, np.zeros((n - 1, 1))], [-rise, np.zeros((n - 1, 1))]]
    )
    limits = np.concatenate([wanted, -wanted, MAX_SLOPE * dx, -MIN_SLOPE * dx])
    best = linprog(np.append(np.zeros(n), 1.0), A_ub=inequalities, b_ub=limits, bounds=(None, None))
    assert best.success
    assert np.abs(found - wanted).max() <= best.fun + 1e-6


def test_a_jump_does_not_move_what_lies_beyond_it():
    x = np.linspace(-3.0, 3.0, 1001)
    for jump in (0.5, 50.0):
        kept, found = monotone_knots(x, x + jump * (x > 1.0))
        far = np.abs(kept - 1.0) > 0.05
        assert found[far] == pytest.approx((kept + jump * (kept > 1.0))[far], abs=1e-9)
