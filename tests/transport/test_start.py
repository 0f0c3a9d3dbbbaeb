import pickle

import numpy as np

from skdpflow.transport.start import CutGaussian, Gaussian


def test_a_pickled_start_draws_the_same_points_to_the_bit():
    root = np.random.default_rng(0).standard_normal((3, 3))
    whole = Gaussian(np.arange(3.0), root @ root.T + np.eye(3))
    pieces = np.array([-1.0, 1.0])[:, None]
    start = CutGaussian(whole, pieces, np.ones(2), whole.mean + pieces, np.array([whole.covariance] * 2))
    drawn = start.sample(500, np.random.default_rng(1))  # and what it keeps for later draws is there
    again = pickle.loads(pickle.dumps(start))
    assert np.array_equal(again.sample(500, np.random.default_rng(1)), drawn)
