"""A table of many columns of different scales, whose bounds are declared far too wide."""

import numpy as np
import pytest

from skdpflow import Domain, DPSlicedWassersteinFlow, Interval

N, D, TOO_WIDE = 20_000, 100, 1000


def many_columns(seed):
    """Skewed, symmetric, bounded and negative columns, which depend on each other, from 1e-6 to 1e6."""
    rng = np.random.default_rng(seed)
    scales = 10.0 ** rng.uniform(-6, 6, D)
    a = 0.5 * rng.normal(size=(N, 1)) + np.sqrt(0.75) * rng.normal(size=(N, D))
    shapes = np.stack([np.exp(0.7 * a), 3 + a, rng.beta(2, 5, (N, D)), a - 5])
    return scales * shapes[np.arange(D) % 4, :, np.arange(D)].T


def too_wide(x):
    low, high = float(x.min()), float(x.max())
    if low >= 0:
        return Interval(0, TOO_WIDE * high)
    more = (TOO_WIDE - 1) / 2 * (high - low)
    return Interval(low - more, high + more)


@pytest.mark.slow
@pytest.mark.statistical
def test_each_of_a_hundred_columns_is_located():
    """Medians within a decade and spreads within a factor of two: the noise moves them by a third at most.

    False alarms: the worst of 300 columns was at a factor of 1.3. If logarithms of ratios are normal with a standard
    deviation of 0.1, less than 1e-9.
    """
    X = many_columns(0)
    flow = DPSlicedWassersteinFlow(1.0, 1e-6, domain=Domain({f"c{j}": too_wide(X[:, j]) for j in range(D)}))
    rows = flow.fit(X).sample(N, random_state=0)
    medians, (low, high) = np.median([X, rows], axis=1), np.percentile([X, rows], [25, 75], axis=1)
    ratio, spread = medians[1] / medians[0], (high - low)[1] / (high - low)[0]
    assert (ratio > 0.1).all()
    assert (ratio < 10.0).all()
    assert (spread > 0.5).all()
    assert (spread < 2.0).all()
