"""Pictures of a flow show what was released and what is synthetic."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.inspection import BudgetDisplay, MarginalsDisplay

mpl.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def flow():
    rng = np.random.default_rng(0)
    n = 4000
    X = pd.DataFrame(
        {
            "cost": np.where(rng.random(n) < 0.6, 0.0, rng.lognormal(5, 1, n).clip(1, 9e4)),
            "bmi": np.where(rng.random(n) < 0.25, np.nan, rng.normal(25, 4, n).clip(11, 60)),
            "street": rng.choice([f"s{i}" for i in range(30)], n),
            "day": np.array(["2024-01-01"], dtype="datetime64[D]") + rng.integers(0, 200, n),
        }
    )
    domain = Domain(
        {
            "cost": Interval(0, 1e5),
            "bmi": Interval(10, 70, nullable=True),
            "street": Categories([f"s{i}" for i in range(30)]),
            "day": Interval("2024-01-01", "2024-12-31", unit="D"),
        }
    )
    return DPSlicedWassersteinFlow(3.0, domain=domain, random_state=0).fit(X)


def texts(ax):
    return [t.get_text() for t in ax.get_xticklabels()]


def test_columns_of_all_types_are_drawn(flow):
    display = MarginalsDisplay.from_estimator(flow, random_state=0)
    cost, bmi, street, day = display.axes_
    assert display.figure_ is cost.figure
    assert [ax.get_title() for ax in display.axes_] == ["cost", "bmi", "street", "day"]
    assert texts(cost)[0] == "0"  # an atom beside a logarithmic axis
    assert "100" in texts(cost)
    assert texts(bmi)[-1] == "missing"
    assert texts(street)[-1] == "15 others"
    assert all(text.startswith("2024-") for text in texts(day))


def test_shares_are_those_of_the_release_and_of_the_sample(flow):
    cost, bmi, street, _ = MarginalsDisplay.from_estimator(flow, random_state=0).marginals
    assert cost.logarithmic
    assert cost.measured[cost.atoms].max() == pytest.approx(0.6, abs=0.05)
    assert cost.sampled[cost.atoms].max() == pytest.approx(0.6, abs=0.05)
    assert bmi.missing == pytest.approx((0.25, 0.25), abs=0.05)
    assert street.sampled.sum() == pytest.approx(1.0)
    assert not bmi.logarithmic


def test_release_alone_has_no_synthetic_bars(flow):
    fig, axes = plt.subplots(2)
    display = MarginalsDisplay.from_release(flow.release_, columns=["bmi", "street"], axes=axes)
    assert display.figure_ is fig
    assert all(own.sampled is None for own in display.marginals)
    assert [t.get_text() for t in axes[0].get_legend().get_texts()] == ["measured, +- 2 sd"]


def test_wrong_columns_are_named(flow):
    with pytest.raises(ValueError, match="no columns \\['weight'\\]"):
        MarginalsDisplay.from_estimator(flow, columns=["weight"])
    with pytest.raises(ValueError, match="as many axes"):
        MarginalsDisplay.from_release(flow.release_, axes=plt.subplots()[1])


def test_budget_is_that_of_the_statement(flow):
    display = BudgetDisplay.from_estimator(flow)
    steps = flow.privacy_statement().content["steps"][0]["measurements"]
    stated = [m["share"] for m in steps]
    assert display.shares[: len(stated)] == pytest.approx(stated)
    assert np.sum(display.shares) == pytest.approx(1.0)
    assert [t.get_text() for t in display.ax_.get_yticklabels()] == list(display.labels)
    assert [bar.get_width() for bar in display.bars_][:3] == pytest.approx([100 * s for s in stated[:3]])


def test_a_plan_has_rounds(flow):
    display = BudgetDisplay.from_plan(flow.plan(n_guess=1000))
    assert display.labels[0].startswith("round 1: counts")
    assert list(display.rounds) == sorted(display.rounds)


def test_seeded_noise_is_named():
    with pytest.warns(UserWarning, match="noise_random_state"):
        flow = DPSlicedWassersteinFlow(domain=(0, 1), noise_random_state=0).fit(
            np.random.default_rng(0).random((200, 2))
        )
    assert BudgetDisplay.from_estimator(flow).ax_.get_title(loc="left") == "not private"
