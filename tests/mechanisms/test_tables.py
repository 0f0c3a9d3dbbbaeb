"""Which two-way tables are measured."""

import numpy as np
import pytest
from scipy.special import ndtr

from skdpflow import DPSlicedWassersteinFlow
from skdpflow.latent.rank import RankTransform
from skdpflow.mechanisms.marginals.tables import predictions

N_ROWS, N_PARTICLES, LEVELS = 6144, 2048, 1024


def test_tables_of_a_right_model_are_as_far_from_those_of_rows_as_is_expected():
    """Of 16 x 16 entries, whose noise has deviation 3; the mean of 20 tables varies by about 1 %."""
    transform = RankTransform(
        [np.array([0.0, LEVELS])] * 2, [np.array([0.0, 1.0])] * 2, [None] * 2, [np.zeros((0, 2))] * 2
    )
    edges = np.arange(1, 16) * (LEVELS // 16)
    bins = {"pair_edges": np.tile(edges, 2), "pair_edge_sizes": np.array([15, 15])}
    ratios = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        particles = rng.standard_normal((N_PARTICLES, 2))
        told = predictions([particles], np.array([N_ROWS / N_PARTICLES]), transform, bins, 3.0)
        rows = np.floor(16.0 * ndtr(rng.standard_normal((N_ROWS, 2)))).astype(int)
        counts = np.bincount(rows @ [16, 1], minlength=256) + 3.0 * rng.standard_normal(256)
        ratios.append(np.abs(counts - told["predicted"][0]).sum() / told["baseline"][0])
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("epsilon", "every"), [(1.0, False), (1000.0, True)])
def test_with_a_large_budget_every_pair_of_columns_has_a_table(epsilon, every):
    X = np.random.default_rng(0).uniform(size=(5000, 10))
    flow = DPSlicedWassersteinFlow(epsilon, domain=(0.0, 1.0), random_state=0).fit(X)
    assert (len(flow.release_["pairs"].params["pairs"]) == 45) == every
