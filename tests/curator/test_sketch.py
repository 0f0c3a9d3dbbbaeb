"""Sketches: the same bits however rows are read, and no way out but with noise."""

import copy
import io
import pickle
from decimal import Decimal

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdpflow.curator.sketch import Sketch, Sums
from skdpflow.curator.source import RowSource
from skdpflow.curator.statistics import STATISTICS
from skdpflow.domain import FINE_LEVELS, Categories, Domain, Interval
from skdpflow.domain.schema import schema_of
from skdpflow.latent.rank import RankTransform
from skdpflow.release.discovery import BOUNDS_GRID

KEY = 123_456_789_012_345_678_901_234_567
N = 700
DOMAIN = Domain({"a": Interval(-3.0, 3.0), "b": Interval(0, 9, integer=True), "c": Categories(["x", "y", "z"])})
TARGET = Categories([0, 1, 2])


def columns():
    rng = np.random.default_rng(5)
    return {
        "a": rng.normal(size=N),
        "b": rng.integers(-2, 13, size=N),
        "c": rng.choice(["x", "y", "z", "unknown"], size=N),
    }


def labels():
    return np.random.default_rng(6).integers(0, 4, size=N)  # 3 is not among the declared ones


def source_of(table, y=None):
    return RowSource(table, y, schema_of(table, y), DOMAIN)


def statistics():
    rng = np.random.default_rng(7)
    edges = [np.linspace(0, FINE_LEVELS, 33).astype(int), np.arange(11), np.arange(4)]
    cdf = [np.concatenate([[0.0], np.cumsum(m := rng.uniform(0.1, 1, len(e) - 1))]) / m.sum() for e in edges]
    for f in cdf:
        f[-1] = 1.0
    spreads = [np.array([[edges[0][3], edges[0][4]]]), np.zeros((0, 2)), np.zeros((0, 2))]
    latent = RankTransform(edges, cdf, [None, None, np.array([2, 0, 1])], spreads).to_params()
    params = {
        "n_components": 3,
        "columns": np.array([0, 1, 2]),
        "edges": np.concatenate(edges),
        "edge_sizes": np.array([len(e) for e in edges]),
        "radius": 1.7,
        "steps": 64,
        "pooled": False,
        "directions": rng.integers(-(2**15), 2**15, size=(1, 3, 5)),
        "slice_edges": np.sort(rng.integers(-(2**27), 2**27, size=(3, 5, 15)), axis=-1),
        **latent,
    }
    numeric = {
        "columns": np.array([0, 1]),
        "scale_codes": np.array([0, FINE_LEVELS, 0, 10]),
        "scale_places": np.array([-1.0, 1.0, -1.0, 1.0]),
        "scale_sizes": np.array([2, 2]),
        "radius": 1.2,
        "steps": 64,
    }
    kinds = ["counts", "histograms", "mean", "second_moment", "slices"]
    pooled = ("second_moment", {**params, "pooled": True})
    return query([*((k, params) for k in kinds), pooled, ("column_moments", numeric)], DOMAIN, TARGET)


def query(asked, domain, target):
    return Sums([(STATISTICS[kind], params) for kind, params in asked], domain, target)


def values(sums):
    return [s.tobytes() for s in sums]


def sketched(table, y, key=KEY, **kwargs):
    return values(source_of(table, y).answer(statistics(), key, **kwargs))


@pytest.mark.slow
def test_sketches_do_not_depend_on_blocks_or_workers():
    table, y = pd.DataFrame(columns()), labels()
    expected = sketched(table, y)
    assert len({bytes(v) for v in expected}) == len(expected)
    for block_rows in (1, 3, 64, 255, 256, 257, N - 1, N, 10 * N):
        assert sketched(table, y, block_rows=block_rows) == expected
    for n_jobs in (1, 2, 3, -1):
        assert sketched(table, y, block_rows=50, n_jobs=n_jobs) == expected


def test_sketches_do_not_depend_on_the_container():
    data, y = columns(), labels()
    objects = np.column_stack([data[k].astype(object) for k in data])
    tables = [
        (pd.DataFrame(data), pd.Series(y)),
        (pl.DataFrame(data), pl.Series(y)),
        (objects, y),
        (np.asfortranarray(objects), y.astype(float)),
        (pd.DataFrame(data).convert_dtypes(), pd.Series(y).astype("category")),
        (pl.DataFrame(data).with_columns(pl.col("c").cast(pl.Categorical)), y.astype(object)),
    ]
    results = [sketched(*t) for t in tables]
    assert all(r == results[0] for r in results[1:])


