"""Cells: a class that is not one cloud is learnt as several, and what is predicted of a normal class is right."""

import numpy as np
import pytest

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval
from skdpflow.mechanisms import MarginalsMechanism
from skdpflow.mechanisms.marginals.subcomponents import predicted_subcomponents


def test_predictions_are_the_moments_of_the_halves_of_a_normal_class():
    rng = np.random.default_rng(0)
    root = np.array([[2.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.2, -0.3, 0.4]])
    mean, covariance = np.array([1.0, -1.0, 0.5]), root @ root.T
    directions, centres, shapes = predicted_subcomponents(mean[None], covariance[None], 2)
    z = mean + rng.standard_normal((400_000, 3)) @ root.T
    cell = ((z - mean) @ directions[0] > 0) @ [1, 2]
    for q in range(4):
        assert np.allclose(z[cell == q].mean(axis=0), centres[0, q], atol=0.02)
        assert np.allclose(np.cov(z[cell == q].T), shapes[0], atol=0.03)


def rings(n):
    """Rows on a circle, which has no covariance to show."""
    angle = np.random.default_rng(1).uniform(0, 2 * np.pi, n)
    noise = np.random.default_rng(2).normal(size=(n, 2)) * 0.1
    return np.column_stack([np.cos(angle), np.sin(angle)]) + noise


@pytest.mark.parametrize("target", [None, Categories([0, 1]), Interval(0.0, 1.0)])
@pytest.mark.parametrize("neighbours", ["add-remove", "replace-one"])
def test_cells_empty_the_middle_of_a_ring(target, neighbours):
    X = rings(6000)
    y = None if target is None else np.arange(6000) % 2
    inside = []
    for n_cuts in (0, 2):
        mechanism = MarginalsMechanism(n_cuts=n_cuts, n_pairs=0, n_partitions=0, n_slices=0, n_target_bins=2)
        flow = DPSlicedWassersteinFlow(
            3.0, domain=(-2.0, 2.0), target=target, mechanism=mechanism, neighbours=neighbours, random_state=0
        ).fit(X, y)
        Z = flow.sample(6000, random_state=0)
        inside.append(float((np.hypot(*Z.T) < 0.5).mean()))
        assert np.isfinite(flow.score_samples(X[:20])).all()
        again = DPSlicedWassersteinFlow.from_release(flow.release_)
        assert (again.sample(6000, random_state=0) == Z).all()
    assert inside[1] < 0.8 * inside[0]
