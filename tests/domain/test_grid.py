"""Cells of located columns: every number has one code, and codes come back as numbers of their cell."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.domain import column_from_dict
from skdpflow.domain.grid import FINE_LEVELS, Grid, after
from skdpflow.mechanisms.marginals.locate import FEW_VALUES, first_edges, refined, wants_locating

bound = st.floats(-1e12, 1e12) | st.sampled_from([0.0, 5e-324, 1e-300, 1.0, 2.0**52, 1e300, -1e300])


@st.composite
def grids(draw, integer=None):
    integer = draw(st.booleans()) if integer is None else integer
    if integer:
        edges = draw(st.lists(st.integers(-(2**40), 2**40) | st.integers(-5, 5), min_size=2, max_size=12, unique=True))
        edges = np.unique(np.array(edges, dtype=float))
    else:
        edges = np.unique(np.array(draw(st.lists(bound, min_size=2, max_size=12, unique=True))) + 0.0)
        edges = np.unique(np.concatenate([edges, after(edges[: draw(st.integers(0, 3))], integer)]))
    shares = [draw(st.sampled_from([1e-9, 0.01, 1.0, 3.0])) for _ in edges[1:]]
    return Grid(tuple(edges.tolist()), tuple((np.array(shares) / sum(shares)).tolist()), integer)


@pytest.mark.slow
@given(grids(), st.data())
@settings(max_examples=300, deadline=None)
def test_codes_come_back_as_numbers_of_their_cell(grid, data):
    code = data.draw(st.integers(0, grid.n_levels - 1))
    place = data.draw(st.sampled_from([0.0, 0.5, 1.0 - 2.0**-20]))
    (number,) = grid.values(np.array([code + place]))
    cell = int(np.searchsorted(grid.starts, code, side="right")) - 1
    assert grid.edges[cell] <= number < grid.edges[cell + 1]
    if grid.atoms[cell]:
        assert number == grid.edges[cell]
    assert grid.starts[cell] <= grid.codes(np.array([number]))[0] < grid.starts[cell + 1]


@pytest.mark.slow
@given(grids(), st.data())
@settings(max_examples=200, deadline=None)
def test_a_code_is_a_function_of_the_number_alone_and_keeps_the_order(grid, data):
    numbers = np.array(data.draw(st.lists(st.floats(0, 1), min_size=1, max_size=8)))
    numbers = np.clip(grid.edges[0] * (1 - numbers) + grid.edges[-1] * numbers, grid.edges[0], grid.edges[-1])
    numbers = np.minimum(numbers, np.nextafter(grid.edges[-1], -np.inf))
    numbers = np.sort(np.floor(numbers) if grid.integer else numbers)
    codes = grid.codes(numbers)
    assert [int(grid.codes(numbers[i : i + 1])[0]) for i in range(len(numbers))] == codes.tolist()
    assert (np.diff(codes) >= 0).all()
    assert ((codes >= 0) & (codes < grid.n_levels)).all()


@given(grids())
@settings(max_examples=100, deadline=None)
def test_shares_below_increase_from_none_to_all(grid):
    assert grid.n_levels <= FINE_LEVELS or grid.integer
    below = grid.share_below(grid.starts)
    assert below[0] == 0.0
    assert below[-1] == 1.0
    assert (np.diff(below) > 0).all()


def test_few_whole_numbers_have_a_code_each():
    grid = Grid((0.0, 1.0, 10.0, 1000.0), (0.5, 0.3, 0.2), integer=True)
    numbers = np.arange(1000.0)
    assert grid.codes(numbers).tolist() == list(range(1000))
    assert grid.values(grid.codes(numbers) + 0.9).tolist() == numbers.tolist()


@pytest.mark.parametrize(
    ("edges", "shares", "integer", "match"),
    [
        ((0.0, 0.0), (1.0,), False, "increase"),
        ((0.0, np.inf), (1.0,), False, "finite"),
        ((0.0, 1.0), (0.5, 0.5), False, "one more"),
        ((0.0, 1.0), (0.0,), False, "positive"),
        ((0.0, 1.5), (1.0,), True, "whole"),
    ],
)
def test_what_is_no_grid_is_refused(edges, shares, integer, match):
    with pytest.raises(ValueError, match=match):
        Grid(edges, shares, integer)


def test_a_column_is_saved_with_its_grid_and_equals_what_was_declared():
    grid = Grid((0.0, 5e-324, 0.5, float(np.nextafter(1.0, 2.0))), (0.5, 0.25, 0.25), integer=False)
    column = Interval(0, 1, grid=grid)
    assert column_from_dict(column.to_dict()).grid == grid
    assert column == Interval(0, 1)
    assert column.without_grid().grid is None
    with pytest.raises(ValueError, match="grid"):
        Interval(0, 2, grid=grid)


# ---------------------------------------------------------------- special values


def test_special_values_are_kept_sorted_once_and_travel():
    column = Interval(-9, 999, integer=True, special=[999, -9, 999])
    assert column.special == (-9, 999)
    assert column_from_dict(column.to_dict()) == column
    assert repr(column) == "Interval(-9, 999, integer=True, special=[-9, 999])"
    assert Interval("2024-01-01", "2024-12-31", unit="D", special=["2024-01-01"]).special == (19723,)


@pytest.mark.parametrize(
    ("special", "integer"), [([2.5], True), ([-1], False), ([11], True), ("9", False), (3, False), ([np.nan], False)]
)
def test_other_special_values_are_refused(special, integer):
    with pytest.raises((TypeError, ValueError), match="special"):
        Interval(0, 10, integer=integer, special=special)


# ---------------------------------------------------------------- public cells


@st.composite
def columns(draw):
    if draw(st.booleans()):
        low = draw(st.integers(-(2**50), 2**50) | st.integers(-100, 100))
        return Interval(low, low + draw(st.integers(FEW_VALUES, 2**50) | st.integers(FEW_VALUES, 500)), integer=True)
    low = draw(st.floats(-1e9, 1e9) | st.sampled_from([0.0, 1.0, -1e3]))
    return Interval(low, low + draw(st.sampled_from([1e-3, 1.0, 1e6, 1e300])) * max(1.0, abs(low)))


@given(columns(), st.data())
@settings(max_examples=100, deadline=None)
def test_public_cells_cover_a_column_and_parts_keep_all_edges(column, data):
    if not wants_locating(column):
        return
    edges = first_edges(column)
    assert edges[0] == column.lower
    assert edges[-1] == after(np.array(float(column.upper)), column.integer)
    assert (np.diff(edges) > 0).all()
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    counts = rng.normal(size=len(edges) - 1) * 3.0
    counts[rng.integers(len(counts), size=3)] = 1e5
    parts = refined(edges, counts, 1.0, column.integer)
    assert np.isin(edges, parts).all()
    assert (np.diff(parts) > 0).all()
    assert (parts == np.rint(parts)).all() or not column.integer


# ---------------------------------------------------------------- from rows to rows

N = 6000


def fitted(frame, columns, **given):
    import pandas as pd

    given = {"epsilon": 3.0, "domain": Domain(columns), "random_state": 0, "noise_random_state": 0} | given
    flow = DPSlicedWassersteinFlow(**given)
    with pytest.warns(UserWarning, match="noise_random_state"):
        flow.fit(pd.DataFrame(frame))
    return flow, flow.sample(N, random_state=0)


@pytest.fixture(scope="module")
def skewed():
    rng = np.random.default_rng(0)
    zero = rng.uniform(size=N) < 0.7
    return {
        "cost": np.where(zero, 0.0, rng.lognormal(4, 1, N)),
        "days": np.where(zero, 0, rng.geometric(0.1, N)),
        "code": np.where(rng.uniform(size=N) < 0.2, -9.0, rng.normal(50, 5, N)),
        "gap": np.where(rng.uniform(size=N) < 0.3, np.nan, rng.normal(26, 4, N)),
    }


@pytest.fixture(scope="module")
def flow_and_sample(skewed):
    columns = {
        "cost": Interval(0, 1e7),
        "days": Interval(0, 10_000, integer=True),
        "code": Interval(-9, 1e5, special=[-9]),
        "gap": Interval(0, 1000, nullable=True),
    }
    return fitted(skewed, columns)


def test_wide_bounds_cost_no_accuracy(skewed, flow_and_sample):
    _, sample = flow_and_sample
    for name, real in skewed.items():
        own, real = sample[name].to_numpy(float), np.asarray(real, dtype=float)
        own, real = np.sort(own[~np.isnan(own)]), np.sort(real[~np.isnan(real)])
        at = np.concatenate([own, real])
        ranks = [np.searchsorted(x, at, side="right") / len(x) for x in (own, real)]
        assert np.abs(ranks[0] - ranks[1]).max() < 0.08, name


def test_single_values_that_hold_mass_come_back_exactly(skewed, flow_and_sample):
    _, sample = flow_and_sample
    assert abs((sample["cost"] == 0).mean() - (skewed["cost"] == 0).mean()) < 0.03
    assert abs((sample["days"] == 0).mean() - (skewed["days"] == 0).mean()) < 0.03
    assert abs((sample["code"] == -9).mean() - 0.2) < 0.03
    # zeros of two columns go together
    assert ((sample["cost"] == 0) == (sample["days"] == 0)).mean() > 0.75


def test_missing_cells_keep_their_share_and_bend_no_end(flow_and_sample):
    _, sample = flow_and_sample
    assert abs(sample["gap"].isna().mean() - 0.3) < 0.03
    assert (sample["gap"] > 60).mean() < 0.002
    assert abs(sample["gap"].std() - 4.0) < 0.6


def test_no_number_of_a_row_is_copied(skewed, flow_and_sample):
    flow, sample = flow_and_sample
    own = sample["cost"][sample["cost"] > 0]
    assert not np.isin(own, skewed["cost"]).any()
    assert own.duplicated().mean() < 0.01
    atoms = np.array(flow.domain_["code"].grid.edges[:-1])[flow.domain_["code"].grid.atoms]
    assert not np.isin(atoms[atoms != -9.0], skewed["code"]).any()


def test_the_grid_is_of_the_release_and_no_fit_takes_it_from_a_domain(flow_and_sample, skewed, tmp_path):
    flow, sample = flow_and_sample
    flow.release_.save(tmp_path / "release")
    again = DPSlicedWassersteinFlow.from_release(type(flow.release_).load(tmp_path / "release"))
    assert again.sample(N, random_state=0).equals(sample)
    assert again.domain_["cost"].grid == flow.domain_["cost"].grid is not None
    assert flow.domain_.without_grids()["cost"].grid is None
    assert flow.domain_ == flow.domain_.without_grids()


def test_rows_can_be_drawn_at_a_single_value(flow_and_sample):
    flow, _ = flow_and_sample
    assert (flow.sample(50, where={"code": -9.0}, random_state=0)["code"] == -9.0).all()
    assert (flow.sample(50, where={"cost": (10.0, 200.0)}, random_state=0)["cost"].between(10.0, 200.0)).all()
    with pytest.raises(ValueError, match="single number"):
        flow.sample(5, where={"code": 51.2345}, random_state=0)


def test_scores_at_a_single_value_count_it(flow_and_sample, skewed):
    import pandas as pd

    flow, _ = flow_and_sample
    rows = pd.DataFrame(skewed).iloc[:200]
    score = flow.score_samples(rows)
    assert np.isfinite(score).all()


@pytest.mark.parametrize(("epsilon", "n_rounds"), [(0.3, 1), (100.0, 3)])
def test_columns_that_fill_their_bounds_and_short_ones_keep_their_scale(epsilon, n_rounds):
    """Later rounds look for single values where counts would show them."""
    rng = np.random.default_rng(0)
    frame = {"a": rng.uniform(size=N), "b": rng.integers(0, 5, N), "c": rng.choice(["x", "y"], N)}
    columns = {"a": Interval(0, 1), "b": Interval(0, 4, integer=True), "c": Categories(["x", "y"])}
    flow, _ = fitted(frame, columns, epsilon=epsilon)
    assert flow.domain_["a"].grid is flow.domain_["b"].grid is None
    located = [m.params["columns"].tolist() for m in flow.release_.measurements if m.kind == "location"]
    assert located == n_rounds * [[0]]
