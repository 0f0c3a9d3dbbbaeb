"""Reports and pictures of columns with a declared grain speak of their values, not of steps."""

import numpy as np
import pandas as pd
import pytest

from skdpflow import DPSlicedWassersteinFlow, Interval
from skdpflow.inspection import MarginalsDisplay


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"bmi": rng.normal(26, 4, 3000).round(1), "dose": rng.integers(2, 20, 3000) * 0.25})
    y = (X["bmi"] * 2 + X["dose"]).round(2)
    domain = {"bmi": Interval(5, 300, decimals=1), "dose": Interval(0.25, 10, step=0.25)}
    flow = DPSlicedWassersteinFlow(20.0, domain=domain, target=Interval(1, 700, decimals=2), random_state=0)
    return flow.fit(X, y), X, y


def test_rows_and_samples_are_compared_in_the_same_units(fitted):
    flow, X, y = fitted
    report = flow.quality_report(X, y, random_state=0)
    columns = report.to_frame("row_columns").set_index("name")
    assert sorted(columns.index) == ["bmi", "dose", "target"]
    assert (columns["kolmogorov_smirnov"] < 0.1).all()
    assert (columns["wasserstein"] < 0.2).all()


def test_names_of_bins_are_values(fitted):
    flow, *_ = fitted
    columns = flow.quality_report(random_state=0).to_frame("columns").set_index("name")
    assert 15 < float(columns.loc["bmi", "largest_bin_is"].split(" to ")[0]) < 35
    assert 0 < float(columns.loc["dose", "largest_bin_is"].split(" to ")[0]) < 6


def test_pictures_have_the_units_of_the_values(fitted):
    flow, *_ = fitted
    axes = {ax.get_title() or ax.get_xlabel(): ax for ax in np.ravel(MarginalsDisplay.from_estimator(flow).axes_)}
    (dose,) = (ax for name, ax in axes.items() if "dose" in name)
    assert dose.get_xlim()[1] < 12


def test_values_that_miss_the_grain_by_rounding_have_a_density(fitted):
    flow, *_ = fitted
    rows = pd.DataFrame({"bmi": np.arange(200, 300) * 0.1, "dose": np.full(100, 2.5)})
    assert (rows["bmi"] != rows["bmi"].round(1)).any()
    assert np.isfinite(flow.score_samples(rows)).all()
    assert flow.score_samples(rows.assign(bmi=25.05)).max() == -np.inf
