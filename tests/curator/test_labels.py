"""Labels that are found privately: their noise is the one that is stated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdpflow.accountants import GaussianDPAccountant, GaussianEvent
from skdpflow.accountants.budget import Budget
from skdpflow.curator.curator import Curator
from skdpflow.curator.labels import find_labels
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.source import RowSource
from skdpflow.domain.schema import schema_of
from skdpflow.ledger.filter import PrivacyFilter
from skdpflow.release import rounded_normal_pmf

RELATIONS = ["add-remove", "replace-one"]


class KnownNoise(NoiseSource):
    """Noise that lets every label pass, and notes its scale."""

    def rounded_gaussian(self, scale, shape):
        self.asked = float(scale), shape
        return 10**6 + np.arange(int(np.prod(shape)), dtype=np.int64)


@pytest.mark.parametrize(("neighbours", "sensitivity"), [("add-remove", 1.0), ("replace-one", np.sqrt(2.0))])
def test_each_label_has_a_draw_of_its_own_with_the_noise_that_is_paid_for(neighbours, sensitivity):
    X, y = np.zeros((9, 1)), np.array(["a", "c", "b", "b", "c", "c", "a", "c", "b"], dtype=object)
    source, noise = RowSource(X, y, schema_of(X, y), None), KnownNoise()
    budget = Budget(1.0, 1e-6, neighbours, GaussianDPAccountant(), "gdp")
    curator = Curator(source, budget, noise, threshold_delta=1e-7)
    labels, m = find_labels(source, curator, neighbours, 0.2, 1e-7)
    assert labels == ["a", "b", "c"]
    assert (m.values - 10**6 - np.arange(3)).tolist() == [2, 3, 4]
    multiplier = 1.0 / (curator.mu * np.sqrt(0.2))
    assert noise.asked == (pytest.approx(sensitivity * multiplier, rel=1e-12), (3,))
    assert m.noise_scale.tolist() == [noise.asked[0]]


def test_the_most_frequent_labels_are_taken_where_fewer_fit_than_pass():
    X, y = np.zeros((9, 1)), np.array(["a", "c", "b", "b", "c", "c", "d", "c", "b"], dtype=object)
    source, noise = RowSource(X, y, schema_of(X, y), None), KnownNoise()
    curator = Curator(
        source, Budget(1.0, 1e-6, "add-remove", GaussianDPAccountant(), "gdp"), noise, threshold_delta=1e-7
    )
    labels, m = find_labels(source, curator, "add-remove", 0.2, 1e-7, most=2)
    assert labels == ["b", "c"]
    assert m.values.shape == (2,)


SHIFT = 10**6


class SilentCurator:
    """Draws a constant for noise, which lets every label pass: shows the counts that noise is added to."""

    def __init__(self, multiplier=100.0):
        self.filter = PrivacyFilter(1e6, 0.99)
        self.multiplier = multiplier

    def event(self, share):
        return GaussianEvent(self.multiplier)

    def draw(self, scale, shape, *, differing):
        self.scale, self.differing = scale, differing
        return np.full(shape, SHIFT)


def label_counts(labels, neighbours):
    y = np.array(labels, dtype=object)
    X = np.zeros((len(y), 1))
    found, measurement = find_labels(
        RowSource(X, y, schema_of(X, y), None), SilentCurator(), neighbours, 0.5, delta=1e-3
    )
    return dict(zip(found, (measurement.values - SHIFT).tolist(), strict=True)), measurement.sensitivity


@pytest.mark.parametrize("neighbours", RELATIONS)
@given(st.lists(st.sampled_from(["a", "b", 1, 2.5, True, None, 3.0]), min_size=2, max_size=8), st.data())
@settings(max_examples=30, deadline=None)
def test_label_counts_of_neighbours(neighbours, labels, data):
    i = data.draw(st.integers(0, len(labels) - 1))
    other = labels[:i] + labels[i + 1 :]
    if neighbours == "replace-one":
        other.insert(i, data.draw(st.sampled_from(["a", "c", 1, None])))
    (one, sensitivity), (two, _) = label_counts(labels, neighbours), label_counts(other, neighbours)
    change = [one.get(label, 0) - two.get(label, 0) for label in set(one) | set(two)]
    assert np.linalg.norm(change) <= sensitivity * (1 + 1e-12)
    assert np.count_nonzero(change) <= (1 if neighbours == "add-remove" else 2)
    assert label_counts(["a", "a", "b"], neighbours)[0] == {"a": 2, "b": 1}


@pytest.mark.parametrize("neighbours", RELATIONS)
@pytest.mark.parametrize("multiplier", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-3])
def test_a_label_of_one_row_passes_with_probability_delta(neighbours, multiplier, delta):
    X, y = np.zeros((3, 1)), np.array(["lonely", "b", "b"], dtype=object)
    curator = SilentCurator(multiplier)
    _, measurement = find_labels(RowSource(X, y, schema_of(X, y), None), curator, neighbours, 0.5, delta)
    # exact probability that one plus the rounded noise reaches the threshold
    reach = np.arange(
        measurement.params["threshold"] - 1, measurement.params["threshold"] + int(50 * curator.scale) + 50
    )
    passes = rounded_normal_pmf(reach, curator.scale).sum()
    allowed = delta if neighbours == "add-remove" else delta / 2
    assert passes <= allowed
    if curator.scale > 20:
        assert passes >= 0.6 * allowed
    assert curator.differing == 2
    (entry,) = curator.filter.entries
    assert entry.delta == delta
