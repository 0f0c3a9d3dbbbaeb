"""Structural zeros: what is empty by its counts stays empty in samples, and nothing visible is taken for empty."""

from itertools import product

import numpy as np
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow
from skdpflow.latent.kdtree import grid
from skdpflow.mechanisms import MarginalsMechanism
from skdpflow.transport.flow import FlowComponent
from skdpflow.transport.start import Gaussian
from skdpflow.transport.tilt import RegionFinder
from skdpflow.transport.zeros import NEAR_ZERO, Zeros, deviations_for, empty_entries, n_blocks

#: A table of two columns, cut at 1.2: where both are above it is empty.
CORNERS = RegionFinder((np.full(1, 1.2), np.full(1, 1.2)), (grid([0, 1], [2, 2]),))
EMPTY = np.array([[False, False, False, True]])
NORMAL = FlowComponent(Gaussian(np.zeros(2), np.eye(2)))


def test_an_entry_is_empty_if_the_model_expects_far_more_than_noise_hides():
    expected = np.array([[900.0, 900.0], [900.0, 40.0]])
    counts = np.array([[898.0, 3.0], [910.0, 3.0]])
    found = empty_entries(counts, expected, 5.0, (False, False), deviations_for(4))
    assert found.tolist() == [[False, True], [False, False]]


def test_blocks_of_ordered_columns_stand_out_where_single_entries_do_not():
    expected, counts = np.full((8, 8), 40.0), np.full((8, 8), 40.0)
    counts[:4, 4:] = 0.0
    q = deviations_for(n_blocks((8, 8), (True, True)))
    assert not empty_entries(counts, expected, 5.0, (False, False), q).any()
    assert np.array_equal(empty_entries(counts, expected, 5.0, (True, True), q), counts == 0.0)


@pytest.mark.parametrize(
    ("shape", "ordered", "blocks"),
    [((2, 3), (False, False), 6), ((2, 3), (False, True), 12), ((4, 4), (True, True), 49)],
)
def test_blocks_are_counted(shape, ordered, blocks):
    assert n_blocks(shape, ordered) == blocks


def test_no_visible_entry_is_taken_for_empty():
    """The stated rate is 0.01 a table: more than 60 of 3,000 tables have a false alarm with probability below 1e-6."""
    rng, sd, shape = np.random.default_rng(0), 5.0, (8, 8)
    q = deviations_for(n_blocks(shape, (True, True)))
    truth = np.full(shape, (NEAR_ZERO + q) * sd)
    alarms = [
        empty_entries(truth + sd * rng.standard_normal(shape), 100.0 * truth, sd, (True, True), q).any()
        for _ in range(3000)
    ]
    assert sum(alarms) <= 60


def test_a_component_without_empty_entries_has_a_true_density():
    rng = np.random.default_rng(0)
    z = NORMAL.sample(50_000, rng)
    zeros = Zeros(CORNERS, [EMPTY], np.zeros(1, dtype=np.int64))
    cut = zeros.cut(0, NORMAL, z, np.ones(len(z)))
    log_ratio = cut.log_density(z) - NORMAL.log_density(z)
    empty = (z >= 1.2).all(axis=1)
    assert np.array_equal(np.isneginf(log_ratio), empty)
    assert np.exp(log_ratio).mean() == pytest.approx(1.0, rel=1e-9)
    assert not (cut.sample(20_000, rng) >= 1.2).all(axis=1).any()


def test_nothing_is_cut_out_where_margins_would_move():
    z = NORMAL.sample(1000, np.random.default_rng(0))
    zeros = Zeros(CORNERS, [~EMPTY], np.zeros(1, dtype=np.int64))
    assert zeros.cut(0, NORMAL, z, np.ones(len(z))) is None


@pytest.fixture(scope="module")
def impossible():
    """Fit a flow to two codes, of which one combination never occurs though others look like it."""
    rng = np.random.default_rng(0)
    n = 30_000
    a, b = rng.integers(0, 2, n), rng.integers(0, 4, n)
    c = np.where(rng.random(n) < 0.8, b, rng.integers(0, 4, n))
    b[(a == 1) & (b == 2)] = 3
    domain = Domain({"a": Categories([0, 1]), "b": Categories([0, 1, 2, 3]), "c": Categories([0, 1, 2, 3])})
    flow = DPSlicedWassersteinFlow(10.0, domain=domain, mechanism=MarginalsMechanism(n_pairs=3), random_state=0)
    return flow.fit(np.column_stack([a, b, c]))


def test_an_impossible_combination_stays_impossible(impossible):
    X = np.asarray(impossible.sample(20_000, random_state=0))
    assert not ((X[:, 0] == 1) & (X[:, 1] == 2)).any()
    cells = np.array(list(product(range(2), range(4), range(4))))
    density = np.exp(impossible.score_samples(cells))
    never = (cells[:, 0] == 1) & (cells[:, 1] == 2)
    assert (density[never] == 0.0).all()
    assert (density[~never] > 0.0).all()
    assert density.sum() == pytest.approx(1.0, abs=0.02)
    drawn = np.array([(X == cell).all(axis=1).mean() for cell in cells])
    assert 0.5 * np.abs(density - drawn).sum() < 0.04


def test_margins_stay_where_an_entry_is_empty(impossible):
    X = np.asarray(impossible.sample(50_000, random_state=1))
    # of b: a quarter each, but half of the third goes to the last; five standard errors and the noise of the fit
    assert np.bincount(X[:, 1].astype(int), minlength=4) / len(X) == pytest.approx(
        [0.25, 0.25, 0.125, 0.375], abs=0.015
    )
