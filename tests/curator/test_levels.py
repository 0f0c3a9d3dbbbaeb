"""Levels of columns that are found privately: sensitivity, delta, and what leaves."""

from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdpflow import DPSlicedWassersteinFlow
from skdpflow.accountants import ComposedEvent, GaussianEvent, ThresholdEvent
from skdpflow.curator.dtypes import CellType
from skdpflow.curator.labels import find_levels, levels_of, with_levels
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.source import RowSource
from skdpflow.domain import Categories, Domain
from skdpflow.domain.schema import schema_of
from skdpflow.ledger.filter import PrivacyFilter
from skdpflow.release import rounded_normal_pmf

RELATIONS = ["add-remove", "replace-one"]
ROUNDING = 1 + 1e-12
SHIFT = 10**6


class Silent:
    """Draws a constant for noise: with a large one, every level passes, and shows its count."""

    def __init__(self, multiplier=100.0, noise=SHIFT):
        self.filter = PrivacyFilter(1e6, 0.99)
        self.multiplier, self.noise = multiplier, noise

    def event(self, share):
        return GaussianEvent(self.multiplier)

    def draw(self, scale, shape, *, differing):
        self.scale, self.differing = scale, differing
        return np.full(shape, self.noise)


def source_of(rows, f):
    table = np.empty((len(rows), f), dtype=object)
    for i, row in enumerate(rows):
        table[i] = row
    domain = Domain({f"c{j}": Categories(nullable=True) for j in range(f)})
    return RowSource(table, None, schema_of(table), domain)


def counts_of(rows, f, neighbours):
    curator = Silent()
    found, m = find_levels(source_of(rows, f), curator, neighbours, range(f), 0.5, 1e-3)
    keys = [(j, type(level), level) for j, levels in enumerate(found) for level in levels]
    return dict(zip(keys, (m.values - SHIFT).tolist(), strict=True)), m, curator


CELLS = st.sampled_from(["a", "b", "", 1, 1.0, 2.5, True, None, np.nan, ("x",)])


@pytest.mark.parametrize("neighbours", RELATIONS)
@given(st.integers(1, 4).flatmap(lambda f: st.lists(st.tuples(*[CELLS] * f), min_size=2, max_size=6)), st.data())
@settings(max_examples=60, deadline=None)
def test_counts_of_neighbours_are_within_the_sensitivity(neighbours, rows, data):
    f, i = len(rows[0]), data.draw(st.integers(0, len(rows) - 1))
    other = rows[:i] + rows[i + 1 :]
    if neighbours == "replace-one":
        other.insert(i, data.draw(st.tuples(*[CELLS] * f)))
    (one, m, curator), (two, _, _) = counts_of(rows, f, neighbours), counts_of(other, f, neighbours)
    change = [one.get(key, 0) - two.get(key, 0) for key in set(one) | set(two)]
    assert np.linalg.norm(change) <= m.sensitivity * ROUNDING
    assert np.count_nonzero(change) <= curator.differing == 2 * f
    # levels that only one of the tables has: what the threshold is for
    lonely = set(one) ^ set(two)
    assert len(lonely) <= f * (1 if neighbours == "add-remove" else 2)
    assert all({**one, **two}[key] == 1 for key in lonely)


def test_rows_reach_the_sensitivity():
    for neighbours, other in (("add-remove", [("a", "b")]), ("replace-one", [("a", "b"), ("x", "y")])):
        one, m, _ = counts_of([("a", "b"), ("u", "v")], 2, neighbours)
        two, _, _ = counts_of(other, 2, neighbours)
        change = [one.get(key, 0) - two.get(key, 0) for key in set(one) | set(two)]
        assert np.linalg.norm(change) == pytest.approx(m.sensitivity)
        assert len(set(one) ^ set(two)) == (2 if neighbours == "add-remove" else 4)


def exact_chance(threshold, scale):
    """Probability that one plus the rounded noise reaches a threshold."""
    reach = np.arange(threshold - 1, threshold + int(50 * scale) + 50)
    return rounded_normal_pmf(reach, scale).sum()


