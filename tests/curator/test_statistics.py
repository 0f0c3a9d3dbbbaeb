"""No neighbours move a statistic by more than its stated sensitivity, whatever its parameters are."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skdpflow import Categories, Interval
from skdpflow.curator.kinds import KINDS
from skdpflow.curator.statistics import Block
from skdpflow.curator.statistics.moments import clip_to_ball
from skdpflow.domain.codes import n_codes
from skdpflow.latent.rank import Layout, RankTransform
from skdpflow.latent.scores import LATENT_STEPS
from skdpflow.release.discovery import BOUNDS_GRID

#: Statistics that are sums over rows; records have a line per row, and tests of their own.
SUMS = {kind: statistic for kind, statistic in KINDS.items() if kind != "records"}
RELATIONS = ["add-remove", "replace-one"]
# a column of whole numbers, one of categories and a fine one, which is also the numeric target
LEVELS = (8, 4, 1000)
COLUMNS = (
    Interval(0, 6, integer=True, nullable=True),
    Categories(["a", "b", "c", "d"]),
    Interval(0, 999, integer=True),
)
N_CLASSES = 3
ROUNDING = 1 + 1e-12

# ---------------------------------------------------------------- tables, row by row


def levels(j):
    """Codes of a column, its ends, likely bin edges and what lies outside more often than not."""
    inner = st.integers(0, LEVELS[j] - 1)
    corners = st.sampled_from([0, 1, LEVELS[j] // 4, LEVELS[j] // 2, LEVELS[j] - 1])
    return inner | corners | st.integers(LEVELS[j], n_codes(COLUMNS[j]) - 1)


rank = st.sampled_from([0.0, 0.5, 1 - 2.0**-32]) | st.integers(0, 2**32 - 1).map(lambda i: i * 2.0**-32)
number = st.floats(-1e30, 1e30) | st.sampled_from([0.0, -0.0, 1.0, 1.25, -2.0, *BOUNDS_GRID[[0, 5, -1]].tolist()])
row = st.tuples(
    st.tuples(*map(levels, range(3))),
    st.integers(-1, N_CLASSES - 1),
    st.tuples(rank, rank, rank),
    st.tuples(number, number, number),
)
tables = st.lists(row, min_size=1, max_size=6)


def block_of(rows):
    codes, classes, ranks, raw = (np.array(part) for part in zip(*rows, strict=True))
    return Block(
        codes.astype(np.int64), classes.astype(np.int64), lambda: ranks, lambda own: raw[:, list(own)], COLUMNS
    )


def total(statistic, rows):
    if not rows:
        return np.zeros(statistic.shape, dtype=np.int64)
    values = statistic.contributions(block_of(rows))
    assert values.dtype == np.int64
    assert values.shape == statistic.shape
    return values


def distance(statistic, rows, others):
    change = total(statistic, rows) - total(statistic, others)
    return float(np.linalg.norm(change / statistic.relative_scale))


# ---------------------------------------------------------------- parameters


def component_params(draw):
    if draw(st.booleans()):
        return {"n_components": N_CLASSES}
    edges = sorted(draw(st.lists(levels(2), max_size=4)))
    return {"n_components": len(edges) + 1, "component_edges": np.array(edges, dtype=np.int64)}


def subcomponent_params(draw, n_components):
    """Cuts of each component, and a centre for each cell."""
    k = draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    params = {
        "n_components": n_components << k,
        "cut_directions": rng.integers(-(2**15), 2**15, size=(n_components, 3, k), endpoint=True),
        "cuts": rng.integers(-(2**25), 2**25, size=(n_components, k)) * draw(st.integers(0, 1)),
    }
    if draw(st.booleans()):
        params["component_centres"] = rng.integers(-4096, 4096, size=(n_components << k, 3), endpoint=True)
    return params


def cuts(draw, size):
    inner = draw(st.lists(st.integers(1, size - 1), max_size=6, unique=True)) if size > 1 else []
    return np.array([0, *sorted(inner), size])


def latent_params(draw):
    if draw(st.booleans()):
        centre = [draw(st.integers(-LATENT_STEPS, LATENT_STEPS)) for _ in LEVELS]
        return {"centre": np.array(centre), "levels": np.array(LEVELS)}
    return rank_params(draw)


def rank_params(draw):
    gap = draw(st.none() | st.integers(1, 6))
    layouts = [
        Layout.of(c, below=draw(st.booleans()), above=draw(st.booleans()), gap=None if j else gap)
        for j, c in enumerate(COLUMNS)
    ]
    edges = [cuts(draw, size) if j != 1 else np.arange(size + 1) for j, size in enumerate(LEVELS)]
    edges[0] = np.union1d(edges[0], [7] if gap is None else [gap, gap + 1])  # gaps have a bin of their own
    edges = [np.union1d(e, layout.ends) for e, layout in zip(edges, layouts, strict=True)]
    cdf = []
    for e in edges:
        mass = np.array([draw(st.sampled_from([1e-9, 0.1, 1.0, 5.0])) for _ in e[1:]])
        cdf.append(np.concatenate([[0.0], np.cumsum(mass)]) / mass.sum())
        cdf[-1][-1] = 1.0
    order = draw(st.none() | st.permutations(range(LEVELS[1])).map(np.array))
    wide = [np.column_stack([e[:-1], e[1:]])[np.diff(e) > 1] for e in edges]
    spreads = [w[: draw(st.integers(0, 1))] for w in wide]
    return RankTransform(edges, cdf, [None, order, None], spreads, layouts).to_params()


def ball_params(draw):
    radius = draw(st.sampled_from([1 / LATENT_STEPS, 0.3, 1.0, 3.0, 7.0, 1e3]) | st.floats(0.001, 10.0))
    return {"radius": radius, "steps": draw(st.sampled_from([1, 2, 7, 64, 255, 2**16]))}


def scale_params(draw):
    codes = [cuts(draw, LEVELS[j]) for j in (0, 2)]
    places = [2.0 * np.sort(np.array([0.0, *(draw(st.floats(0, 1)) for _ in c[2:]), 1.0])) - 1.0 for c in codes]
    return {
        "columns": np.array([0, 2]),
        "scale_codes": np.concatenate(codes),
        "scale_places": np.concatenate(places),
        "scale_sizes": np.array([len(c) for c in codes]),
    }


def location_params(draw):
    columns = sorted(draw(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=3, unique=True)))
    cells = [np.unique(draw(st.lists(number, min_size=2, max_size=9, unique=True))) for _ in columns]
    cells = [np.append(e, np.nextafter(e[-1], np.inf)) for e in cells]  # the last cell is a single value
    return {
        "columns": np.array(columns),
        "edges": np.concatenate(cells),
        "edge_sizes": np.array([len(e) for e in cells]),
    }


def histogram_params(draw):
    columns = draw(st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=3, unique=True))
    edges = [np.arange(5) if j == 1 else cuts(draw, LEVELS[j]) for j in columns]
    if draw(st.booleans()):  # bins for what lies outside
        edges = [
            np.append(e, np.arange(LEVELS[j], n_codes(COLUMNS[j])) + 1) for j, e in zip(columns, edges, strict=True)
        ]
    return {
        "columns": np.array(columns),
        "edges": np.concatenate(edges),
        "edge_sizes": np.array([len(e) for e in edges]),
    }


def binned_params(draw):
    columns = draw(st.permutations([0, 1, 2]))
    edges = [cuts(draw, LEVELS[j])[1:-1] for j in columns]
    return {
        "pair_columns": np.array(columns),
        "pair_edges": np.concatenate(edges),
        "pair_edge_sizes": np.array([len(e) for e in edges]),
    }


def pair_params(draw):
    pair = st.sampled_from([(0, 1), (1, 0), (0, 2), (1, 2), (2, 1)])
    return {**binned_params(draw), "pairs": np.array(draw(st.lists(pair, min_size=1, max_size=4)))}


def partition_params(draw, n_components):
    params = binned_params(draw)
    depth, k = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return {
        **params,
        "partition_columns": rng.integers(3, size=(k, depth)),
        "partition_cuts": rng.integers(2 + int(params["pair_edge_sizes"].max()), size=(k, 2**depth - 1)),
        "groups": rng.integers(draw(st.integers(1, 3)), size=n_components),
    }


@st.composite
def params_of(draw, kind):
    if kind == "bounds":
        return {"grid": BOUNDS_GRID, "n_columns": 3}
    if kind == "column_moments":
        return {**scale_params(draw), **ball_params(draw)}
    if kind == "location":
        return location_params(draw)
    params = component_params(draw)
    if kind == "counts":
        params["unlisted"] = draw(st.booleans())
    if kind == "histograms":
        params |= histogram_params(draw)
    if kind in ("mean", "second_moment", "slices", "norms"):
        params |= latent_params(draw)
    if kind == "norms":
        params["norm_edges"] = np.array(sorted({draw(st.integers(0, 3 * 2**24)) for _ in range(5)}))
    if kind in ("counts", "histograms", "pairs", "partitions"):
        params |= rank_params(draw)
    if draw(st.booleans()):
        params |= subcomponent_params(draw, params["n_components"])
    if kind == "pairs":
        params |= pair_params(draw)
    if kind == "partitions":
        params |= partition_params(draw, params["n_components"])
    if kind in ("mean", "second_moment"):
        params |= ball_params(draw)
    if kind == "second_moment":
        params["pooled"] = draw(st.booleans())
    if kind == "slices":
        k = draw(st.integers(1, 4))
        weight = st.integers(-(2**15), 2**15) | st.sampled_from([0, 1])
        columns = 1 if draw(st.booleans()) else params["n_components"]
        params["directions"] = np.array(
            draw(st.lists(weight, min_size=columns * 3 * k, max_size=columns * 3 * k)), dtype=np.int64
        ).reshape(columns, 3, k)
        # half of the rows of small tables lie at the centre, on an edge
        edge = st.integers(-(2**27), 2**27) | st.just(0)
        count = params["n_components"] * k * 3
        flat = np.array(draw(st.lists(edge, min_size=count, max_size=count)), dtype=np.int64)
        params["slice_edges"] = np.sort(flat.reshape(params["n_components"], k, 3), axis=-1)
    return params


def test_every_statistic_is_tested_here():
    assert set(SUMS) == {
        "counts", "histograms", "column_moments", "mean", "second_moment", "norms", "slices", "bounds",
        "pairs", "partitions", "location",
    }  # fmt: skip


# ---------------------------------------------------------------- the bound


@pytest.mark.slow
@pytest.mark.parametrize("kind", SUMS)
@given(st.data())
@settings(max_examples=80, deadline=None)
def test_neighbours_never_differ_by_more_than_the_sensitivity(kind, data):
    statistic = SUMS[kind](data.draw(params_of(kind)))
    rows = data.draw(tables)
    i = data.draw(st.integers(0, len(rows) - 1))
    without = rows[:i] + rows[i + 1 :]
    assert distance(statistic, rows, without) <= statistic.sensitivity("add-remove") * ROUNDING
    replaced = [*rows]
    replaced[i] = data.draw(row)
    assert distance(statistic, rows, replaced) <= statistic.sensitivity("replace-one") * ROUNDING
    # the row moved to another class, to another cell of the numeric target, or across cuts, all else equal
    codes, label, ranks, raw = rows[i]
    for moved in [
        (codes, label, data.draw(row)[2], raw),
        ((data.draw(levels(0)), *codes[1:]), label, ranks, raw),
        ((codes[0], data.draw(levels(1)), codes[2]), label, ranks, raw),
        (codes, data.draw(st.integers(-1, N_CLASSES - 1)), ranks, raw),
        ((*codes[:2], data.draw(levels(2))), label, ranks, raw),
    ]:
        replaced[i] = moved
        assert distance(statistic, rows, replaced) <= statistic.sensitivity("replace-one") * ROUNDING


@pytest.mark.parametrize("kind", SUMS)
@given(st.data())
@settings(max_examples=40, deadline=None)
def test_rows_contribute_alone(kind, data):
    """A sum is the sum over its rows, bit for bit and in any order, and a row touches as much as it says."""
    statistic = SUMS[kind](data.draw(params_of(kind)))
    rows = data.draw(tables)
    alone = [total(statistic, [r]) for r in rows]
    assert (total(statistic, rows) == sum(alone)).all()
    assert (total(statistic, rows[::-1]) == sum(alone)).all()
    assert max(np.count_nonzero(values) for values in alone) <= statistic.touched


def test_values_on_a_slice_edge_fall_into_one_bin():
    transform = symmetric_transform()
    params = {
        "n_components": 1,
        **transform.to_params(),
        "directions": np.array([[[1], [0], [0]]]),
        "slice_edges": np.array([[[-1024, 0, 1024]]]),
    }
    statistic = SUMS["slices"](params)
    on_edge = ((4, 4, 500), 0, (0.0, 0.5, 0.0), (0.0, 0.0, 0.0))
    assert total(statistic, [on_edge]).ravel().tolist() == [0, 0, 1, 0]


# ---------------------------------------------------------------- and it is not wasteful


def symmetric_transform():
    """Half of the mass below the middle, and the ends far out: scores of -4, 0 and 4 are easy to reach."""
    edges = [np.array([0, 1, 4, 7, 8]), np.arange(5), np.array([0, 1, 500, 999, 1000])]
    tail = 1e-9
    cdf = [
        np.array([0.0, tail, 0.5, 1 - tail, 1.0]),
        np.linspace(0, 1, 5),
        np.array([0, tail, 0.5, 1 - tail, 1.0]),
    ]
    return RankTransform(edges, cdf, [None, None, None], [np.zeros((0, 2))] * 3)


def at(first, second, label=0, raw=0.0):
    """Row with scores first, 0 (unlisted, drawn at the middle), second, each -1, 0 or 1 times the limit."""
    code = {-1: 0, 0: 1, 1: 2}
    codes = ((0, 4, 7)[code[first]], 4, (0, 500, 999)[code[second]])
    return codes, label, (0.0 if first == 0 else 0.5, 0.5, 0.0 if second == 0 else 0.5), (raw, raw, raw)


LEAVES = {"n_components": N_CLASSES}
BALL = {**LEAVES, **symmetric_transform().to_params(), "radius": 2.0, "steps": 64}
SCALED = {**LEAVES, "centre": np.zeros(3, dtype=int), "levels": np.array(LEVELS), "radius": 1.0, "steps": 64}
SLICES = {
    **BALL,
    "directions": np.array([[[1, 0, 1], [0, 0, 0], [0, 1, 1]]]),
    "slice_edges": np.zeros((N_CLASSES, 3, 1), dtype=np.int64),
}
HISTOGRAMS = {
    **LEAVES,
    "columns": np.array([0, 2]),
    "edges": np.array([0, 4, 8, 0, 500, 1000]),
    "edge_sizes": np.array([3, 3]),
}
CUT = {
    **BALL,
    "n_components": 2 * N_CLASSES,
    "cut_directions": np.array([[[1], [0], [0]]] * N_CLASSES),
    "cuts": np.zeros((N_CLASSES, 1), dtype=int),
}
CENTRED = {**CUT, "component_centres": np.array([[0, 0, 0], [2048, 0, 0]] * N_CLASSES)}
PAIRS = {
    **BALL,
    "pair_columns": np.array([0, 2]),
    "pair_edges": np.array([4, 500]),
    "pair_edge_sizes": np.array([1, 1]),
    "pairs": np.array([[0, 1], [1, 0]]),
}
PARTITIONS = {
    **{name: value for name, value in PAIRS.items() if name != "pairs"},
    "partition_columns": np.array([[0, 1], [1, 0], [1, 1]]),
    "partition_cuts": np.array([[0, 0, 0], [0, 1, 0], [0, 0, 5]]),
    "groups": np.array([0, 1, 1]),
}
LOCATION = {
    "columns": np.array([0, 2]),
    "edges": np.array([-1e6, 0.0, 5e-324, 1e6] * 2),
    "edge_sizes": np.array([4, 4]),
}
SCALES = {
    "columns": np.array([0, 2]),
    "scale_codes": np.array([0, 8, 0, 1000]),
    "scale_places": np.array([-1.0, 1.0] * 2),
    "scale_sizes": np.array([2, 2]),
}
WORST = [
    ("location", LOCATION, at(0, 0, raw=0.0), at(0, 0, raw=1.0)),
    ("location", LOCATION, at(0, 0, raw=np.nan), at(0, 0, raw=1.0)),
    ("partitions", PARTITIONS, at(1, 1), at(-1, -1)),
    ("partitions", PARTITIONS, at(1, 1), at(1, 1, label=2)),
    ("counts", LEAVES, at(0, 0), at(0, 0, label=1)),
    ("histograms", HISTOGRAMS, at(1, 1), at(1, 1, label=2)),
    ("histograms", HISTOGRAMS, at(1, 1), at(-1, -1)),
    ("mean", BALL, at(1, 0), at(-1, 0)),
    ("second_moment", {**BALL, "pooled": False}, at(1, 0), at(0, 1)),
    ("second_moment", {**BALL, "pooled": True}, at(1, 0), at(0, -1, label=2)),
    ("second_moment", {**BALL, "pooled": False}, at(1, 0), at(1, 0, label=1)),
    ("second_moment", {**BALL, "steps": 1000, "pooled": True}, at(1, 1), at(1, -1)),
    ("counts", CUT, at(1, 0), at(-1, 0)),
    ("second_moment", {**CUT, "pooled": False}, at(1, 0), at(-1, 0)),
    ("second_moment", {**CENTRED, "pooled": False}, at(1, 0), at(-1, 0)),
    ("mean", {**CENTRED, "steps": 1000}, at(0, 1), at(0, -1)),
    ("norms", {**BALL, "norm_edges": np.array([2**20])}, at(1, 0), at(0, 0)),
    ("slices", SLICES, at(1, 1), at(-1, -1)),
    ("slices", SLICES, at(1, 1), at(1, 1, label=1)),
    ("pairs", PAIRS, at(1, 1), at(1, -1)),
    ("pairs", PAIRS, at(1, 1), at(1, 1, label=1)),
    ("bounds", {"grid": BOUNDS_GRID, "n_columns": 3}, at(0, 0, raw=1.0), at(0, 0, raw=-3.0)),
]


@pytest.mark.parametrize(("kind", "params", "one", "other"), WORST)
def test_some_pair_comes_within_a_hundredth_of_the_sensitivity(kind, params, one, other):
    statistic, rest = SUMS[kind](params), [at(0, 1), at(1, 1, label=1)]
    added = distance(statistic, [rest[0], one, rest[1]], rest)
    assert 0.99 * statistic.sensitivity("add-remove") <= added <= statistic.sensitivity("add-remove") * ROUNDING
    replaced = distance(statistic, [rest[0], one, rest[1]], [rest[0], other, rest[1]])
    bound = statistic.sensitivity("replace-one")
    assert 0.99 * bound <= replaced <= bound * ROUNDING


def test_column_moments_come_close_to_their_sensitivity():
    params = {**SCALES, "radius": 0.6, "steps": 1000}
    statistic = SUMS["column_moments"](params)
    assert distance(statistic, [at(1, 1)], []) >= 0.99 * statistic.sensitivity("add-remove")
    # squares cannot be opposite, so twice the radius is never reached
    assert distance(statistic, [at(1, 1)], [at(-1, -1)]) >= 0.75 * statistic.sensitivity("replace-one")


# ---------------------------------------------------------------- the ball

coordinate = st.integers(-5000, 5000) | st.sampled_from([0, 4096, -4096, 2**40, -(2**63), 2**63 - 1])
vectors = st.integers(1, 8).flatmap(lambda d: st.lists(st.lists(coordinate, min_size=d, max_size=d), min_size=1))


@given(vectors, st.floats(1 / LATENT_STEPS, 1e6), st.integers(1, 2**16))
@example([[3072, 4096]], 5.0, 2**16)
@example([[4096] * 7], 4.0, 1)
@settings(max_examples=100, deadline=None)
def test_no_vector_leaves_the_ball_by_a_single_bit(rows, radius, steps):
    z = np.array(rows, dtype=np.int64)
    q = clip_to_ball(z, radius, steps)
    norms = [sum(int(v) ** 2 for v in r) for r in q]
    assert max(norms) <= steps**2
    assert all((clip_to_ball(z[i : i + 1], radius, steps) == q[i]).all() for i in range(len(z)))
    inside = ((z >= -5000) & (z <= 5000)).all(axis=1)
    exact = z[inside].astype(float)
    exact *= steps / np.maximum(np.linalg.norm(exact, axis=1), radius * LATENT_STEPS)[:, None]
    assert (np.abs(q[inside] - exact) < 1 + 1e-6).all()


@pytest.mark.parametrize("value", [4096, -4096, 2**15 - 1, -(2**15)])
@pytest.mark.parametrize("d", [1, 2, 64])
def test_narrow_integers_do_not_wrap_and_void_the_clipping(value, d):
    z = np.full((3, d), value, dtype=np.int16)  # as latents are kept; the square of 4096 is 0 in 16 bits
    q = clip_to_ball(z, 1.1 * np.sqrt(d), 64)
    assert (q == clip_to_ball(z.astype(np.int64), 1.1 * np.sqrt(d), 64)).all()
    assert ((q * q).sum(axis=1) <= 64**2).all()


def test_opposite_vectors_stay_opposite():
    z = np.random.default_rng(0).integers(-4096, 4097, size=(500, 5))
    assert (clip_to_ball(z, 2.0, 64) == -clip_to_ball(-z, 2.0, 64)).all()


# ---------------------------------------------------------------- parameters that would break the bound

BROKEN = [
    ("counts", {"n_components": 0}),
    ("counts", {"n_components": 2.5}),
    ("counts", {"n_components": 3, "component_edges": np.array([5, 2])}),
    ("counts", {"n_components": 3, "component_edges": np.array([0.5, 2.5])}),
    ("histograms", {**HISTOGRAMS, "edges": np.array([0, 8, 4, 0, 500, 1000])}),
    ("histograms", {**HISTOGRAMS, "edges": np.array([0, 4, 8, 0, np.nan, 1000])}),
    ("histograms", {**HISTOGRAMS, "edge_sizes": np.array([3, 2])}),
    ("histograms", {**HISTOGRAMS, "edge_sizes": np.array([7, -1])}),
    ("mean", {**BALL, "radius": 0.0}),
    ("mean", {**BALL, "radius": np.nan}),
    ("mean", {**BALL, "radius": np.inf}),
    ("mean", {**BALL, "radius": -1.0}),
    ("mean", {**BALL, "steps": 0}),
    ("mean", {**BALL, "steps": 2**20}),
    ("mean", {**BALL, "steps": 64.5}),
    ("mean", {**BALL, "latent_edges": BALL["latent_edges"][::-1]}),
    ("mean", {**BALL, "latent_cdf": BALL["latent_cdf"][::-1]}),
    ("mean", {**BALL, "latent_cdf": np.full(len(BALL["latent_cdf"]), np.nan)}),
    ("pairs", {**PAIRS, "latent_cdf": BALL["latent_cdf"][::-1]}),
    ("second_moment", {**BALL, "pooled": True, "radius": 0.0}),
    ("second_moment", {**BALL, "pooled": True, "n_components": 0}),
    ("column_moments", {**SCALES, "radius": 1e-9, "steps": 8}),
    ("column_moments", {**SCALES, "scale_codes": np.array([8, 0, 0, 1000]), "radius": 1.0, "steps": 8}),
    ("column_moments", {**SCALES, "scale_places": np.array([1.0, -1.0, -1.0, 1.0]), "radius": 1.0, "steps": 8}),
    ("column_moments", {**SCALES, "scale_places": np.array([np.nan, 1.0, -1.0, 1.0]), "radius": 1.0, "steps": 8}),
    ("column_moments", {**SCALES, "columns": np.array([0]), "radius": 1.0, "steps": 8}),
    ("location", {**LOCATION, "edges": LOCATION["edges"][::-1]}),
    ("location", {**LOCATION, "edges": np.full(8, np.nan)}),
    ("location", {**LOCATION, "edge_sizes": np.array([4, 3])}),
    ("location", {**LOCATION, "columns": np.array([0, 0])}),
    ("location", {**LOCATION, "columns": np.array([0])}),
    ("slices", {**SLICES, "directions": np.array([[[0.1, 0, 1], [0, 0, 0], [0, 1, 1]]])}),
    ("slices", {**SLICES, "directions": SLICES["directions"] * 2**40}),
    ("slices", {**SLICES, "slice_edges": np.tile([5, 2], (N_CLASSES, 3, 1))}),
    ("slices", {**SLICES, "n_components": 2}),
    ("pairs", {**PAIRS, "pair_edges": np.array([np.nan, 500])}),
    ("pairs", {**PAIRS, "pair_edges": np.array([7, 4, 500]), "pair_edge_sizes": np.array([2, 1])}),
    ("pairs", {**PAIRS, "pairs": np.array([[0, 2]])}),
    ("pairs", {**PAIRS, "pairs": np.zeros((0, 2), dtype=int)}),
    ("partitions", {**PARTITIONS, "partition_columns": np.array([[0, 2], [1, 0], [1, 1]])}),
    ("partitions", {**PARTITIONS, "partition_columns": np.zeros((0, 2), dtype=int)}),
    ("partitions", {**PARTITIONS, "partition_columns": np.array([0, 1, 1])}),
    ("partitions", {**PARTITIONS, "partition_columns": np.array([[0, -1], [1, 0], [1, 1]])}),
    ("partitions", {**PARTITIONS, "partition_columns": np.zeros((3, 60), dtype=int)}),
    (
        "partitions",
        {
            **PARTITIONS,
            "partition_columns": np.zeros((3, 0), dtype=int),
            "partition_cuts": np.zeros((3, 0), dtype=int),
        },
    ),
    ("partitions", {**PARTITIONS, "partition_cuts": PARTITIONS["partition_cuts"][:-1]}),
    ("partitions", {**PARTITIONS, "partition_cuts": PARTITIONS["partition_cuts"][:, :-1]}),
    ("partitions", {**PARTITIONS, "partition_cuts": PARTITIONS["partition_cuts"] - 1}),
    ("partitions", {**PARTITIONS, "partition_cuts": PARTITIONS["partition_cuts"] + 0.5}),
    ("partitions", {**PARTITIONS, "partition_cuts": PARTITIONS["partition_cuts"] + 2**40}),
    ("partitions", {**PARTITIONS, "groups": np.array([0, 1])}),
    ("partitions", {**PARTITIONS, "groups": np.array([0, 1, -1])}),
    ("partitions", {**PARTITIONS, "groups": np.array([0.0, 1.0, 1.0])}),
    (
        "partitions",
        {
            **PARTITIONS,
            "groups": np.array([0, 1, 2**19]),
            "partition_columns": np.zeros((1, 8), dtype=int),
            "partition_cuts": np.zeros((1, 255), dtype=int),
        },
    ),
    ("mean", {**SCALED, "centre": np.array([0, 0, LATENT_STEPS + 1])}),
    ("mean", {**SCALED, "centre": np.array([0.5, 0, 0])}),
    ("mean", {**SCALED, "levels": np.array([8, 4])}),
    ("mean", {**SCALED, "levels": np.array([8, 0, 1000])}),
    ("mean", {**CUT, "n_components": 5}),
    ("counts", {**CUT, "n_components": N_CLASSES}),
    ("counts", {**CUT, "cut_directions": CUT["cut_directions"] * 0.5}),
    ("counts", {**CUT, "cut_directions": CUT["cut_directions"] * 2**40}),
    ("counts", {**CUT, "cut_directions": CUT["cut_directions"][:, :2]}),
    ("counts", {**CUT, "cuts": CUT["cuts"] + 0.5}),
    ("counts", {**CUT, "cuts": CUT["cuts"][:2]}),
    ("mean", {**CENTRED, "component_centres": CENTRED["component_centres"] + 0.5}),
    ("mean", {**CENTRED, "component_centres": CENTRED["component_centres"] * 4}),
    ("second_moment", {**CENTRED, "pooled": True, "component_centres": CENTRED["component_centres"][:2]}),
    ("norms", {**BALL, "norm_edges": np.array([5, 2])}),
    ("norms", {**BALL, "norm_edges": np.array([0.5, 2.5])}),
    ("bounds", {"grid": BOUNDS_GRID[::-1], "n_columns": 3}),
    ("bounds", {"grid": np.array([0.0, np.nan]), "n_columns": 3}),
]


@pytest.mark.parametrize(("kind", "params"), BROKEN)
def test_parameters_that_would_void_the_bound_are_refused(kind, params):
    with pytest.raises(ValueError, match="statistic"):
        SUMS[kind](params)


@pytest.mark.parametrize("kind", ["counts", "histograms", "mean", "second_moment"])
@pytest.mark.parametrize("n_components", [1, 2])
def test_rows_beyond_the_stated_leaves_are_left_out(kind, n_components):
    params = {**HISTOGRAMS, **BALL, "pooled": False, "n_components": n_components}
    statistic, kept = SUMS[kind](params), [at(1, 1), at(-1, 0)]
    assert (total(statistic, [*kept, at(1, 1, label=2)]) == total(statistic, kept)).all()


def test_cells_are_disjoint_and_their_counts_sum_to_those_of_the_classes():
    rows = [at(i, j, label) for i in (-1, 0, 1) for j in (-1, 1) for label in range(-1, N_CLASSES)]
    cells = total(SUMS["counts"](CUT), rows).reshape(N_CLASSES, 2)
    assert (cells.sum(axis=1) == total(SUMS["counts"](LEAVES), rows)).all()
    assert (cells == [4, 2]).all()  # beyond the cut or not: a row on it is not


# ---------------------------------------------------------------- labels found privately


def test_edges_used_here_are_sorted():
    assert all(a < b for a, b in pairwise(BOUNDS_GRID))
