"""Labels that are found privately: their noise is the one that is stated."""

import numpy as np
import pytest

from skdpflow.accountants import GaussianDPAccountant
from skdpflow.curator.curator import Budget, Curator
from skdpflow.curator.encode import RowSource
from skdpflow.curator.labels import find_labels
from skdpflow.curator.noise import NoiseSource
from skdpflow.domain.schema import schema_of


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
