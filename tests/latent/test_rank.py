"""A latent score is a function of its own row, to the bit: sensitivities rest on that."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from skdpflow.curator.statistics import Block
from skdpflow.latent.rank import RankTransform
from skdpflow.latent.scores import LATENT_LIMIT

#: Around the widths of vector instructions, the size of a look-up table, the pieces that rows are cut into, and others.
SIZES = sorted(
    {n + d for n in (1, 2, 4, 8, 16, 64, 128, 256, 1024, 4096, 5000, 2**13, 2**14) for d in (-1, 0, 1) if n + d > 0}
)
N = max(SIZES)


def column(rng, kind):
    """Edges, distribution function, order and ranges of atoms of one column."""
    n_levels = {"fine": 2**20, "few": 3, "one": 1, "categories": 12, "narrow": 2**20, "fractions": 7}[kind]
    inner = {
        "fine": lambda: rng.integers(1, n_levels, rng.integers(1, 1500)),
        "few": lambda: np.arange(1, n_levels),
        "one": lambda: [],
        "categories": lambda: np.arange(1, n_levels),
        "narrow": lambda: np.nextafter(rng.integers(1, 9), 9) + np.arange(40) * 2.0**-30,  # most share one cell
        "fractions": lambda: rng.uniform(0, n_levels, 50),
    }[kind]()
    edges = np.unique(np.concatenate([[0.0], inner, [n_levels]]))
    p = rng.dirichlet(np.full(len(edges) - 1, rng.choice([0.05, 1.0]))) + 1e-12
    cdf = np.concatenate([[0.0], np.cumsum(p / p.sum())])
    cdf[-1] = 1.0
    order = rng.permutation(n_levels) if kind == "categories" else None
    atoms = np.sort(rng.choice(len(edges), size=min(2, len(edges)), replace=False))
    spread = edges[atoms][None] if rng.uniform() < 0.5 else np.zeros((0, 2))
    return edges, cdf, order, spread


@st.composite
def transforms(draw):
    kinds = draw(st.lists(st.sampled_from(["fine", "few", "one", "categories", "narrow", "fractions"]), min_size=1))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    columns = [column(rng, kind) for kind in kinds[:4]]
    transform = RankTransform(*(list(part) for part in zip(*columns, strict=True)))
    codes = np.column_stack([rng.integers(-1, edges[-1], size=N) for edges, *_ in columns])
    near = rng.choice(N, size=200)  # where knots are close to each other, and at both ends
    codes[near] = np.minimum(rng.integers(0, 10, size=codes[near].shape), [edges[-1] - 1 for edges, *_ in columns])
    ranks = rng.integers(0, 2**32, size=codes.shape) * 2.0**-32
    ranks[: N // 8] = 0.0
    ranks[N // 8 : N // 4] = 1.0 - 2.0**-32
    return transform, codes, ranks


@pytest.mark.slow
@given(transforms(), st.sampled_from(SIZES), st.integers(0, 7), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_a_row_alone_gives_the_bits_that_it_gives_in_any_block(parts, size, skip, seed):
    transform, codes, ranks = parts
    rng = np.random.default_rng(seed)
    whole = transform.to_latent(codes, ranks)
    some = rng.choice(N, size=60, replace=False)
    alone = np.concatenate([transform.to_latent(codes[[i]], ranks[[i]]) for i in some])
    assert np.array_equal(whole[some], alone)
    rows = slice(skip, skip + size)  # another alignment of the same rows
    assert np.array_equal(transform.to_latent(codes[rows], ranks[rows]), whole[rows])
    step = int(rng.integers(2, 5))
    assert np.array_equal(transform.to_latent(codes[skip::step], ranks[skip::step]), whole[skip::step])
    assert np.array_equal(transform.to_latent(codes[::-1], np.asfortranarray(ranks[::-1])), whole[::-1])
    order = rng.permutation(N)[:size]
    assert np.array_equal(transform.to_latent(np.asfortranarray(codes[order]), ranks[order]), whole[order])


@given(transforms(), st.sampled_from(SIZES), st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_so_do_the_integers_that_statistics_sum(parts, size, seed):
    transform, codes, ranks = parts
    params = transform.to_params()

    def integers(rows):
        return Block(codes[rows], np.zeros(len(codes[rows]), dtype=np.int64), lambda: ranks[rows]).latent(params)

    whole = integers(slice(None))
    order = np.random.default_rng(seed).permutation(N)[:size]
    assert np.array_equal(integers(order), whole[order])
    assert np.array_equal(np.concatenate([integers([i]) for i in order[:40]]), whole[order[:40]])


@given(transforms())
@settings(max_examples=30, deadline=None)
def test_scores_are_finite_and_not_decreasing(parts):
    """Also where rounding could lead out of [0, 1]."""
    transform, codes, ranks = parts
    z = transform.to_latent(codes, ranks)
    assert (np.abs(z) <= LATENT_LIMIT).all()
    for j, (order, spread) in enumerate(zip(transform.orders, transform.spreads, strict=True)):
        if not len(spread):  # what has no place is drawn by its rank
            drawn = np.flatnonzero((codes[:, j] == -1) & (np.abs(z[:, j]) < LATENT_LIMIT))
            level = np.clip(ranks[drawn, j], 1e-300, 1.0)
            assert np.allclose(ndtr(z[drawn, j]), level, rtol=1e-6, atol=1e-9)
        if order is None and not len(spread):
            known = codes[:, j] >= 0
            place = np.argsort((codes[:, j] + ranks[:, j])[known], kind="stable")
            assert (np.diff(z[known, j][place]) >= -1e-9).all()  # but for rounding at knots


@pytest.mark.parametrize("n", [1, 100, 20_000])
def test_scores_are_those_of_the_distribution_function(n):
    rng = np.random.default_rng(0)
    edges, cdf, *_ = column(rng, "fine")
    transform = RankTransform([edges], [cdf], [None], [np.zeros((0, 2))])
    codes, ranks = rng.integers(0, 2**20, (n, 1)), rng.random((n, 1))
    expected = np.clip(ndtri(np.interp((codes + ranks)[:, 0], edges, cdf)), -LATENT_LIMIT, LATENT_LIMIT)
    assert np.allclose(transform.to_latent(codes, ranks)[:, 0], expected, rtol=1e-9, atol=1e-9)
