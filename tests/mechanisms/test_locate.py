import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdpflow import Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow.mechanisms.marginals.allocation import ISOLATION_SHARES, LOCATION_SHARES
from skdpflow.mechanisms.marginals.locate import LEAST_PARTS, MOST_BINS, first_edges, isolated, refined


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


@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
def test_values_and_gaps_all_over_the_widest_intervals_are_fitted():
    largest, rng = np.finfo(float).max / 2.1, np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(3000, 2)) * largest
    X[rng.uniform(size=3000) < 0.3, 1] = np.nan
    domain = Domain({"a": Interval(-largest, largest), "b": Interval(-largest, largest, nullable=True)})
    for epsilon in (0.05, 10.0):
        flow = DPSlicedWassersteinFlow(
            epsilon, 1e-6, domain=domain, random_state=0, noise_random_state=0, n_particles=64
        ).fit(X)
        rows = flow.sample(300, random_state=0)
        assert (np.abs(rows[np.isfinite(rows)]) <= largest).all()


@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
def test_a_single_row_is_no_value_that_many_share_however_large_the_budget():
    X = np.random.default_rng(0).uniform(size=(20, 1))
    flow = DPSlicedWassersteinFlow(1e4, 1e-6, domain=(0, 1), random_state=0, noise_random_state=0, n_particles=64)
    flow.fit(X)
    assert not further_rounds(flow)
    assert not np.isin(flow.sample(500, random_state=0), X).any()


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


N = 20_000
#: What a mean and a logarithm that were filled in look like, a value next to 0, and a whole number of many digits.
IRREGULAR = {"mean": 123.4567890123, "log": -np.log(7.3), "small": 1.2345678e-9, "whole": 123_456_789_123.0}
WIDE = {
    "mean": Interval(0, 1e4),
    "log": Interval(-100, 1),
    "small": Interval(0, 1e6),
    "whole": Interval(0, 2**50, integer=True),
}


def further_rounds(flow):
    """Names of the rounds after those that every located column may take part in."""
    located = [m.name for m in flow.release_.measurements if m.kind == "location"]
    return [name for name in located if int(name.removeprefix("location")) > len(LOCATION_SHARES)]


@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
@pytest.mark.parametrize(("epsilon", "neighbours"), [(1.0, "add-remove"), (10.0, "add-remove"), (10.0, "replace-one")])
def test_a_value_that_many_rows_share_comes_back_exactly_whatever_its_digits(epsilon, neighbours):
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [rng.lognormal(5, 1, N), -rng.lognormal(1, 1, N), rng.uniform(0, 1e6, N), np.rint(rng.lognormal(15, 3, N))]
    )
    X = np.where(rng.uniform(size=X.shape) < 0.3, list(IRREGULAR.values()), X)
    flow = DPSlicedWassersteinFlow(
        epsilon, 1e-6, domain=Domain(WIDE), neighbours=neighbours, random_state=0, noise_random_state=0
    ).fit(X)
    sample = flow.sample(N, random_state=0)
    for j, value in enumerate(IRREGULAR.values()):
        assert np.mean(sample[:, j] == value) == pytest.approx(0.3, abs=0.03)
    assert 0 < len(further_rounds(flow)) <= len(ISOLATION_SHARES)


@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
@pytest.mark.parametrize("epsilon", [1.0, 10.0])
def test_columns_without_single_values_ask_for_no_further_round(epsilon):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.lognormal(5, 1, N), rng.normal(size=N), rng.uniform(size=N), rng.beta(2, 5, N)])
    domain = Domain({"a": Interval(0, 1e7), "b": Interval(-100, 100), "c": Interval(0, 1), "d": Interval(0, 1)})
    for rows in (X, X[:100]):
        flow = DPSlicedWassersteinFlow(epsilon, 1e-6, domain=domain, random_state=0, noise_random_state=0)
        assert not further_rounds(flow.fit(rows))


@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
@pytest.mark.parametrize(("epsilon", "error"), [(10.0, 0.02), (1000.0, 0.01)])
def test_whole_numbers_that_many_rows_share_come_back_with_their_shares(epsilon, error):
    """Sizes of disks are few whole numbers between wide bounds; counts of all sizes are none of them."""
    rng = np.random.default_rng(0)
    sizes, shares = rng.choice(np.arange(20, 2400), 25, replace=False), rng.dirichlet(np.full(25, 5.0))
    smooth = np.rint(rng.lognormal(5, 0.5, N)).clip(0, 2500)
    X = np.column_stack([rng.choice(sizes, N, p=shares), smooth])
    domain = Domain({"size": Interval(0, 2500, integer=True), "count": Interval(0, 2500, integer=True)})
    flow = DPSlicedWassersteinFlow(epsilon, 1e-6, domain=domain, random_state=0, noise_random_state=0).fit(X)
    sample = flow.sample(N, random_state=0)
    for value, share in zip(sizes, shares, strict=True):
        assert np.mean(sample[:, 0] == value) == pytest.approx(share, abs=error)
    assert np.isin(sample[:, 0], sizes).mean() > 0.97
    most = np.unique(smooth, return_counts=True)[1].max()
    assert np.unique(sample[:, 1], return_counts=True)[1].max() < 1.5 * most


@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
def test_columns_of_few_whole_numbers_ask_for_no_further_round():
    """Histograms count them value by value."""
    X = np.random.default_rng(0).choice([0, 20, 40, 100], size=(N, 3), p=[0.1, 0.2, 0.6, 0.1])
    domain = Domain({name: Interval(0, 100, integer=True) for name in "abc"})
    flow = DPSlicedWassersteinFlow(10.0, 1e-6, domain=domain, random_state=0, noise_random_state=0).fit(X)
    assert not further_rounds(flow)
    assert np.isin(flow.sample(N, random_state=0), [0, 20, 40, 100]).mean() > 0.97


@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
def test_many_values_close_together_are_no_single_value():
    X = np.random.default_rng(0).normal(777.7, 1e-4, size=(N, 1))
    flow = DPSlicedWassersteinFlow(10.0, 1e-6, domain=(0, 1e9), random_state=0, noise_random_state=0).fit(X)
    sample = flow.sample(N, random_state=0)[:, 0]
    assert np.unique(sample, return_counts=True)[1].max() < 0.005 * N
    np.testing.assert_allclose(np.quantile(sample, [0.1, 0.5, 0.9]), np.quantile(X, [0.1, 0.5, 0.9]), atol=1e-4)


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300), st.floats(-1e300, 1e300), st.booleans())
def test_any_number_is_isolated_in_the_rounds_there_are(low, value, high, integer):
    low, value, high = np.sort([low, value, high])
    if integer:
        low, value, high = np.rint(np.clip([low, value, high], -(2.0**52), 2.0**52))
    if low >= high:
        return
    edges = first_edges(Interval(low, high, integer=integer))
    for n_rounds in range(len(ISOLATION_SHARES), 0, -1):
        earlier = edges
        counts = np.where((edges[:-1] <= value) & (value < edges[1:]), 100.0, 0.0)
        edges = isolated(edges, counts, 100.0, 1.0, n_rounds, integer)
        assert np.isin(earlier, edges).all()
        assert (np.diff(edges) > 0).all()
        assert len(edges) - len(earlier) <= MOST_BINS
    at = np.searchsorted(edges, value, side="right")
    assert edges[at - 1] == value
    assert edges[at] == (value + 1.0 if integer else np.nextafter(value, np.inf))
