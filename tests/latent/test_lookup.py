import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skdpflow.latent.lookup import KnotTable, PiecewiseLinear, bin_of

knots = hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(-8, 8), unique=True).map(np.sort)
# few points are bisected, many are looked up
points = st.builds(
    lambda n, seed, scale: scale * np.random.default_rng(seed).standard_normal(n),
    st.sampled_from([1, 20, 5000]),
    st.integers(0, 99),
    st.sampled_from([1e-6, 1.0, 20.0]),
)


@pytest.mark.slow
@given(st.lists(knots, min_size=1, max_size=5), points, st.integers(0, 99))
def test_finds_what_bisection_finds(maps, p, seed):
    rows = np.random.default_rng(seed).integers(len(maps), size=len(p))
    p[: len(maps[0])] = maps[0][: len(p)]  # on knots too
    first = np.cumsum([0, *map(len, maps)])
    at = KnotTable(maps).find(p, rows)
    for row, x in enumerate(maps):
        expected = first[row] + np.maximum(np.searchsorted(x, p[rows == row], side="right") - 1, 0)
        assert np.array_equal(at[rows == row], expected)
    assert np.array_equal(KnotTable(maps[:1]).find(p), np.maximum(np.searchsorted(maps[0], p, side="right") - 1, 0))


@given(knots, points, st.tuples(st.floats(-9, 9), st.floats(0, 1e308)), st.booleans())
def test_where_most_points_lie_changes_no_position(x, p, middle, far):
    x, p = (np.append(x, 1.7e308), np.append(p, [-1.7e308, 1.7e308])) if far else (x, p)
    with np.errstate(over="ignore"):
        at = KnotTable([x], (middle[0], middle[0] + middle[1])).find(p)
    assert np.array_equal(at, np.maximum(np.searchsorted(x, p, side="right") - 1, 0))


@given(st.lists(st.sampled_from([-2.0, 0.0, 0.5, 3.0]), max_size=12).map(sorted), points)
def test_bins_are_those_of_searchsorted_with_ties_and_without_edges(edges, p):
    p[: len(edges)] = edges[: len(p)]
    assert np.array_equal(bin_of(p, np.array(edges)), np.searchsorted(edges, p, side="right"))


@given(knots, points)
def test_a_map_is_numpys_interpolation_with_slope_one_outside(x, p):
    y = np.cumsum(np.random.default_rng(len(x)).random(len(x)))
    with np.errstate(over="ignore", invalid="ignore"):  # numpy's slope between knots that nearly coincide
        expected = np.interp(p, x, y) + (p - np.clip(p, x[0], x[-1]))
        found = PiecewiseLinear([x], [y])(p)
    assert np.allclose(found, expected, rtol=1e-9, atol=1e-9)
    outside = (p < x[0]) | (p > x[-1])
    assert np.allclose(found[outside] - p[outside], np.where(p < x[0], y[0] - x[0], y[-1] - x[-1])[outside])
