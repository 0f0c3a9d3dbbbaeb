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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
@pytest.mark.parametrize("epsilon", [10.0, 100.0, 1000.0])
def test_more_budget_loses_no_single_value(epsilon):
    """Wind speeds have few values of four decimals: bins that hold hardly anything do not stop the search for them."""
    rng = np.random.default_rng(0)
    values = np.round(np.arange(29) * 0.0298507, 4)
    shares = np.r_[0.12, np.full(8, 0.08), np.full(20, 0.012)]
    X = np.column_stack([rng.choice(values, 5000, p=shares / shares.sum()), rng.uniform(size=(5000, 3))])
    flow = DPSlicedWassersteinFlow(epsilon, 1e-6, domain=(0, 1), random_state=0, noise_random_state=0).fit(X)
    sample = flow.sample(20_000, random_state=0)[:, 0]
    for value, share in zip(values[:9], shares[:9] / shares.sum(), strict=True):
        assert np.mean(sample == value) == pytest.approx(share, abs=0.03)
