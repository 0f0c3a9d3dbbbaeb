"""Two-way tables and their scores: one row never moves them by more than is stated, whatever was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdpflow.curator.sketch import Sums
from skdpflow.curator.source import RowSource
from skdpflow.curator.statistics import Block
from skdpflow.curator.statistics.pairs import MAX_SCORED_ENTRIES, Binning, Pairs, PairScores
from skdpflow.domain import Categories, Domain, Interval
from skdpflow.domain.schema import schema_of
from skdpflow.latent.crosstabs import CrossTables
from skdpflow.latent.rank import RankTransform
from skdpflow.mechanisms.marginals.allocation import PAIR_BINS, SCORED_ENTRIES, n_pair_bins

LEVELS = (6, 3, 10)
ORDER = np.array([2, 0, 1])
NO_SPREAD = np.zeros((0, 2))


def transform(order=ORDER):
    edges = [np.arange(size + 1) for size in LEVELS]
    return RankTransform(edges, [e / e[-1] for e in edges], [None, order, None], [NO_SPREAD] * 3)


def params_of(edges, *, n_components=2, order=ORDER, **more):
    return {
        "n_components": n_components,
        **transform(order).to_params(),
        "pair_columns": np.arange(len(edges)),
        "pair_edges": np.concatenate([np.asarray(e, dtype=np.float64) for e in edges]),
        "pair_edge_sizes": np.array([len(e) for e in edges]),
        **more,
    }


def block_of(codes, classes):
    codes = np.array(codes, dtype=np.int64).reshape(-1, 3)
    return Block(codes, np.array(classes, dtype=np.int64), lambda: np.zeros(codes.shape))


EDGES = [[2, 4], [1], [3, 5, 8]]
TABLES = CrossTables(np.array([3, 2, 4]))
ENTRIES = 3 * 2 + 3 * 4 + 2 * 4


def scores_params(edges=EDGES, predicted=None, baseline=None, k=1, **more):
    tables = CrossTables(np.array([len(e) + 1 for e in edges]))
    return params_of(
        edges,
        predicted=np.zeros((2, tables.n_entries)) if predicted is None else predicted,
        baseline=np.zeros(len(tables.pairs)) if baseline is None else baseline,
        k=k,
        **more,
    )


row = st.tuples(
    st.integers(0, 5), st.integers(0, 3), st.integers(0, 9), st.integers(-1, 3)  # the last is a label
)  # fmt: skip
rows_of = st.lists(row, min_size=1, max_size=8)


def cut(rows):
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return block_of(table[:, :3], table[:, 3])


def naive_tables(rows, pairs, n_components=2):
    """Row by row, in plain Python."""
    place = {code: rank for rank, code in enumerate(ORDER)}
    out = []
    for a, b in pairs:
        table = np.zeros((n_components, len(EDGES[a]) + 1, len(EDGES[b]) + 1), dtype=np.int64)
        for *codes, label in rows:
            codes = [codes[0], place.get(codes[1], 0), codes[2]]  # what is unlisted is drawn at the rank, 0
            if 0 <= label < n_components:
                bin_a, bin_b = (sum(codes[j] >= e for e in EDGES[j]) for j in (a, b))
                table[label, bin_a, bin_b] += 1
        out.append(table.reshape(n_components, -1))
    return np.concatenate(out, axis=1)


def table_of(tables, a, b):
    """One table of all, (n_components, n_entries)."""
    starts = np.cumsum([0, 3, 2, 4])
    beside = TABLES.of(tables, a)
    own = beside[..., starts[b] - starts[a + 1] : starts[b + 1] - starts[a + 1]]
    return own.reshape(len(tables), -1)


@given(rows_of)
@settings(max_examples=60, deadline=None)
def test_tables_are_those_of_a_loop_over_rows(rows):
    pairs = [(0, 1), (2, 0), (1, 2), (0, 1)]
    values = Pairs(params_of(EDGES, pairs=np.array(pairs))).contributions(cut(rows))
    assert values.dtype == np.int64
    assert (values == naive_tables(rows, pairs)).all()
    # all tables at once are the same tables
    tables = PairScores(scores_params()).contributions(cut(rows))
    assert tables.dtype == np.int64
    for pair in [(0, 1), (0, 2), (1, 2)]:
        assert (table_of(tables, *pair) == naive_tables(rows, [pair])).all()


@pytest.mark.slow
@given(rows_of, st.data())
@settings(max_examples=150, deadline=None)
def test_neighbours_move_a_score_by_at_most_its_sensitivity(rows, data):
    number = st.floats(-5.0, 8.0)
    cells = data.draw(st.lists(number, min_size=2 * ENTRIES, max_size=2 * ENTRIES))
    predicted = np.array(cells).reshape(2, ENTRIES)
    baseline = np.array(data.draw(st.lists(number, min_size=3, max_size=3)))
    statistic = PairScores(scores_params(predicted=predicted, baseline=baseline))

    def scores(rows):
        return statistic.scores(statistic.contributions(cut(rows)))

    i = data.draw(st.integers(0, len(rows) - 1))
    removed, replaced = rows[:i] + rows[i + 1 :], [*rows]
    replaced[i] = data.draw(row)
    assert scores(rows).dtype == np.int64
    assert np.abs(scores(rows) - scores(removed)).max() <= statistic.sensitivity("add-remove") == 1
    assert np.abs(scores(rows) - scores(replaced)).max() <= statistic.sensitivity("replace-one") == 2


def test_both_sensitivities_are_reached():
    predicted = np.zeros((2, ENTRIES))
    predicted[0, 0] = 5.0  # the first bins of the first pair
    statistic = PairScores(scores_params(predicted=predicted))

    def first(rows):
        return statistic.scores(statistic.contributions(cut(rows)))[0]

    one, other = (0, 2, 0, 0), (5, 1, 9, 0)
    assert first([]) - first([one]) == statistic.sensitivity("add-remove") == 1
    assert first([other]) - first([one]) == statistic.sensitivity("replace-one") == 2


def test_a_score_is_the_distance_less_the_baseline():
    rows = [(0, 2, 0, 0), (0, 2, 9, 1), (5, 1, 9, 1)]
    rng = np.random.default_rng(0)
    predicted, baseline = rng.integers(0, 4, (2, ENTRIES)), rng.integers(0, 4, 3)
    statistic = PairScores(scores_params(predicted=predicted + 0.3, baseline=baseline - 0.2))
    expected = [
        np.abs(naive_tables(rows, [pair]) - table_of(predicted, *pair)).sum() - own
        for pair, own in zip(statistic.pairs, baseline, strict=True)
    ]
    assert statistic.pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert statistic.scores(statistic.contributions(cut(rows))).tolist() == expected


@pytest.mark.slow
def test_sums_stay_exact_beyond_the_integers_of_single_precision():
    n = 2**24 + 3
    codes = np.broadcast_to(np.array([0, 0, 0], dtype=np.int64), (n, 3))
    edges = [[], []]
    statistic = PairScores(scores_params(edges=edges))
    block = Block(codes, np.broadcast_to(np.int64(0), n), lambda: codes)
    tables = statistic.contributions(block)
    assert tables.tolist() == [[n], [0]]


def test_the_sum_does_not_depend_on_the_blocks():
    rng = np.random.default_rng(0)
    X, y = rng.uniform(size=(300, 2)).astype(object), rng.integers(0, 3, 300)
    X = np.column_stack([X, rng.choice(["a", "b", "c", "d"], 300)])
    domain = Domain({"u": Interval(0, 1), "v": Interval(0, 1), "w": Categories(["a", "b", "c"])})
    source = RowSource(X, y, schema_of(X, y), domain)
    n_levels = [column.n_levels for column in domain.columns]
    edges = [np.array([0, n]) for n in n_levels]
    latent = RankTransform(edges, [np.array([0.0, 1.0])] * 3, [None, None, ORDER], [NO_SPREAD] * 3)
    params = {
        "n_components": 2,
        **latent.to_params(),
        "pair_columns": np.arange(3),
        "pair_edges": np.array([n_levels[0] // 2, n_levels[1] // 3, 1, 2]),
        "pair_edge_sizes": np.array([1, 1, 2]),
    }
    pairs = {**params, "pairs": np.array([[0, 1], [1, 2]])}
    scores = {**params, "predicted": np.zeros((2, 2 * 2 + 2 * 3 + 2 * 3)), "baseline": np.zeros(3), "k": 2}
    query = Sums([(Pairs, pairs), (PairScores, scores)], domain, Categories([0, 1]))
    sums = [
        source.answer(query, 0, **how)
        for how in ({}, {"block_rows": 7}, {"block_rows": 1}, {"block_rows": 50, "n_jobs": 2})
    ]
    assert all((one == other).all() for other in sums[1:] for one, other in zip(sums[0], other, strict=True))
    # a label outside the declared ones is in no cell; a category is
    assert sums[0][0][:, 4:].sum() == np.count_nonzero(y < 2)


def test_columns_with_one_bin():
    params = params_of([[], [], []], pairs=np.array([[0, 1], [1, 2]]))
    rows = [(0, 2, 0, 0), (5, 3, 9, 1), (5, 1, 9, -1)]
    assert Pairs(params).contributions(cut(rows)).tolist() == [[1, 1], [1, 1]]
    assert PairScores(scores_params(edges=[[], [], []])).contributions(cut(rows)).tolist() == [[1] * 3] * 2


@pytest.mark.parametrize("order", [np.array([0]), np.array([7, 7, 7]), np.array([5, -3])])
def test_no_row_can_raise_an_error_whatever_the_order_is(order):
    binning = Binning(params_of(EDGES, order=order))
    bins = binning.bins(block_of([[0, code, 0] for code in (-1, 0, 1, 2, 3)], [0] * 5))
    assert ((bins >= 0) & (bins < binning.sizes)).all()


# ---------------------------------------------------------------- parameters that would break the bound

PAIRS = params_of(EDGES, pairs=np.array([[0, 1]]))
SCORES = scores_params()


@pytest.mark.parametrize(
    "change",
    [
        {"pair_edges": np.array([4.0, 2.0, 1.0, 3.0, 5.0, 8.0])},
        {"pair_edges": np.array([2.0, 2.0, 1.0, 3.0, 5.0, 8.0])},
        {"pair_edges": np.array([np.nan, 4.0, 1.0, 3.0, 5.0, 8.0])},
        {"pair_edge_sizes": np.array([2, 1, 2])},
        {"pair_edge_sizes": np.array([7, -2, 1])},
        {"pair_edge_sizes": np.array([3, 3])},
        {"pair_edge_sizes": np.array([2.0, 1.0, 3.0])},
        {"pair_columns": np.array([0, 1, 3])},
        {"pair_columns": np.array([0, -1, 2])},
        {"n_components": 0},
        {"n_components": 3, "component_edges": np.array([5, 2])},
    ],
)
def test_bins_that_are_none_are_refused(change):
    for kind, params in ((Pairs, PAIRS), (PairScores, SCORES)):
        with pytest.raises(ValueError, match="statistic"):
            kind({**params, **change})


@pytest.mark.parametrize(
    "pairs", [[[0, 3]], [[-1, 0]], [[1, 1]], [[0.0, 1.0]], [[0, 1, 2]], [0, 1], np.zeros((0, 2), dtype=np.int64)]
)
def test_pairs_that_are_none_are_refused(pairs):
    with pytest.raises(ValueError, match="'pairs' of a statistic"):
        Pairs({**PAIRS, "pairs": np.array(pairs)})


@pytest.mark.parametrize(
    "change",
    [
        {"k": 0},
        {"k": 4},
        {"k": 1.5},
        {"k": -1},
        {"predicted": np.full((2, ENTRIES), np.nan)},
        {"predicted": np.full((2, ENTRIES), 1e300)},
        {"predicted": np.zeros(ENTRIES)},
        {"baseline": np.full(3, np.inf)},
        {"baseline": np.zeros((3, 3))},
    ],
)
def test_a_selection_that_is_none_is_refused(change):
    with pytest.raises(ValueError, match="statistic"):
        PairScores({**SCORES, **change})


def test_tables_that_do_not_fit_into_memory_are_refused():
    n_bins = 2**12
    wide = {"pair_edges": np.arange(2.0 * n_bins), "pair_edge_sizes": np.array([n_bins, n_bins, 0])}
    with pytest.raises(ValueError, match="coarser bins"):
        PairScores({**SCORES, **wide})
    with pytest.raises(ValueError, match="coarser bins"):
        Pairs({**PAIRS, **wide, "n_components": 8})
    with pytest.raises(ValueError, match="2 or more columns"):
        PairScores(scores_params(edges=[[1]]))


@pytest.mark.parametrize("d", [1, 2, 13, 256, 257, 784, 2048, 5000])
@pytest.mark.parametrize("n_components", [1, 2, 10, 1000])
def test_the_policy_asks_for_what_the_curator_accepts(d, n_components):
    assert SCORED_ENTRIES == MAX_SCORED_ENTRIES
    assert n_pair_bins(d, n_components) <= PAIR_BINS
    assert n_components * (n_pair_bins(d, n_components) * d) ** 2 <= MAX_SCORED_ENTRIES
