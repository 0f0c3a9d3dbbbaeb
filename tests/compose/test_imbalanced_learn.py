"""DPOversampler follows imbalanced-learn's conventions: its own checks of samplers pass, all of them."""

import pytest

from skdpflow import Categories, DPSlicedWassersteinFlow
from skdpflow.compose import DPOversampler

base = pytest.importorskip("imblearn.over_sampling.base")
checks = pytest.importorskip("imblearn.utils.estimator_checks")

# some checks apply to what they know as a sampler that adds rows
base.BaseOverSampler.register(DPOversampler)

# The checks compare fits, on tiny tables of several sets of labels: so the noise is seeded and the labels are found.
FLOW = DPSlicedWassersteinFlow(epsilon=30.0, target=Categories(), noise_random_state=0, random_state=0)


CHECKS = [check for _, check in checks.estimator_checks_generator(DPOversampler(FLOW))]


@pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")
@pytest.mark.filterwarnings("ignore:A column-vector y was passed:sklearn.exceptions.DataConversionWarning")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.func.__name__)
def test_checks_of_imbalanced_learn(check):
    check(DPOversampler(FLOW, random_state=0))
