"""Factorial tables: their cells, their cost, and what they teach."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.latent.kdtree import KDTree
from skdpflow.latent.rank import RankTransform
from skdpflow.mechanisms import MarginalsMechanism
from skdpflow.mechanisms.marginals import allocation as policy
from skdpflow.mechanisms.marginals.factorial import FACTORIAL, factorial_params, quantile_edges

NONE = np.zeros((0, 2))


def transform_of(sizes, rng):
    """Columns of so many values, some of them with an atom."""
    edges = [np.unique([0, *rng.integers(1, size, 3), size]) if size > 1 else np.array([0, 1]) for size in sizes]
    mass = [rng.dirichlet(np.ones(len(e) - 1)) for e in edges]
    cdf = [np.concatenate([[0.0], np.cumsum(m)]) for m in mass]
    spreads = [np.array([e[:2]], dtype=float) if rng.random() < 0.5 else NONE for e in edges]
    return RankTransform([e.astype(float) for e in edges], cdf, [None] * len(sizes), spreads)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 8))
def test_edges_lie_between_values_and_never_inside_a_range_where_ranks_count(seed, n_bins):
    rng = np.random.default_rng(seed)
    transform = transform_of([1, 2, 5, 4000], rng)
    for j in range(4):
        edges = quantile_edges(transform, j, n_bins)
        assert len(edges) < n_bins
        assert (edges == np.rint(edges)).all()
        assert (np.diff(edges) > 0).all()
        assert ((edges > 0) & (edges < transform.edges[j][-1])).all()
        for low, high in transform.spreads[j]:
            assert not ((low < edges) & (edges < high)).any()
    assert len(quantile_edges(transform, 0, n_bins)) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(3, 10))
def test_cells_are_at_most_so_many_and_have_one_region_each(seed, d, n_bits):
    rng = np.random.default_rng(seed)
    transform = transform_of(rng.choice([2, 3, 50, 4000], size=d), rng)
    sizes = np.array([5.0, 2.0, 9.0])
    params = factorial_params(rng.normal(size=(3, d)), sizes, transform, n_bits, ordered=False)
    n_bins = (params["pair_edge_sizes"] + 1).tolist()
    (tree,) = map(KDTree, params["partition_columns"], params["partition_cuts"])
    assert tree.n_regions <= 2**n_bits
    found = tree.find(np.indices(n_bins).reshape(len(n_bins), -1))
    assert len(np.unique(found)) == np.prod(n_bins)
    assert len(params["pair_columns"]) == min(d, n_bits)


@settings(max_examples=200, deadline=None)
@given(st.floats(-3, 2), st.integers(3, 60), st.floats(0, 9), st.integers(1, 30), st.booleans())
def test_no_number_of_rows_and_components_asks_for_more_than_was_foreseen(log_mu, d, log_n, n_components, ordered):
    every = policy.all_allocations(10**log_mu, d, ordered=ordered)
    one = policy.allocate(10**log_n, 10**log_mu, d, n_components, ordered=ordered)
    assert one.n_bits <= max(r.n_bits for r in every)
    for share in ("histograms", "mean", "second_moment"):
        assert getattr(one, share) >= min(getattr(r, share) for r in every) * (1 - 1e-9)


def fitted(n, n_columns=10, **params):
    """A flow on classes that differ by the parity of four columns alone."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (n, n_columns))
    y = (np.sign(X[:, [0, 1, 2, 3] if n_columns < 10 else [1, 4, 6, 9]]).prod(axis=1) > 0).astype(int)
    flow = DPSlicedWassersteinFlow(
        1.0, 1e-5, domain=(-1, 1), target=Categories([0, 1]), random_state=0, noise_random_state=0, **params
    )
    with pytest.warns(match="noise_random_state"):
        return flow.fit(X, y)


def contrast(X, y, own):
    return float((np.sign(X[:, own]).prod(axis=1) * (2 * y - 1)).mean())


@pytest.mark.slow
def test_the_parity_of_four_of_ten_columns_is_in_the_sample():
    flow = fitted(18_000)
    X, y = flow.sample_labeled(20_000, random_state=0)
    assert contrast(X, y, [1, 4, 6, 9]) > 0.8
    assert abs(contrast(X, y, [0, 4, 6, 9])) < 0.1
    assert np.isfinite(flow.score_samples(X[:50])).all()


def test_it_costs_its_share_and_is_measured_where_a_parity_could_show():
    release = fitted(3000, 4, mechanism=MarginalsMechanism(n_pairs=0, n_cuts=0, n_slices=0)).release_
    m = release[FACTORIAL]
    assert m.kind == "partitions"
    assert (1.0 / float(m.sd[0])) ** 2 / release_mu(release) ** 2 == pytest.approx(policy.FACTORIAL_SHARE, rel=0.01)
    assert FACTORIAL not in fitted(100, 4).release_
    assert FACTORIAL not in fitted(3000, 4, mechanism=MarginalsMechanism(n_factorial_bits=0)).release_


def release_mu(release):
    return float(np.sqrt(sum(n**-2 for m in release.measurements for n in [m.event.noise_multiplier])))


def test_mixed_columns_and_few_values_fit_into_a_table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.integers(0, 2, 4000), "b": rng.integers(0, 5, 4000), "c": rng.uniform(size=4000)})
    domain = Domain({"a": Categories([0, 1]), "b": Interval(0, 4, integer=True), "c": Interval(0.0, 1.0)})
    flow = DPSlicedWassersteinFlow(
        3.0, 1e-5, domain=domain, target=None, random_state=0, mechanism=MarginalsMechanism(n_factorial_bits=6)
    ).fit(X)
    assert flow.release_[FACTORIAL].values.shape[1] <= 64
    assert flow.sample(10, random_state=0).shape == (10, 3)
