import numpy as np
import pytest

from skdpflow import Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow.mechanisms.marginals.locate import LEAST_PARTS, MOST_BINS, refined


@pytest.mark.parametrize(
    "column",
    [
        Interval(0, np.finfo(float).max),
        Interval(-np.finfo(float).max / 4, np.finfo(float).max / 4),
        Interval(2**53 - 1000, 2**53, integer=True),
        Interval(2**53 - 1000, 2**53, integer=True, nullable=True),
        Interval(-(2**53), 2**53, integer=True),
    ],
)
def test_the_widest_intervals_are_fitted(column):
    X = np.full((2000, 1), float(column.upper))
    flow = DPSlicedWassersteinFlow(domain=Domain({"a": column}), random_state=0, n_particles=64).fit(X)
    rows = flow.sample(500, random_state=0)
    assert np.isfinite(rows).all()
    assert (rows <= float(column.upper)).all()


def test_columns_that_change_between_rounds_are_encoded_anew():
    """Equal columns may have other grids: what was located of the first column counts from then on."""
    X = np.random.default_rng(0).gamma(2.0, size=(2000, 2))
    ledger = PrivacyLedger(epsilon=2, delta=1e-5)
    flow = DPSlicedWassersteinFlow(domain=(0, 1e6), random_state=0, n_particles=256, ledger=ledger).fit(X)
    assert all(column.grid is not None for column in flow.domain_.columns)
    np.testing.assert_allclose(np.median(flow.sample(2000, random_state=0), axis=0), np.median(X, axis=0), rtol=0.2)


def test_each_bin_that_stands_out_is_refined():
    edges = np.array([0.0, 1.0, 2.0, 3.0, 1e6])
    counts = np.array([5000.0, 5100.0, 300.0, 0.0])
    finer = refined(edges, counts, 10.0, integer=False)
    parts = np.diff(np.searchsorted(finer, edges))
    assert (parts[:3] >= LEAST_PARTS).all()
    assert 0.5 < parts[0] / parts[1] < 2.0  # those that hold as much are cut as finely
    assert parts[3] == 1
    assert len(finer) - len(edges) <= MOST_BINS
