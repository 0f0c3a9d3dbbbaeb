"""Parities of a factorial table, beside an independent matrix and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard

from skdpflow.latent.kdtree import grid
from skdpflow.transport.parities import MOST_PARITIES, Finders, ParityFinder, standing_out, walsh


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 7), st.integers(1, 3), st.integers(0, 2**32))
def test_walsh_is_the_product_with_a_hadamard_matrix(log_size, n_groups, seed):
    table = np.random.default_rng(seed).normal(size=(n_groups, 2**log_size))
    np.testing.assert_allclose(walsh(table), table @ hadamard(2**log_size), atol=1e-12)


def test_a_finder_tells_the_parity_of_the_chosen_bits_of_bins():
    edges = (np.array([0.0]), np.array([-1.0, 0.0, 1.0]), np.zeros(0))
    finder = ParityFinder(np.array([2, 0, 1]), edges, grid(range(3), [2, 4, 1]), np.array([0b100, 0b001, 0b111]))
    z = np.random.default_rng(0).normal(size=(500, 3))
    first, second = z[:, 2] >= 0.0, np.digitize(z[:, 0], edges[1])
    assert finder.tree.n_regions == 8
    assert np.array_equal(finder.cells(z), 4 * first + second)
    wanted = [first, second % 2, (first + second % 2 + second // 2) % 2]
    assert np.array_equal(finder.find(z), wanted)
    assert len(Finders([finder, finder]).find(z)) == 6


def table_of(n, n_bits, bits, contrast):
    """Expected rows of two groups whose parities of some bits differ."""
    odd = np.bitwise_count(np.arange(2**n_bits) & bits) % 2
    sign = contrast * (1.0 - 2.0 * odd)
    return np.array([1.0 + sign, 1.0 - sign]) * n / 2**n_bits


def test_a_parity_of_four_of_ten_bits_stands_out_and_keeps_its_rows():
    rng = np.random.default_rng(0)
    even, truth = np.full((2, 1024), 8.0), table_of(8192, 10, 0b0101100100, 0.6)
    counts = rng.poisson(truth) + rng.normal(0, 20.0, truth.shape)
    chosen, rows = standing_out(counts, even, 20.0, np.zeros(2))
    assert chosen.tolist() == [0b0101100100]
    np.testing.assert_allclose(rows[0], [[8192 * 0.8, 8192 * 0.2], [8192 * 0.2, 8192 * 0.8]], atol=3 * 320)


@pytest.mark.parametrize("empty", [False, True])
def test_noise_alone_seldom_passes_for_a_parity(empty):
    rng, alarms = np.random.default_rng(1), 0
    for _ in range(200):
        expected = np.full((3, 64), 5.0)
        counts = expected + rng.normal(0, 30.0, expected.shape)
        if empty:  # cells that no row can be in are counted nowhere
            counts[:, 40:], expected[:, 40:] = np.nan, 0.0
        alarms += len(standing_out(counts, expected, 30.0, np.zeros(3))[0]) > 0
    assert alarms <= 8  # two are expected


def test_the_number_of_rows_is_no_parity_and_few_parities_are_told():
    expected = np.full((1, 256), 10.0)
    assert standing_out(3.0 * expected, expected, 0.1, np.zeros(1))[0].size == 0
    counts = np.random.default_rng(0).uniform(0, 20, size=(1, 256))
    chosen, rows = standing_out(counts, expected, 0.01, np.zeros(1))
    assert len(chosen) == len(rows) == MOST_PARITIES
    assert all((r >= 0).all() and np.allclose(r.sum(axis=1), 2560.0) for r in rows)
