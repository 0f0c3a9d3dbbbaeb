"""Means of components from noisy sums."""

from types import SimpleNamespace

import numpy as np
import pytest

from skdpflow.transport.moments import component_means

N_COMPONENTS, N_COLUMNS, ROWS, STEPS = 40, 100, 500.0, 64


def measured(means, sd, rng):
    """Sums of rows in lattice units of 1 / STEPS, with noise of deviation `sd` in a mean."""
    sums = np.rint((means * ROWS + sd * ROWS * rng.standard_normal(means.shape)) * STEPS)
    return SimpleNamespace(values=sums, sd=np.array(sd * ROWS * STEPS), params={"radius": 1.0, "steps": STEPS})


@pytest.mark.parametrize("sd", [0.1, 0.5, 1.0])
def test_means_keep_the_variance_between_components(sd):
    """Per column the variance varies by 22 % (40 components); that of 100 columns together by 3 %."""
    rng = np.random.default_rng(0)
    true = 0.5 * rng.standard_normal((N_COMPONENTS, N_COLUMNS))
    means, unknown = component_means(measured(true, sd, rng), np.full(N_COMPONENTS, ROWS))
    assert means.var(axis=0).mean() == pytest.approx(true.var(axis=0).mean(), rel=0.15)
    assert (unknown >= 0.0).all()
    assert (unknown <= sd**2 * (1.0 + 1e-9)).all()


def test_noise_alone_makes_no_difference_between_components():
    rng = np.random.default_rng(0)
    means, _ = component_means(measured(np.zeros((N_COMPONENTS, N_COLUMNS)), 1.0, rng), np.full(N_COMPONENTS, ROWS))
    assert means.var(axis=0).mean() < 0.2


def test_exact_means_stay():
    true = np.array([[0.5, -0.25], [0.0, 1.0]])
    means, unknown = component_means(measured(true, 0.0, np.random.default_rng(0)), np.full(2, ROWS))
    assert means == pytest.approx(true)
    assert (unknown == 0.0).all()
