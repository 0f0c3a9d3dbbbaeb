"""Columns whose categories are found privately, as a user sees them."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger, Release
from skdpflow.accountants import GaussianDPAccountant
from skdpflow.accountants.base import tally
from skdpflow.compose import DPOversampler, GenerativePipeline
from skdpflow.exceptions import DomainMismatchWarning, PrivacyLeakWarning, ReleaseError
from skdpflow.files import TableFile
from skdpflow.preprocessing import DPStandardScaler

N = 3000
DOMAIN = {"ward": Categories(), "beds": Categories(), "urgent": Categories(nullable=True), "x": Interval(0, 1)}


def frame(n=N):
    rng = np.random.default_rng(0)
    ward = rng.choice(["A", "B", "C", "rare"], n, p=[0.5, 0.3, 0.198, 0.002])
    urgent = pd.array(rng.random(n) < 0.4, dtype="boolean")
    urgent[rng.random(n) < 0.2] = pd.NA
    return pd.DataFrame({"ward": ward, "beds": rng.integers(1, 4, n), "urgent": urgent, "x": rng.random(n)})


FOUND = {
    "ward": Categories(["A", "B", "C"]),
    "beds": Categories([1, 2, 3]),
    "urgent": Categories([False, True], nullable=True),
    "x": Interval(0, 1),
}


def flow_of(**params):
    return DPSlicedWassersteinFlow(epsilon=2.0, domain=DOMAIN, random_state=0, **params)


@pytest.mark.parametrize("neighbours", ["add-remove", "replace-one"])
@pytest.mark.parametrize("accountant", ["gdp", "zcdp", "rdp"])
def test_frequent_levels_are_found_and_rare_ones_are_not(neighbours, accountant):
    flow = flow_of(neighbours=neighbours, accountant=accountant).fit(frame())
    assert flow.domain_ == Domain(FOUND)
    drawn, real = flow.sample(2000), frame()
    assert list(drawn.dtypes) == list(real.dtypes)
    shares = drawn["ward"].value_counts(normalize=True)
    assert shares["A"] == pytest.approx(0.5, abs=0.1)
    assert set(shares.index) <= {"A", "B", "C"}
    assert flow.privacy_spent_ == (2.0, flow.delta)


@pytest.mark.parametrize("container", ["polars", "list", "csv", "parquet"])
def test_other_containers(container, tmp_path):
    real = frame()
    expected = dict(FOUND)
    if container == "polars":
        X = pl.from_pandas(real)
    elif container == "list":
        X = [[None if cell is pd.NA else cell for cell in row] for row in real.itertuples(index=False)]
        expected["urgent"] = Categories([0, 1], nullable=True)  # as cells of no dtype are read
    else:
        X = TableFile(tmp_path / f"rows.{container}")
        (real.to_csv if container == "csv" else real.to_parquet)(X.path, index=False)
        if container == "csv":  # whose cells are text
            expected |= {"beds": Categories(["1", "2", "3"]), "urgent": Categories(["False", "True"], nullable=True)}
    flow = flow_of().fit(X)
    assert flow.domain_ == Domain(expected)
    assert len(flow.sample(5)) == 5


def test_a_fit_is_continued_saved_and_loaded_with_the_levels_that_were_found():
    flow = flow_of(target=Categories()).fit(frame(), np.arange(N) % 2)
    before = flow.domain_
    flow.continue_fit(frame(), np.arange(N) % 2, extra_epsilon=1.0)
    assert flow.domain_ == before == Domain(FOUND)
    assert sum(m.kind == "levels" for m in flow.release_.measurements) == 1
    file = io.BytesIO()
    flow.save(file)
    again = DPSlicedWassersteinFlow.load(io.BytesIO(file.getvalue()))
    assert again.domain_ == before
    assert dict(again.domain) == DOMAIN  # a parameter, and not what was found
    pd.testing.assert_frame_equal(again.sample(20, random_state=1), flow.sample(20, random_state=1))
    # a flow whose domain was decided by a Release rests on it
    other = DPSlicedWassersteinFlow.from_release(flow.release_)
    with pytest.warns(PrivacyLeakWarning, match="Fit number 2"):
        other.set_params(target=None).fit(frame())
    assert other.release_.handed_domain


def test_the_statement_and_the_plan_name_what_is_found():
    flow = flow_of().fit(frame())
    text = " ".join(str(flow.release_.privacy_statement()).split())
    assert "except the categories of 'ward', 'beds', 'urgent', which were found privately" in text
    (step,) = flow.release_.privacy_statement().content["steps"]
    assert step["rows"]["levels_found_privately"] == ["ward", "beds", "urgent"]
    plan = flow_of().plan(n_guess=N)
    assert [m.round for m in plan.measurements if m.name == "levels"] == [1]
    (error,) = [e for e in plan.errors if e.source == "levels"]
    share = flow.release_["levels"].params["threshold"] / N
    assert error.quantity == f"share of a value of a column, found from {share:.2g} on"


def test_what_is_not_found_is_outside_and_a_fit_warns_of_it():
    real = frame()
    real["ward"] = np.where(np.arange(N) % 2, "A", [f"w{i}" for i in range(N)])
    with pytest.warns(DomainMismatchWarning, match="of 'ward' .* is none of the categories that were found privately"):
        flow = flow_of().fit(real)
    assert flow.domain_["ward"] == Categories(["A"])
    assert set(flow.sample(50)["ward"]) == {"A"}


def test_few_rows_have_one_level_each_that_stands_for_all():
    flow = flow_of(target=Categories()).fit(frame(6), ["u", "v"] * 3)
    found = {"ward": ["other"], "beds": [0], "urgent": [False]}
    assert {name: list(flow.domain_[name].values) for name in found} == found
    drawn = flow.sample(30)
    assert set(drawn["ward"]) == {"other"}
    assert list(drawn.dtypes) == list(frame(6).dtypes)


def test_a_ledger_is_charged_the_thresholds():
    ledger = PrivacyLedger(epsilon=3.0, delta=1e-5)
    flow = flow_of(ledger=ledger, delta=1e-6).fit(frame())
    ledger.verify([flow.release_])
    assert tally(flow.release_.cap).threshold_delta == pytest.approx(1e-7)
    assert GaussianDPAccountant().epsilon(flow.release_.cap, 1e-6) == pytest.approx(2.0, rel=1e-6)


def test_a_pipeline_with_one_paying_step_finds_levels():
    pipe = GenerativePipeline([("flow", flow_of(target=Categories()))], epsilon=2.0, delta=1e-6)
    pipe.fit(frame(), np.arange(N) % 2)
    assert pipe[-1].domain_["ward"] == Categories(["A", "B", "C"])


def test_an_oversampler_finds_levels():
    real = frame()[["ward", "x"]]
    flow = DPSlicedWassersteinFlow(
        epsilon=3.0, domain={"ward": Categories(), "x": Interval(0, 1)}, target=Categories([0, 1])
    )
    X, y = DPOversampler(flow, random_state=0).fit_resample(real, (np.arange(N) % 3 == 0).astype(int))
    assert np.bincount(y).tolist() == [2000, 2000]
    assert len(X) == 4000


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (lambda X: DPStandardScaler(domain=DOMAIN).fit(X), "must be numeric"),
        (lambda X: Domain(DOMAIN, constraints=["ward == 'A'"]), "whose values are not listed"),
        (
            lambda X: flow_of().fit(X.assign(ward=X["ward"].astype("datetime64[s]"))),
            "dtype",
        ),
        (
            lambda X: flow_of().fit(
                pl.from_pandas(X).with_columns(pl.col("ward").cast(pl.Enum(["A", "B", "C", "rare"])))
            ),
            "which lists its values",
        ),
    ],
)
def test_refused_before_anything_is_spent(refused, message):
    X = frame(100)
    if message == "dtype":
        X["ward"] = pd.Timestamp("2024-01-01")
    with pytest.raises((ValueError, TypeError), match=message):
        refused(X)


def test_a_check_by_the_holder_leaves_out_what_is_not_listed():
    check = Domain(DOMAIN).check(frame(50))
    assert "x" in check.columns
    assert "ward" not in check.columns
    assert "found privately" in Domain(DOMAIN).describe()


def test_a_domain_with_columns_to_be_found_round_trips():
    domain = Domain(DOMAIN)
    assert domain.undeclared == ("ward", "beds", "urgent")
    assert Domain.from_json(domain.to_json()) == domain
    assert Domain(FOUND).undeclared == ()


def test_a_file_that_lists_no_values_is_refused():
    release = flow_of().fit(frame()).release_
    file = io.BytesIO()
    replace(release, domain=Domain(DOMAIN)).save(file)
    with pytest.raises(ReleaseError):
        Release.load(io.BytesIO(file.getvalue()))
