"""DPOversampler follows imbalanced-learn's conventions: its own checks of samplers pass, but for sparse columns."""

import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, DPSlicedWassersteinFlow
from skdpflow.compose import DPOversampler

base = pytest.importorskip("imblearn.over_sampling.base")
checks = pytest.importorskip("imblearn.utils.estimator_checks")

# some checks apply to what they know as a sampler that adds rows
base.BaseOverSampler.register(DPOversampler)

# The checks compare fits, on tiny tables of several sets of labels: so the noise is seeded and the labels are found.
FLOW = DPSlicedWassersteinFlow(epsilon=30.0, target=Categories(), noise_random_state=0, random_state=0)


# pandas' sparse columns are refused, as scipy's sparse matrices are
REFUSED = "check_samplers_pandas_sparse"
CHECKS = [
    check for _, check in checks.estimator_checks_generator(DPOversampler(FLOW)) if check.func.__name__ != REFUSED
]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
@pytest.mark.filterwarnings("ignore:A column-vector y was passed:sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.func.__name__)
def test_checks_of_imbalanced_learn(check):
    check(DPOversampler(FLOW, random_state=0))


@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
def test_sparse_columns_are_refused():
    X = pd.DataFrame(np.eye(4), dtype=pd.SparseDtype(float, 0))
    with pytest.raises(TypeError, match=r"Column 0 of X|Column '0' of X"):
        DPOversampler(FLOW).fit_resample(X, [0, 0, 0, 1])