def test_sketches_of_bounds_and_of_a_numeric_target():
    X = np.random.default_rng(8).normal(size=(N, 3)) * [1e-5, 1.0, 1e9]
    y = np.random.default_rng(9).normal(size=N)
    domain, target = Domain({k: Interval(-3, 3) for k in "abc"}), Interval(-2.0, 2.0)
    grid = query([("bounds", {"grid": BOUNDS_GRID, "n_columns": 3})], None, None)
    edges = np.array([FINE_LEVELS // 3, FINE_LEVELS // 2])
    cells = query([("counts", {"n_components": 3, "component_edges": edges})], domain, target)

    def both(**kwargs):
        source = RowSource(X, y, schema_of(X, y), None)
        return values(source.answer(grid, KEY, **kwargs) + source.answer(cells, KEY, **kwargs))

    expected = both()
    counts = np.frombuffer(expected[1], dtype=np.int64)
    assert counts.sum() == N
    assert counts[0] == (np.floor((np.clip(y, -2, 2) + 2) / 4 * FINE_LEVELS) < FINE_LEVELS // 3).sum()
    for kwargs in ({"block_rows": 1}, {"block_rows": 33, "n_jobs": 2}):
        assert both(**kwargs) == expected


def test_one_strange_cell_changes_the_code_of_no_other_row():
    """A cell that cannot be looked up must not change how the rest of its block is read."""
    domain = Domain({"a": Categories([1, 2])})
    params = {"n_components": 1, "columns": np.array([0]), "edges": np.arange(3), "edge_sizes": np.array([3])}
    for strange in (["unhashable"], {"a": 1}, np.zeros(2), 7, None):
        X = np.empty((5, 1), dtype=object)
        X[:, 0] = [Decimal(1), Decimal(2), 2.0, True, strange]
        (found,) = RowSource(X, None, schema_of(X), domain).answer(query([("histograms", params)], domain, None), KEY)
        assert found.ravel().tolist() == [2, 2]


def test_rows_never_go_to_another_process():
    table, y = pd.DataFrame(columns()), labels()
    expected = sketched(table, y)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert sketched(table, y, block_rows=100) == expected


def test_ranks_are_secret_and_matter():
    table, y = pd.DataFrame(columns()), labels()
    others = sketched(table, y, KEY + 1)
    same = [a == b for a, b in zip(sketched(table, y), others, strict=True)]
    # counts and histograms do not use them; what is made of latent scores does
    assert same == [True, True, False, False, False, False, True]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_sketch_cannot_be_pickled(protocol):
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        pickle.dump(Sketch(np.array([7])), io.BytesIO(), protocol=protocol)


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy])
def test_a_sketch_cannot_be_copied(copier):
    with pytest.raises(TypeError, match="cannot be pickled or copied"):
        copier(Sketch(np.array([7])))


def test_a_sketch_shows_nothing():
    sketch = Sketch(np.array([987_654_321]))
    assert "987" not in f"{sketch!r}{sketch!s}{sketch}{[sketch]}"
    assert not hasattr(sketch, "__dict__")


def test_each_integer_gets_its_own_noise():
    sketch = Sketch(np.array([[1, 2], [3, 4]]))
    for shape in [(), (1,), (2,), (1, 2), (2, 1), (4,)]:
        with pytest.raises(ValueError, match="shape of the sketch"):
            sketch.release(np.zeros(shape, dtype=np.int64))
    assert sketch.release(np.ones((2, 2), dtype=np.int64)).tolist() == [[2, 3], [4, 5]]


def test_a_statistic_that_does_not_fit_is_refused_without_a_word_about_the_rows():
    table, y = pd.DataFrame(columns()), labels()
    # of two columns, where there are three
    latent = RankTransform(
        [np.array([0, FINE_LEVELS]), np.array([0, 10])],
        [np.array([0.0, 1.0])] * 2,
        [None, None],
        [np.zeros((0, 2))] * 2,
    ).to_params()
    unfit = [
        ("mean", {"n_components": 3, **latent, "radius": 1.0, "steps": 8}),
        ("histograms", {"n_components": 3, "columns": [987], "edges": np.arange(3), "edge_sizes": np.array([3])}),
        ("bounds", {"grid": BOUNDS_GRID, "n_columns": 1}),
    ]
    for asked in unfit:
        with pytest.raises(ValueError, match="do not fit the columns") as caught:
            source_of(table, y).answer(query([asked], DOMAIN, TARGET), KEY)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
