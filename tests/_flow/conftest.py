"""Tables and flows that several tests of the estimator use."""

import copy

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval

FRAMES = {"pandas": pd.DataFrame, "polars": pl.DataFrame}
N = 400


@pytest.fixture
def patient_domain():
    return Domain(
        {
            "ward": Categories(["A", "B", "C"]),
            "age": Interval(17, 90, integer=True),
            "bmi": Interval(10.0, 60.0),
            "smoker": Categories([False, True]),
            "grade": Categories([1, 2, 4]),
        }
    )


@pytest.fixture
def patients():
    """Makes a frame whose columns are not in the order of the domain."""

    def make(kind):
        rng = np.random.default_rng(0)
        data = {
            "age": rng.integers(17, 91, N),
            "bmi": rng.normal(25.0, 4.0, N).astype(np.float32),
            "ward": rng.choice(["A", "B", "C"], N),
            "smoker": rng.random(N) < 0.3,
            "grade": rng.choice(np.array([1, 2, 4], dtype=np.int8), N),
        }
        return FRAMES[kind](data)

    return make


def correlated():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(N, 1))
    return np.hstack([a, a + 0.3 * rng.normal(size=(N, 1))]).clip(-4.0, 4.0)


@pytest.fixture
def X():
    """Two columns that are correlated."""
    return correlated()


@pytest.fixture(scope="module")
def fitted():
    return DPSlicedWassersteinFlow(domain=(-4.0, 4.0)).fit(correlated())


@pytest.fixture
def flow(fitted):
    """A copy, which a test may change."""
    return copy.deepcopy(fitted)
