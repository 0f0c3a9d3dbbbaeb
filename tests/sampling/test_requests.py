"""How many rows are asked for, and of which target."""

import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.mechanisms import RecordsMechanism

N = 2000


def table(target):
    rng = np.random.default_rng(0)
    died = rng.choice(["no", "yes"], N, p=[0.8, 0.2])
    X = pd.DataFrame({"bmi": rng.normal(np.where(died == "yes", 32, 25), 3), "ward": rng.choice(["A", "B"], N)})
    domain = Domain({"bmi": Interval(10, 60), "ward": Categories(["A", "B"])})
    y = pd.Series(died, name="died") if isinstance(target, Categories) else X["bmi"].rename("weight") * 3
    return DPSlicedWassersteinFlow(5.0, domain=domain, target=target, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def flow():
    return table(Categories(["no", "yes"]))


def test_none_asks_for_as_many_rows_as_were_measured(flow):
    assert len(flow.sample()) == pytest.approx(N, rel=0.03)
    assert len(flow.sample(None)) == len(flow.sample_labeled()[1]) == len(flow.sample())
    assert len(flow.sample(where={"ward": "A"})) == len(flow.sample())
    assert len(flow.sample_labeled(y=["yes"])[1]) == 1


@pytest.mark.filterwarnings("ignore:.*noise:UserWarning")
def test_records_tell_their_number():
    X = np.random.default_rng(0).uniform(size=(200, 2))
    flow = DPSlicedWassersteinFlow(domain=(0, 1), mechanism=RecordsMechanism(), neighbours="replace-one").fit(X)
    assert flow.sample().shape == (200, 2)


def test_a_condition_may_name_the_target(flow):
    X, y = flow.sample_labeled(400, where={"died": "yes", "ward": "A"}, random_state=0)
    assert set(y) == {"yes"}
    assert set(X["ward"]) == {"A"}
    assert X["bmi"].mean() == pytest.approx(32, abs=1)
    assert flow.sample(400, where={"died": ["no"]}, random_state=0)["bmi"].mean() == pytest.approx(25, abs=1)
    both = flow.sample_labeled(400, where={"died": ["no", "yes"]}, random_state=0)[1]
    assert (both == "yes").mean() == pytest.approx(0.2, abs=0.03)


def test_a_numeric_target_has_ranges():
    X, y = table(Interval(0, 200)).sample_labeled(300, where={"weight": (90, None)}, random_state=0)
    assert y.min() >= 90
    assert X["bmi"].mean() > 29


def test_a_target_without_a_name():
    X = np.random.default_rng(0).uniform(size=(N, 1))
    flow = DPSlicedWassersteinFlow(domain=(0, 1), target=Categories([0, 1])).fit(X, np.arange(N) % 2)
    assert set(flow.sample_labeled(50, where={"target": 1})[1]) == {1}
    assert set(flow.sample_labeled(50, proportions={"target": {0: 1.0}})[1]) == {0}


def test_proportions_may_name_the_target(flow):
    named = flow.sample_labeled(1000, proportions={"died": {"no": 0.5, "yes": 0.5}}, random_state=0)[1]
    assert (named == "yes").mean() == pytest.approx(0.5, abs=0.05)
    with pytest.raises(ValueError, match="proportions"):
        flow.sample_labeled(10, proportions={"died": 1.0})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"where": {"died": "maybe"}}, "values of column 'died' that its domain does not have"),
        ({"where": {"died": "no"}, "y": ["no"]}, "neither y nor proportions"),
        ({"where": {"lived": "no"}}, r"keys are columns of the domain: \['bmi', 'ward', 'died'\]"),
    ],
)
def test_wrong_requests_are_named(flow, asked, message):
    with pytest.raises(ValueError, match=message):
        flow.sample_labeled(**asked)
