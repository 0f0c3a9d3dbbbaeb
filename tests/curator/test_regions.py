"""Regions of partitions: whatever the parameters are, a row is in one region of each, and no other row has a say."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from skdpflow import Categories, Interval
from skdpflow.curator.sketch import _contribution
from skdpflow.curator.statistics import STATISTICS, Block
from skdpflow.domain.codes import n_codes
from skdpflow.latent.rank import Layout, RankTransform
from skdpflow.release.implied import MAX_DEPTH, MAX_PARTITIONS, implied

COLUMNS = (
    Interval(0, 6, integer=True, nullable=True),
    Categories(["a", "b", "c", "d"]),
    Interval(0, 999, integer=True),
)
N_CLASSES = 3
DTYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i8", ">u2", "?", "O", "f8", "f4", "U4", "c16", "g"]
EDGES = [0, 1, 2, 3, 5, 500, 999, 1000, -1, 2.5, 1e17, -1e17, 1e308, -1e308, 5e-324]
NUMBERS = [-1, 0, 1, 2**26 - 1, 2**26, 2**31, 2**32, 2**62, -(2**62)]
seeds = st.integers(0, 2**32).map(np.random.default_rng)


def transform_of(rng):
    """A released transform, or one as only a hostile sender has it: with steps of no mass, and too little in all."""
    below, above, gap = rng.random((3, 3)) < 0.5
    layouts = [
        Layout.of(c, below=below[j], above=above[j], gap=int(rng.integers(1, 7)) if gap[j] and not j else None)
        for j, c in enumerate(COLUMNS)
    ]
    edges, cdf = [], []
    for column, layout in zip(COLUMNS, layouts, strict=True):
        n = column.n_levels
        inner = np.arange(n + 1) if n == 4 else rng.integers(1, n, size=4)
        edges.append(np.unique([0, n, *inner, *layout.ends]))
        mass = rng.choice([1e-12, 0.0, 0.1, 5.0], size=len(edges[-1]) - 1) + 1e-9 * (np.arange(len(edges[-1]) - 1) == 0)
        cdf.append(np.minimum(np.append(0.0, np.cumsum(mass) / mass.sum()), rng.choice([1.0, 0.5])))
    order = rng.permutation(4) if rng.random() < 0.5 else None
    return RankTransform(edges, cdf, [None, order, None], [np.zeros((0, 2))] * 3, layouts).to_params()


def params_of(rng):
    width, depth, k, n = rng.integers(1, [4, 7, 5, 5])
    edges = [np.unique(rng.choice(EDGES, size=rng.integers(5))) for _ in range(width)]
    params = {
        **transform_of(rng),
        "pair_columns": rng.permutation(3)[:width],
        "pair_edges": np.concatenate(edges),
        "pair_edge_sizes": np.array([len(e) for e in edges]),
        "partition_columns": rng.integers(width, size=(k, depth)),
        "partition_cuts": rng.choice([0, 1, 2, 3, 4, 2**26 - 1], size=(k, 2**depth - 1)),
    }
    if rng.random() < 0.5:
        params["component_edges"] = np.sort(rng.integers(0, 1000, size=n - 1))
    if rng.random() < 0.3:
        params["cut_directions"] = rng.integers(-(2**15), 2**15, size=(n, 3, 2))
        params["cuts"], n = rng.integers(-(2**20), 2**20, size=(n, 2)), 4 * n
    return {**params, "n_components": int(n), "groups": rng.integers(rng.integers(1, 6), size=n)}


def altered(array, rng):
    """The same numbers as another type, in another form, or with another number among them."""
    match rng.integers(8):
        case 0:
            with np.errstate(all="ignore"):
                return array.astype(DTYPES[rng.integers(len(DTYPES))]) if np.isfinite(array).all() else array
        case 1:
            return np.asfortranarray(array)
        case 2:
            return np.repeat(array, 2, axis=-1)[..., ::2]
        case 3:
            return array[..., : rng.integers(array.shape[-1] + 1)]
        case 4:
            return array.reshape(-1)
        case 5:
            return array[None]
        case 6:
            return np.repeat(array, 2, axis=0)
    if not array.size:
        return np.array(0)
    array = array.copy()
    array.reshape(-1)[rng.integers(array.size)] = NUMBERS[rng.integers(len(NUMBERS))]
    return array


def altered_in(names, rng):
    params = params_of(rng)
    name = rng.choice(sorted(names & params.keys()))
    with np.errstate(all="ignore"):
        return {**params, name: altered(params[name], rng)}


def statistic_of(params, kind="partitions"):
    """The statistic, or None if the parameters are refused."""
    try:
        return STATISTICS[kind](params)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def rows_of(rng, n):
    codes = np.column_stack([rng.integers(n_codes(c), size=n) for c in COLUMNS])
    return codes, rng.integers(-1, N_CLASSES, size=n), rng.choice([0.0, 0.5, 1.0 - 2.0**-32, rng.random()], size=(n, 3))


def counts(statistic, rows, which):
    """Sums of some rows, or None if there is an error."""
    codes, classes, ranks = (part[which] for part in rows)
    try:
        return _contribution(statistic, Block(codes, classes, lambda: ranks, None, COLUMNS))
    except ValueError:
        return None


ALL = {"partition_columns", "partition_cuts", "groups", "component_edges", "cut_directions", "cuts"} | {
    "latent_edges", "latent_cdf", "latent_sizes", "latent_orders", "latent_order_sizes", "latent_spreads",
    "latent_spread_sizes", "latent_levels", "latent_homes", "latent_home_sizes",
    "pair_columns", "pair_edges", "pair_edge_sizes",
}  # fmt: skip


@given(seeds, st.booleans())
@settings(max_examples=300, deadline=None, phases=[Phase.generate])
def test_a_row_is_in_one_region_of_each_partition_whatever_is_asked_for_and_whatever_rows_come_with_it(rng, hostile):
    statistic = statistic_of(altered_in(ALL, rng) if hostile else params_of(rng))
    if statistic is None:
        assert hostile
        return
    n = rng.integers(1, 30)
    rows = rows_of(rng, n)
    alone = [counts(statistic, rows, [i]) for i in range(n)]
    # also enough rows for tables to be looked up in
    several = [rng.permutation(n)[: rng.integers(1, n + 1)], np.tile(np.arange(n), 300 // n + 1)]
    if any(own is None for own in alone):  # then all fail, so that no row decides it
        assert all(counts(statistic, rows, which) is None for which in [*([i] for i in range(n)), *several])
        return
    for own in alone:
        assert own.min() >= 0
        of_each = own.reshape(len(own), statistic.touched, -1).sum(axis=(0, 2))
        assert set(of_each.tolist()) in ({0}, {1})
        assert np.count_nonzero(own) <= statistic.touched
    for which in several:
        assert np.array_equal(counts(statistic, rows, which), sum(alone[i] for i in which))


@given(seeds)
@settings(max_examples=300, deadline=None, phases=[Phase.generate])
def test_what_a_release_implies_of_partitions_is_what_their_counts_are(rng):
    """And what one of them refuses of a partition, the other does."""
    params = altered_in({"partition_columns", "partition_cuts", "groups"}, rng)
    statistic = statistic_of(params)
    for neighbours in ("add-remove", "replace-one"):
        if statistic is None:
            with pytest.raises((ValueError, TypeError)):
                implied("partitions", params, neighbours)
            continue
        known = implied("partitions", params, neighbours)
        assert known.shape == statistic.shape
        assert known.touched == statistic.touched
        assert known.sensitivity == statistic.sensitivity(neighbours)


PLAIN = {
    **RankTransform(
        [np.array([0.0, 8.0]), np.arange(5.0), np.array([0.0, 1000.0])],
        [np.array([0.0, 1.0]), np.linspace(0, 1, 5), np.array([0.0, 1.0])],
        [None, np.arange(4), None],
        [np.zeros((0, 2))] * 3,
        [Layout.of(c) for c in COLUMNS],
    ).to_params(),
    "n_components": 1,
    "pair_columns": np.array([0, 2]),
    "pair_edges": np.array([4, 500]),
    "pair_edge_sizes": np.array([1, 1]),
    "partition_columns": np.array([[0, 1], [1, 0]]),
    "partition_cuts": np.zeros((2, 3), dtype=int),
    "groups": np.array([0]),
}
#: Rows inside of all columns, and one that is outside of them.
ROWS = np.array([[1, 1, 1], [5, 2, 700], [8, 4, 1002]]), np.zeros(3, dtype=int), np.full((3, 3), 0.75)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("latent_orders", np.array(list("abcd"))),
        ("latent_order_sizes", np.array([0, 4, 0, 0])),
        ("latent_order_sizes", np.array([0, 5, -1])),
        ("latent_homes", np.array(["0"] * len(PLAIN["latent_homes"]))),
        ("latent_homes", PLAIN["latent_homes"] + np.nan),
        ("latent_homes", PLAIN["latent_homes"] + 2**60),
        ("latent_home_sizes", PLAIN["latent_home_sizes"][:2]),
        ("latent_levels", PLAIN["latent_levels"] + 0.5),
        ("latent_levels", PLAIN["latent_levels"][:1]),
        ("latent_spreads", np.zeros((0, 2), dtype="U1")),
        ("latent_spreads", np.zeros((0, 3))),
        ("component_edges", np.array([[5]])),
    ],
)
def test_what_only_cells_outside_could_fail_on_is_refused_without_them(name, value):
    assert counts(statistic_of(PLAIN), ROWS, [0, 1, 2]).sum() == 6
    with pytest.raises(ValueError, match="statistic"):
        STATISTICS["partitions"]({**PLAIN, name: value})


@pytest.mark.parametrize(
    "changed",
    [
        {"latent_cdf": np.minimum(PLAIN["latent_cdf"], 0.5)},  # no value is at the level that the outside cell draws
        {"pair_edges": np.array([1e308, 500.0])},  # far from all codes
    ],
    ids=list,
)
def test_no_cell_decides_whether_there_is_a_warning(changed):
    """Warnings are errors here."""
    rows = tuple(np.concatenate([part] * 10) for part in ROWS)
    assert counts(statistic_of({**PLAIN, **changed}), rows, slice(None)).sum() == 60


class Dependent:
    """A transform by which the first row decides where the others are."""

    def to_lattice(self, codes, ranks):
        return np.tile(codes[:1], (len(codes), 1))


@pytest.mark.parametrize("kind", ["counts", "histograms", "pairs", "partitions"])
def test_nobody_brings_a_transform_of_their_own(kind):
    params = {
        **PLAIN,
        "n_components": 2,
        "groups": np.array([0, 1]),
        "pairs": np.array([[0, 1]]),
        "columns": np.array([0]),
        "edges": np.arange(9),
        "edge_sizes": np.array([9]),
        "cut_directions": np.array([[[1], [0], [0]]]),
        "cuts": np.array([[0]]),
    }
    evil = {**params, "transform": Dependent()}
    found = counts(statistic_of(params, kind), ROWS, [0, 1])
    assert np.count_nonzero(found.reshape(2, -1).sum(axis=1)) == 2
    assert np.array_equal(counts(statistic_of(evil, kind), ROWS, [0, 1]), found)


def test_partitions_are_few_enough_for_the_memory():
    def asked(k, depth, n_groups=1):
        cuts = np.broadcast_to(0, (k, 2**depth - 1))
        groups = np.arange(n_groups)
        own = {"partition_columns": np.zeros((k, depth), dtype=int), "partition_cuts": cuts, "groups": groups}
        return {**PLAIN, **own, "n_components": n_groups}

    assert statistic_of(asked(MAX_PARTITIONS, 3)).shape == (1, 8 * MAX_PARTITIONS)
    for params in (asked(MAX_PARTITIONS + 1, 3), asked(1, MAX_DEPTH + 1), asked(MAX_PARTITIONS, 10, 17)):
        with pytest.raises(ValueError, match="at most"):
            STATISTICS["partitions"](params)
