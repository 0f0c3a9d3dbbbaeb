import numpy as np
import pytest

from skdpflow import DPSlicedWassersteinFlow, PrivacyLedger
from skdpflow.mechanisms import MarginalsMechanism


@pytest.mark.parametrize(
    "params",
    [
        {"n_bins": 1},
        {"n_bins": "a"},
        {"n_slices": -1},
        {"n_pairs": -2},
        {"n_partitions": 1.5},
        {"n_cuts": 20},
        {"n_cuts": True},
        {"n_target_bins": -1},
    ],
    ids=str,
)
def test_a_wrong_parameter_is_refused_before_anything_is_spent(params):
    ledger, X = PrivacyLedger(epsilon=2.0, delta=1e-5), np.random.default_rng(0).uniform(size=(50, 3))
    flow = DPSlicedWassersteinFlow(domain=(0, 1), mechanism=MarginalsMechanism(**params), ledger=ledger)
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter of MarginalsMechanism"):
        flow.fit(X)
    assert not ledger.events