@pytest.mark.parametrize(
    ("neighbours", "f", "multiplier", "delta"), list(product(RELATIONS, [1, 3, 20], [0.1, 1.0, 30.0], [1e-9, 1e-3]))
)
def test_levels_of_one_row_pass_with_probability_delta(neighbours, f, multiplier, delta):
    curator = Silent(multiplier, noise=0)
    _, m = find_levels(source_of([["lonely"] * f, ["b"] * f], f), curator, neighbours, range(f), 0.5, delta)
    n_lonely = f if neighbours == "add-remove" else 2 * f
    passes = exact_chance(m.params["threshold"], curator.scale)
    assert passes <= delta / n_lonely
    if curator.scale > 20:
        assert passes >= 0.6 * delta / n_lonely
    # any of them: independent draws
    assert -np.expm1(n_lonely * np.log1p(-passes)) <= delta
    (entry,) = curator.filter.entries
    assert entry.delta == delta
    assert m.event == ComposedEvent((GaussianEvent(multiplier), ThresholdEvent(delta)))


class Noisy(Silent):
    """Draws real noise."""

    def draw(self, scale, shape, *, differing):
        return NoiseSource(None).rounded_gaussian(scale, shape)


@pytest.mark.statistical
@pytest.mark.parametrize("neighbours", RELATIONS)
def test_levels_of_one_row_pass_as_seldom_as_computed(neighbours):
    """Binomial counts within six standard deviations: false alarms below 1e-8."""
    f, delta, n = 2, 0.2, 3000
    source, passed = source_of([["lonely", "alone"]], f), 0
    for _ in range(n):
        found, m = find_levels(source, Noisy(3.0), neighbours, range(f), 0.5, delta)
        passed += sum(map(len, found))
    chance = exact_chance(m.params["threshold"], float(m.noise_scale[0]))
    assert chance <= delta / (f if neighbours == "add-remove" else 2 * f)
    assert abs(passed - f * n * chance) <= 6 * np.sqrt(f * n * chance)


@pytest.mark.parametrize("neighbours", RELATIONS)
def test_what_does_not_pass_leaves_no_trace(neighbours):
    rows = [["often", "x"]] * 50
    seen = []
    for others in ([], [[f"rare {i}", None] for i in range(40)]):
        curator = Silent(1.0, noise=0)
        found, m = find_levels(source_of([*rows, *others], 2), curator, neighbours, range(2), 0.5, 1e-6)
        assert found == [["often"], ["x"]]
        seen.append((found, m.params["levels"], m.params["threshold"], m.values.tolist(), m.noise_scale.tolist()))
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("cells", "levels"),
    [
        (np.array(["a", "b", "a"]), {"a": 2, "b": 1}),
        (np.array([1, 2, 1], dtype=np.int8), {1: 2, 2: 1}),
        (np.array([True, False, True]), {True: 2, False: 1}),
        (np.array([1.0, 0.5, np.nan, np.inf]), {1: 1, 0.5: 1}),
        (pd.Series([1, None, 1], dtype="Int64"), {1: 2}),
        (pd.Series([True, None], dtype="boolean"), {True: 1}),
        (pd.Series(["a", None, "a"], dtype="category"), {"a": 2}),
        (pl.Series(["a", None]), {"a": 1}),
    ],
)
def test_levels_are_of_the_dtype(cells, levels):
    X = pd.DataFrame({"c": cells}) if not isinstance(cells, pl.Series) else pl.DataFrame({"c": cells})
    source = RowSource(X, None, schema_of(X), Domain({"c": Categories()}))
    found = levels_of(source.cells(0, len(cells), 0, Categories()))
    assert [(type(k), k, n) for k, n in sorted(found.items())] == [(type(k), k, n) for k, n in sorted(levels.items())]


@pytest.mark.parametrize(("kind", "level"), [("text", "other"), ("object", "other"), ("bool", False), ("whole", 0)])
def test_where_nothing_passes_one_made_up_level_stands_for_all(kind, level):
    found = CellType(kind, np.dtype(object))
    assert with_levels(Categories(nullable=True), [], found) == Categories([level], nullable=True)
    assert with_levels(Categories(), ["u"], found) == Categories(["u"])


@pytest.mark.parametrize("values", [list(range(300)), [True] * 5 + [False] * 5])
def test_one_row_does_not_decide_what_stands_for_levels_that_are_not_found(values):
    """The list of categories of a pandas column is made of the cells, so its type says nothing of the fallback."""

    def stands_for_all(cells):
        X = pd.DataFrame({"c": pd.Series(cells, dtype=object).astype("category")})
        flow = DPSlicedWassersteinFlow(0.1, domain=Domain({"c": Categories()}), n_particles=64).fit(X)
        return flow.domain_["c"].values

    assert stands_for_all(values) == stands_for_all([*values, "x"]) == ("other",)
