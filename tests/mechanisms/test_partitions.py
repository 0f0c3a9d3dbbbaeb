"""Partitions: their rounds, and that what they count does not spoil the rest of the model."""

import numpy as np
import pytest

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow.mechanisms import MarginalsMechanism
from skdpflow.metrics import sliced_wasserstein_distance


def numeric(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(size=(n, 4))
    return X, X[:, 0] * X[:, 1] + 0.1 * rng.normal(size=n)


def fitted(epsilon, n, **params):
    X, y = numeric(n)
    return DPSlicedWassersteinFlow(
        epsilon, 1e-6, domain=(0, 1), target=Interval(-1, 2), random_state=0, noise_random_state=0, **params
    ).fit(X, y)


def names(flow):
    return [m.name for m in flow.release_.measurements if m.kind == "partitions"]


@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
def test_partitions_of_a_numeric_target_are_measured_in_two_rounds():
    assert names(fitted(8.0, 4000)) == ["partitions", "partitions2", "factorial"]
    assert names(fitted(0.2, 4000))[:2] == ["partitions", "partitions2"]
    assert names(fitted(8.0, 4000, mechanism=MarginalsMechanism(n_partitions=1))) == ["partitions", "factorial"]


@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
def test_two_rounds_together_cost_what_one_would_and_count_as_many_partitions():
    flow = fitted(8.0, 4000, mechanism=MarginalsMechanism(n_partitions=15))
    first, second = (flow.release_[name] for name in ("partitions", "partitions2"))
    numbers = [len(m.params["partition_columns"]) for m in (first, second)]
    assert numbers == [7, 8]
    assert first.event == second.event


def test_a_continued_fit_adds_partitions_and_stays_within_the_ledger():
    X, y = numeric(3000)
    ledger = PrivacyLedger(epsilon=12.0, delta=1e-5)
    flow = DPSlicedWassersteinFlow(4.0, 1e-6, domain=(0, 1), target=Interval(-1, 2), ledger=ledger, random_state=0)
    flow.fit(X, y)
    before = names(flow)
    flow.continue_fit(X, y, extra_epsilon=4.0)
    assert set(names(flow)) > set(before)
    ledger.verify([flow.release_])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
def test_counts_of_regions_bring_classes_nearer_to_their_rows_where_classes_are_many():
    """The tilt has fewer particles of a class then, and they must be a sample: of a run of them, the ratio was 1.13."""
    ratios = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        means, label = rng.normal(size=(10, 4, 7)), rng.integers(10, size=8000)
        X = np.clip(means[label, rng.integers(4, size=8000)] + 0.2 * rng.normal(size=(8000, 7)), -4, 4)
        distances = []
        for n_partitions in (0, None):
            mechanism = MarginalsMechanism(n_partitions=n_partitions)
            target = Categories(list(range(10)))
            flow = DPSlicedWassersteinFlow(
                20.0, 1e-6, domain=(-4, 4), target=target, random_state=0, noise_random_state=seed, mechanism=mechanism
            ).fit(X, label)
            Z, z = flow.sample_labeled(8000, random_state=seed)
            own = [sliced_wasserstein_distance(Z[z == c], X[label == c]) for c in range(10)]
            distances.append(np.mean(own))
        ratios.append(distances[1] / distances[0])
    assert np.mean(ratios) < 0.95
