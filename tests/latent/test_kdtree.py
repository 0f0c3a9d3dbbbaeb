"""k-d trees: every point is in one region, which its own bins decide; grids have a region for each combination."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdpflow.latent.kdtree import KDTree, cells, grid


def tree_of(rng, depth, n_columns, n_bins):
    return KDTree(rng.integers(n_columns, size=depth), rng.integers(n_bins, size=2**depth - 1))


def descended(tree, point):
    """The region of one point, by going down the tree step by step."""
    region, first = 0, 0
    for level, j in enumerate(tree.columns):
        region = 2 * region + int(point[j] > tree.cuts[first + region])
        first += 2**level
    return region


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(1, 5), st.integers(1, 40))
def test_a_point_is_in_the_region_that_its_own_bins_lead_to(seed, depth, n_columns, n_bins):
    rng = np.random.default_rng(seed)
    tree, bins = tree_of(rng, depth, n_columns, n_bins), rng.integers(n_bins, size=(n_columns, 50))
    found = tree.find(bins)
    assert found.tolist() == [descended(tree, point) for point in bins.T]
    assert found.max() < tree.n_regions
    assert np.array_equal(tree.find(bins[:, 7:9]), found[7:9])
    assert np.array_equal(tree.find(list(bins.astype(np.int32))), found)


def test_no_point_is_in_no_region():
    assert tree_of(np.random.default_rng(0), 3, 2, 4).find(np.zeros((2, 0), dtype=int)).tolist() == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.randoms())
def test_a_grid_has_one_region_for_each_combination_of_bins(n_bins, random):
    columns = list(range(len(n_bins)))
    random.shuffle(columns)
    combinations = np.indices([n_bins[j] for j in columns]).reshape(len(n_bins), -1)
    bins = np.empty_like(combinations)
    bins[columns] = combinations
    tree = grid(columns, [n_bins[j] for j in columns])
    assert np.array_equal(tree.find(bins), cells([n_bins[j] for j in columns]))
    assert len(tree.cuts) == tree.n_regions - 1


@pytest.mark.parametrize("n_bins", [[1], [1, 1]])
def test_a_grid_of_single_bins_still_has_a_level(n_bins):
    assert grid(range(len(n_bins)), n_bins).find(np.zeros((len(n_bins), 3), dtype=int)).tolist() == [0, 0, 0]
