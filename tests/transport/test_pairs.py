"""Layers from two-way tables: invertible, with the right log-determinant, and never in trouble with empty bins."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.latent.crosstabs import CrossTables
from skdpflow.latent.rank import RankTransform
from skdpflow.latent.scores import LATENT_LIMIT
from skdpflow.mechanisms import MarginalsMechanism
from skdpflow.transport.layers import MAX_SLOPE, MIN_SLOPE
from skdpflow.transport.pairs import PairTarget, coarse_edges, latent_edges, pair_layer, predicted_tables

GIVEN, MOVED, SIZE = 0, 2, 1000.0
inner = st.lists(st.integers(-35, 35).map(lambda i: i / 10), max_size=7, unique=True).map(sorted).map(np.array)


def target(counts, given_edges, moved_edges, *, sd=1.0, ordered=True):
    return PairTarget(
        0, GIVEN, MOVED, np.asarray(given_edges, float), np.asarray(moved_edges, float), counts, sd, ordered
    )


def normal(n=600, seed=0):
    return np.random.default_rng(seed).standard_normal((n, 3))


@st.composite
def targets(draw):
    given_edges, moved_edges = draw(inner), draw(inner)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (len(given_edges) + 1, len(moved_edges) + 1)
    counts = rng.exponential(SIZE / np.prod(shape), shape) * (rng.random(shape) < draw(st.sampled_from([0.3, 1.0])))
    sd = draw(st.sampled_from([0.1, 3.0, 30.0]))
    return target(np.rint(counts), given_edges, moved_edges, sd=sd, ordered=draw(st.booleans()))


# knots 2.5e-9 apart, of which rounding once made a slope below the smallest
@example(target(np.zeros((2, 2)), [0.0], [0.1], sd=0.1, ordered=False), 600)
@given(targets(), st.sampled_from([1, 7, 600]))
@settings(max_examples=100, deadline=None)
def test_layers_are_invertible(what, n):
    particles = normal(n)
    layer = pair_layer(particles, SIZE, what)
    if layer is None:
        return
    for x, y in zip(layer.x, layer.y, strict=True):
        slopes = np.diff(y) / np.diff(x)
        assert (slopes >= MIN_SLOPE * (1 - 1e-6)).all()
        assert (slopes <= MAX_SLOPE * (1 + 1e-6)).all()
    points = np.vstack([normal(300, 1), 3.0 * normal(50, 2)])
    there = layer.forward(points)
    assert np.isfinite(there).all()
    assert (np.delete(there, MOVED, axis=1) == np.delete(points, MOVED, axis=1)).all()
    back, log_det = layer.inverse(there)
    # a slope of MIN_SLOPE magnifies rounding a thousandfold on the way back
    assert back == pytest.approx(points, abs=1e-9)
    step = 1e-7
    up, down = points.copy(), points.copy()
    up[:, MOVED] += step
    down[:, MOVED] -= step
    derivative = (layer.forward(up) - layer.forward(down))[:, MOVED] / (2 * step)
    # all but the few points within a step of a knot
    wrong = ~np.isclose(np.exp(log_det), derivative, rtol=1e-4, atol=1e-6)
    assert np.count_nonzero(wrong) <= 2


@given(targets())
@settings(max_examples=20, deadline=None)
def test_layers_are_a_function_of_what_was_measured(what):
    one, other = (pair_layer(normal(), SIZE, what) for _ in range(2))
    assert (one is None) == (other is None)
    if one is not None:
        assert (one.forward(normal(50, 3)) == other.forward(normal(50, 3))).all()


@pytest.mark.parametrize("ordered", [True, False])
def test_a_clear_table_is_reproduced(ordered):
    """The particles know of no dependence; the table is that of a strong one."""
    rng = np.random.default_rng(0)
    first = rng.standard_normal(20_000)
    second = 0.8 * first + 0.6 * rng.standard_normal(20_000)
    edges = np.array([-1.0, -0.3, 0.3, 1.0])
    rows, columns = np.searchsorted(edges, first), np.searchsorted(edges, second)
    counts = np.bincount(rows * 5 + columns, minlength=25).reshape(5, 5).astype(float)
    # the particles have the marginals of the table, up to their number
    particles = normal(4000)
    what = target(counts, edges, edges, sd=2.0, ordered=ordered)
    layer = pair_layer(particles, 20_000.0, what)
    moved = layer.forward(particles)

    def table(z):
        hits = np.searchsorted(edges, z[:, GIVEN]) * 5 + np.searchsorted(edges, z[:, MOVED])
        return np.bincount(hits, minlength=25).reshape(5, 5) * 5.0

    # rows as the particles have them
    truth = counts / counts.sum(axis=1, keepdims=True) * table(particles).sum(axis=1, keepdims=True)
    assert np.abs(table(moved) - truth).sum() < 0.05 * np.abs(table(particles) - truth).sum()


def test_a_table_that_the_model_predicts_moves_nothing():
    particles, edges = normal(), np.array([-0.5, 0.5])
    hits = np.searchsorted(edges, particles[:, GIVEN]) * 3 + np.searchsorted(edges, particles[:, MOVED])
    counts = np.bincount(hits, minlength=9).reshape(3, 3) * (SIZE / len(particles))
    for ordered in (True, False):
        assert pair_layer(particles, SIZE, target(counts, edges, edges, ordered=ordered)) is None


def test_a_bin_without_particles_is_filled():
    particles = normal(2000)
    particles[:, MOVED] = -np.abs(particles[:, MOVED]) - 0.1
    counts = np.array([[300.0, 200.0], [300.0, 200.0]])
    layer = pair_layer(particles, SIZE, target(counts, [0.0], [0.0], sd=1.0))
    moved = layer.forward(particles)[:, MOVED]
    assert np.mean(moved > 0) == pytest.approx(0.4, abs=0.05)
    assert np.abs(moved).max() < LATENT_LIMIT + 2


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 4), (4, 1)])
def test_tables_of_one_row_or_one_column(rows, columns, ordered):
    edges = [np.linspace(-1, 1, n - 1) if n > 1 else np.zeros(0) for n in (rows, columns)]
    counts = np.zeros((rows, columns))
    counts[:, 0] = SIZE / rows
    layer = pair_layer(normal(), SIZE, target(counts, *edges, ordered=ordered))
    if columns == 1:
        assert layer is None
    else:
        assert np.isfinite(layer.forward(normal())).all()
        assert layer.inverse(layer.forward(normal()))[0] == pytest.approx(normal(), abs=1e-9)


def test_particles_that_are_all_alike():
    particles = np.zeros((50, 3))
    layer = pair_layer(particles, SIZE, target(np.array([[0.0, 900.0], [100.0, 0.0]]), [0.0], [0.5]))
    if layer is not None:
        points = normal()
        assert layer.inverse(layer.forward(points))[0] == pytest.approx(points, abs=1e-9)


# ---------------------------------------------------------------- bins


def transform_of(mass):
    edges = np.arange(len(mass) + 1.0)
    return RankTransform([edges], [np.concatenate([[0.0], np.cumsum(mass)]) / np.sum(mass)], [None], [np.zeros((0, 2))])


@given(st.lists(st.sampled_from([1e-6, 1.0, 50.0]), min_size=1, max_size=40), st.integers(1, 16))
@settings(max_examples=100, deadline=None)
def test_coarse_edges_are_inner_edges(mass, max_bins):
    latent = transform_of(mass)
    edges = latent.edges[0]
    coarse = coarse_edges(latent, 0, edges, max_bins)
    assert len(coarse) <= max_bins - 1
    assert (np.diff(coarse) > 0).all()
    assert np.isin(coarse, edges[1:-1]).all()
    if len(mass) <= max_bins:
        assert (coarse == edges[1:-1]).all()
    assert (np.diff(latent_edges(latent, 0, coarse)) >= 0).all()


def test_predicted_tables_count_particles():
    components, edges = [normal(100, 0), normal(100, 1)], [np.array([0.0]), np.zeros(0), np.array([-1.0, 1.0])]
    weights, layout = np.array([2.0, 0.5]), CrossTables(np.array([2, 1, 3]))
    tables = list(predicted_tables(components, weights, edges, layout))
    assert [t.shape for t in tables] == [(11,), (11,)]
    for table, z, w in zip(tables, components, weights, strict=True):
        assert layout.of(table, 0)[1, 1] == w * np.count_nonzero((z[:, 0] > 0) & (z[:, 2] < -1))
        assert layout.per_pair(table).tolist() == [w * 100.0] * 3


# ---------------------------------------------------------------- whole fits on awkward tables

RNG = np.random.default_rng(0)
N = 1500
UNIFORM = RNG.uniform(size=(N, 3))
MIXED = np.column_stack(
    [np.full(N, "x"), RNG.integers(0, 2, N), RNG.choice(["p", "q", "unheard of"], N), UNIFORM[:, 0]]
).astype(object)
MIXED[:, 1] = MIXED[:, 1].astype(int)
MIXED[:, 3] = MIXED[:, 3].astype(float)
MIXED_DOMAIN = Domain(
    {"one": Categories(["x"]), "two": Interval(0, 1, integer=True), "c": Categories(["p", "q"]), "u": Interval(0, 1)}
)
ONE_VALUE = Domain({name: Categories(["x"]) for name in "abc"})


@pytest.mark.parametrize(
    ("X", "y", "params"),
    [
        (UNIFORM, None, {"domain": (0, 1)}),
        (np.column_stack([np.full(N, 0.5), UNIFORM]), None, {"domain": (0, 1)}),
        (np.full((N, 3), 0.5), None, {"domain": (0, 1)}),
        (UNIFORM[:, :1], None, {"domain": (0, 1)}),
        (UNIFORM[:2], None, {"domain": (0, 1)}),
        (MIXED, None, {"domain": MIXED_DOMAIN}),
        (MIXED, RNG.integers(0, 3, N), {"domain": MIXED_DOMAIN, "target": Categories([0, 1])}),
        (MIXED, UNIFORM[:, 1], {"domain": MIXED_DOMAIN, "target": Interval(0, 1), "neighbours": "replace-one"}),
        (np.full((N, 3), "x", dtype=object), None, {"domain": ONE_VALUE}),
    ],
    ids=[
        "numbers", "a constant column", "equal rows", "one column", "two rows",
        "mixed", "mixed, classes", "mixed, numeric target", "one value each",
    ],
)  # fmt: skip
def test_fits_with_pairs_on_awkward_tables(X, y, params):
    flow = DPSlicedWassersteinFlow(mechanism=MarginalsMechanism(n_pairs=3), n_particles=100, random_state=0, **params)
    release = flow.fit(X, y).release_
    assert ("pairs" in release) == (X.shape[1] > 1)
    sample = flow.sample(20, random_state=0)
    assert sample.shape == (20, X.shape[1])
    again = DPSlicedWassersteinFlow.from_release(release).sample(20, random_state=0)
    assert (np.asarray(again) == np.asarray(sample)).all()
