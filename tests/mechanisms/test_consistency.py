"""What was measured holds in fresh samples, whatever the model learnt after it."""

import numpy as np
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.latent.lookup import bin_of
from skdpflow.mechanisms.marginals.histograms import axis_blocks
from skdpflow.mechanisms.marginals.state import MarginalsState
from skdpflow.transport.flow import FlowComponent

N_ROWS, N_FRESH = 6000, 60_000


def table(n=N_ROWS):
    """Skewed, curved and discrete columns, and a label that depends on two of them at once."""
    rng = np.random.default_rng(0)
    a, b = rng.gamma(2.0, size=n), rng.uniform(-1, 1, size=n)
    c = np.sin(3.0 * b) + 0.2 * rng.standard_normal(n)
    e = rng.integers(0, 8, size=n)
    y = (b * (e - 3.5) + 0.3 * rng.standard_normal(n) > 0).astype(int)
    return np.column_stack([np.minimum(a, 9.9), b, np.clip(c, -1.9, 1.9), e]), y


@pytest.fixture(scope="module")
def flow():
    X, y = table()
    domain = [(0.0, -1.0, -2.0, 0.0), (10.0, 1.0, 2.0, 8.0)]
    # noise of a fraction of a row
    flow = DPSlicedWassersteinFlow(3000.0, domain=tuple(domain), target=Categories([0, 1]), random_state=0)
    return flow.fit(X, y)


def total_variation(points, edges, counts):
    found = np.bincount(bin_of(points, edges), minlength=len(counts))
    return 0.5 * np.abs(found / found.sum() - counts / counts.sum()).sum()


def test_fresh_samples_meet_the_histograms_of_columns(flow):
    """The tolerance is the mean distance of samples of 2,000 rows: a third of the rows that were measured."""
    state = MarginalsState.of(flow.release_)
    blocks = axis_blocks(state.axes, state.sizes, state.transform, state.columns, numeric_target=False)
    for component, block in zip(flow._model.components, blocks, strict=True):
        z = component.sample(N_FRESH, np.random.default_rng(1))
        for j, (edges, counts) in enumerate(zip(block.slices.edges, block.slices.counts, strict=True)):
            p = np.maximum(counts, 0.0) / np.maximum(counts, 0.0).sum()
            sampling = np.sqrt(p * (1.0 - p) / (2.0 * np.pi * N_ROWS / 3)).sum()
            assert total_variation(z[:, j], edges, counts) < sampling


def test_densities_of_tilted_components_integrate_to_one(flow):
    """The tolerance is above six standard errors, those of the normaliser included."""
    for component in flow._model.components:
        whole = component if isinstance(component, FlowComponent) else component.component  # less its empty entries
        tilted = whole.start
        z = tilted.component.sample(N_FRESH, np.random.default_rng(2))
        ratio = np.exp(tilted.log_density(z) - tilted.component.log_density(z))
        assert ratio.mean() == pytest.approx(1.0, abs=0.05)


@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
@pytest.mark.parametrize("epsilon", [10.0, 1000.0])
def test_the_tail_of_a_numeric_target_holds_the_rows_that_were_counted(epsilon):
    """Costs are skewed: the largest hundredth decides a mean. A sample of 20,000 rows has 100 +- 10 in its tail."""
    rng, n = np.random.default_rng(0), 20_000
    X = rng.normal(size=(n, 3))
    cost = np.exp(4.0 + 0.8 * X[:, 0] + 1.2 * rng.standard_normal(n)).clip(0.0, 1e5)
    domain = Domain({name: Interval(-6.0, 6.0) for name in "abc"})
    flow = DPSlicedWassersteinFlow(
        epsilon, 1e-6, domain=domain, target=Interval(0.0, 1e5), random_state=0, noise_random_state=0
    ).fit(X, cost)
    _, found = flow.sample_labeled(n, random_state=0)
    for level in (0.95, 0.99, 0.995):
        assert np.mean(found > np.quantile(cost, level)) == pytest.approx(1.0 - level, rel=0.4)
    assert np.mean(found) == pytest.approx(np.mean(cost), rel=0.06)
