"""Pictures of two-way tables, and of what more budget would buy."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow.inspection import BudgetDisplay, EpsilonsDisplay, PairsDisplay

mpl.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def flow():
    rng = np.random.default_rng(0)
    age = rng.uniform(20, 80, 6000)
    ward = np.where(age + rng.normal(0, 5, 6000) > 50, "B", "A")
    X = pd.DataFrame({"age": age, "ward": ward, "weight": np.where(age > 50, 90, 60) + rng.normal(0, 3, 6000)})
    domain = {"age": Interval(0, 100), "ward": Categories(["A", "B"]), "weight": Interval(0, 200)}
    return DPSlicedWassersteinFlow(5.0, domain=domain, random_state=0).fit(X)


class TestPairs:
    def test_measured_and_synthetic_tables_stand_beside_each_other(self, flow):
        display = PairsDisplay.from_estimator(flow, random_state=0)
        assert len(display.axes_) == 2 * len(display.pairs) > 0
        assert display.figure_ is display.axes_[0].figure
        for pair, (measured, synthetic) in zip(display.pairs, display.axes_[:].reshape(-1, 2), strict=True):
            assert measured.get_title().startswith("measured, +- ")
            assert synthetic.get_title() == "synthetic"
            assert (measured.get_xlabel(), measured.get_ylabel()) == pair.names
            assert measured.images[0].get_clim() == synthetic.images[0].get_clim()

    def test_shares_are_those_of_release_and_sample(self, flow):
        (pair,) = PairsDisplay.from_estimator(flow, pairs=[("ward", "age")], random_state=0).pairs
        assert set(pair.names) == {"age", "ward"}
        assert pair.measured.sum() == pytest.approx(1.0, abs=0.1)
        assert pair.sampled.sum() == pytest.approx(1.0)
        assert pair.measured.shape == pair.sampled.shape == tuple(map(len, pair.labels))
        assert np.abs(pair.measured - pair.sampled).max() < 8 * pair.sd + 0.02
        assert 0 < pair.sd < 0.01

    def test_a_release_has_no_synthetic_tables(self, flow):
        figure, ax = plt.subplots()
        display = PairsDisplay.from_release(flow.release_, pairs=[("age", "ward")], ax=ax)
        assert display.figure_ is figure
        assert display.pairs[0].sampled is None

    def test_what_cannot_be_drawn_is_named(self, flow):
        with pytest.raises(ValueError, match=r"\('age', 'height'\)\] were not measured. Measured are: .* x "):
            PairsDisplay.from_estimator(flow, pairs=[("age", "height")])
        with pytest.raises(ValueError, match="2 tables need as many axes"):
            PairsDisplay.from_estimator(flow, pairs=[("age", "ward")], ax=plt.subplots()[1])
        single = DPSlicedWassersteinFlow(domain=(0, 1)).fit(np.random.default_rng(0).uniform(size=(50, 1)))
        with pytest.raises(ValueError, match="holds no two-way tables"):
            PairsDisplay.from_estimator(single)


class TestEpsilons:
    flow = DPSlicedWassersteinFlow(0.7, domain={"age": Interval(0, 100), "ward": Categories(["A", "B"])})

    def test_more_budget_makes_smaller_errors(self):
        display = EpsilonsDisplay.from_estimator(self.flow, n_guess=1000, epsilons=[5.0, 0.5])
        assert display.epsilons.tolist() == [0.5, 5.0]
        for values in display.curves.values():
            known = values[~np.isnan(values)]
            assert (known >= 1.0).all()
            assert (np.diff(known) < 0).all()
        assert len(display.lines_) == len(display.curves)
        assert display.figure_ is display.ax_.figure
        assert display.ax_.get_title(loc="left") == "plan for 1,000 rows of 2 columns, delta = 1e-06"

    def test_resolution_is_that_of_the_plan(self):
        ax = plt.subplots()[1]
        display = EpsilonsDisplay.from_estimator(self.flow, n_guess=1000, epsilons=[1.0], of="resolution", ax=ax)
        plan = DPSlicedWassersteinFlow(1.0, domain=self.flow.domain).plan(n_guess=1000)
        assert display.curves["level of a category"].tolist() == [pytest.approx(100 * plan.least_share)]
        assert display.ax_ is ax

    def test_nothing_is_spent_and_the_flow_stays_as_it_is(self):
        ledger = PrivacyLedger(epsilon=1.0, delta=1e-5)
        flow = DPSlicedWassersteinFlow(0.5, domain=(0, 1), ledger=ledger)
        EpsilonsDisplay.from_estimator(flow, n_guess=300, n_features=2, epsilons=[2.0])
        assert ledger.spent() == 0
        assert flow.epsilon == 0.5

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"of": "beauty"}, "'of' parameter"),
            ({"epsilons": []}, "at least one budget"),
            ({"epsilons": [-1.0]}, "'epsilons' parameter"),
            ({"of": "resolution", "n_features": 2}, "nothing of the resolution"),
        ],
    )
    def test_bad_input_is_named(self, options, message):
        flow = DPSlicedWassersteinFlow(domain=(0, 1))
        with pytest.raises(ValueError, match=message):
            EpsilonsDisplay.from_estimator(flow, **{"n_guess": 100, "epsilons": [1.0], **options})


def test_found_levels_have_a_name():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"town": rng.choice(["A", "B"], 1000), "age": rng.uniform(0, 99, 1000)})
    flow = DPSlicedWassersteinFlow(domain={"town": Categories(), "age": Interval(0, 99)}).fit(X)
    assert "levels (values of categories)" in BudgetDisplay.from_estimator(flow).labels
