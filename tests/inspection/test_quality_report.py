"""The quality report: what it finds, what it costs, and what it says of itself."""

import io
import json
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow.domain.check import LOOK
from skdpflow.inspection._released import released_content
from skdpflow.inspection._rows import total_variation
from skdpflow.inspection._sample import Sample
from skdpflow.mechanisms import MarginalsMechanism

N = 3000


def rows(n=N, seed=0):
    rng = np.random.default_rng(seed)
    ward = rng.choice(list("ABC"), n, p=[0.6, 0.3, 0.1])
    age = np.clip(rng.normal(50 + 10 * (ward == "A"), 12, n).round(), 18, 90).astype(int)
    cost = np.where(rng.random(n) < 0.5, 0.0, rng.lognormal(5, 1, n).clip(1, 9e4))
    bmi = np.where(rng.random(n) < 0.2, np.nan, rng.normal(25, 4, n).clip(11, 60))
    X = pd.DataFrame({"ward": ward, "age": age, "cost": cost, "bmi": bmi})
    return X, (rng.random(n) < 1 / (1 + np.exp(-(age - 50) / 10))).astype(int)


DOMAIN = Domain(
    {
        "ward": Categories(["A", "B", "C", "never"]),
        "age": Interval(18, 90, integer=True),
        "cost": Interval(0, 1e5),
        "bmi": Interval(10, 70, nullable=True),
    }
)


@pytest.fixture(scope="module")
def fitted():
    X, y = rows()
    ledger = PrivacyLedger(epsilon=5.0, delta=1e-5)
    flow = DPSlicedWassersteinFlow(2.0, 1e-6, domain=DOMAIN, target=Categories([0, 1]), random_state=0, ledger=ledger)
    return flow.fit(X, y), X, y


def test_report_without_rows_spends_nothing_and_carries_no_mark(fitted):
    flow, _, _ = fitted
    before = len(flow.ledger.events), flow.ledger.spent()
    report = flow.quality_report(random_state=0)
    assert (len(flow.ledger.events), flow.ledger.spent()) == before
    assert not report.private_rows
    for text in (str(report), repr(report), report.to_json(), report.to_html()):
        assert LOOK not in text
    assert "notice" not in report.to_frame()


def test_report_is_a_function_of_release_and_seed(fitted):
    flow, _, _ = fitted
    again = DPSlicedWassersteinFlow.from_release(flow.release_)
    assert again.quality_report(random_state=3).to_json() == flow.quality_report(random_state=3).to_json()


def test_report_names_every_kind_of_comparison(fitted):
    content = fitted[0].quality_report(random_state=0).content
    assert {"target", "column", "location", "pair", "moment"} <= {own["of"] for own in content["measured"]}
    assert {own["name"] for own in content["columns"]} == set(DOMAIN.names)
    assert content["rows"]["estimated"] == pytest.approx(N, abs=6 * content["rows"]["standard_deviation"])
    ward, _, _, bmi = sorted(content["columns"], key=lambda own: DOMAIN.names.index(own["name"]))
    assert ward["too_rare"] == ["never"]
    assert bmi["missing"] == pytest.approx(0.2, abs=0.05)


def discrete(n, seed):
    rng = np.random.default_rng(seed)
    a = rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])
    return np.column_stack([a, np.minimum(a + rng.integers(3, size=n), 5), rng.integers(6, size=n)])


def sample_of(flow, codes):
    """Rows as a synthetic sample: its distribution is exactly theirs."""
    return Sample(flow.release_, codes + 0.5, np.zeros(len(codes), dtype=np.int64))


CODED = Domain({"a": Categories(range(4)), "b": Interval(0, 5, integer=True), "c": Categories(range(6))})


def test_a_sample_distributed_like_the_rows_stands_out_nowhere():
    alarms = 0
    for seed in range(12):
        X = discrete(2000, seed)
        flow = DPSlicedWassersteinFlow(1.0, domain=CODED, random_state=seed).fit(X)
        alarms += any(own["stands_out"] for own in released_content(sample_of(flow, X))["measured"])
    assert alarms <= 1  # expected: 0.12


def test_what_the_sample_lacks_stands_out():
    X = discrete(4000, 0)
    flow = DPSlicedWassersteinFlow(3.0, domain=CODED, random_state=0).fit(X)
    shifted = X.copy()
    shifted[:, 2] = np.where(np.arange(len(X)) % 3 == 0, 0, X[:, 2])
    found = [own for own in released_content(sample_of(flow, shifted))["measured"] if own["stands_out"]]
    assert ["c"] in [own["names"] for own in found]
    assert next(own for own in found if own["names"] == ["c"] and own["of"] == "column")["place"] == "0"
    unlinked = X.copy()
    unlinked[:, 1] = np.random.default_rng(0).permutation(X[:, 1])
    found = [set(own["names"]) for own in released_content(sample_of(flow, unlinked))["measured"] if own["stands_out"]]
    assert {"a", "b"} in found
    assert {"b"} not in found


def test_pairs_that_were_never_measured_are_listed():
    X = discrete(500, 0)
    mechanism = MarginalsMechanism(n_pairs=0, n_partitions=0, n_factorial_bits=0)
    flow = DPSlicedWassersteinFlow(domain=CODED, mechanism=mechanism).fit(X)
    never = flow.quality_report().content["never_measured"]
    assert never["n_pairs"] == never["n_all_pairs"] == 3
    assert ["a", "b"] in never["pairs"]
    assert never["pairs_have_correlations"]
    assert "3 of 3 pairs of columns have no two-way table" in " ".join(str(flow.quality_report()).split())


def test_rows_outside_are_told_apart_from_faults_of_the_model():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 2))
    X[:, 1] += X[:, 0]
    flow = DPSlicedWassersteinFlow(3.0, domain=([0, -6], [3, 6]), random_state=0).fit(X)
    content = flow.quality_report(random_state=0).content
    assert content["outside"][0]["column"] == "x0"
    assert {own["of"] for own in content["measured"]} <= {"column", "location", "region", "pair"}
    assert not any(own["stands_out"] and own["of"] == "pair" for own in content["measured"])
    assert any("x0" in own["names"] for own in content["not_compared"])


@pytest.mark.parametrize("part", ["measured", "columns", "row_columns", "row_pairs"])
def test_every_export_of_a_look_at_rows_is_marked(fitted, part):
    flow, X, y = fitted
    report = flow.quality_report(X, y, random_state=0)
    assert report.private_rows
    for text in (str(report), repr(report), report.to_json(), report.to_html(), report._repr_html_()):
        assert LOOK in text
    assert json.loads(report.to_json())["notice"] == LOOK
    frame = report.to_frame(part)
    assert len(frame)
    assert set(frame["notice"]) == {LOOK}


def test_flow_keeps_nothing_of_a_look_and_the_ledger_notes_it(fitted):
    flow, X, y = fitted
    spent, n_entries = flow.ledger.spent(), len(flow.ledger.events)

    def kept():
        file = io.BytesIO()
        flow.save(file)
        return sorted(vars(flow)), pickle.dumps(flow._model), file.getvalue(), flow.privacy_statement().to_json()

    before = kept()
    flow.quality_report(X, y)
    assert kept() == before
    assert flow.ledger.spent() == spent
    assert flow.ledger.history()["what"].iloc[-1] == "quality_report: a look at private rows, outside the guarantee"
    assert len(flow.ledger.events) == n_entries + 1
    flow.ledger.verify([flow.release_])


def test_refused_rows_are_no_look(fitted):
    flow, X, y = fitted
    n_entries = len(flow.ledger.events)
    with pytest.raises(ValueError, match="feature names"):
        flow.quality_report(X[["ward", "age"]], y)
    assert len(flow.ledger.events) == n_entries


def test_exact_comparison_has_the_usual_measures(fitted):
    flow, X, y = fitted
    report = flow.quality_report(X, y, n_samples=4000, random_state=5)
    rng = np.random.default_rng(5)
    sample = Sample.draw(flow._model, flow.release_, 4000, rng)
    lines = {own["name"]: own for own in report.content["private_rows"]["columns"]}
    assert lines["age"]["kolmogorov_smirnov"] == pytest.approx(ks_2samp(X["age"], sample.numbers(1)).statistic)
    codes = X["ward"].map(dict(zip("ABC", range(3), strict=True))).to_numpy()
    assert lines["ward"]["total_variation"] == pytest.approx(total_variation(codes, sample.codes[:, 0]))
    assert lines["bmi"]["missing"] == pytest.approx(X["bmi"].isna().mean())
    pairs = {frozenset(own["names"]): own for own in report.content["private_rows"]["pairs"]}
    own = pairs[frozenset(["age", "cost"])]["correlation"]
    assert own == pytest.approx(np.corrcoef(X["age"], X["cost"])[0, 1])
    useful = report.content["private_rows"]["usefulness"]
    assert useful["metric"] == "ROC-AUC"
    assert 0.5 < useful["synthetic"] < useful["real"] + 0.05
    assert 0.4 < report.content["private_rows"]["two_sample_roc_auc"] <= 1.0


def test_a_classifier_tells_other_rows_apart(fitted):
    flow, X, y = fitted
    other = X.assign(age=np.where(X["ward"] == "A", 20, 80))
    near = flow.quality_report(X, y, random_state=0).content["private_rows"]["two_sample_roc_auc"]
    far = flow.quality_report(other, y, random_state=0).content["private_rows"]["two_sample_roc_auc"]
    assert near < 0.8 < 0.95 < far


def test_numeric_target_and_few_rows():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(800, 2))
    flow = DPSlicedWassersteinFlow(5.0, domain=(0, 1), target=Interval(0, 2), random_state=0).fit(X, X.sum(axis=1))
    useful = flow.quality_report(X, X.sum(axis=1), random_state=0).content["private_rows"]["usefulness"]
    assert useful["metric"] == "R2"
    few = flow.quality_report(X[:3], X[:3].sum(axis=1)).content["private_rows"]
    assert few["usefulness"] is None
    assert few["two_sample_roc_auc"] is None
    assert flow.quality_report(X).content["private_rows"]["usefulness"] is None


def test_cells_of_any_kind_are_no_error():
    X = np.random.default_rng(0).uniform(size=(300, 2))
    flow = DPSlicedWassersteinFlow(domain=(0, 1)).fit(X)
    odd = X.copy()
    odd[:4, 0] = [np.nan, np.inf, -np.inf, 1e308]
    odd[:, 1] = np.nan
    report = flow.quality_report(odd)
    json.loads(report.to_json())
    assert [own["name"] for own in report.content["private_rows"]["columns"]] == ["x0"]


def test_records_have_a_report_too():
    X = np.random.default_rng(0).uniform(size=(300, 2))
    flow = DPSlicedWassersteinFlow(5.0, domain=(0, 1), mechanism="records", neighbours="replace-one").fit(X)
    report = flow.quality_report(X)
    assert report.content["rows"]["estimated"] == 300
    assert "Nothing that was measured can be compared" in str(report)
    assert len(report.to_frame("row_columns")) == 2


def test_seeded_noise_is_said_first():
    X = np.random.default_rng(0).uniform(size=(300, 2))
    with pytest.warns(UserWarning, match="noise_random_state"):
        flow = DPSlicedWassersteinFlow(domain=(0, 1), noise_random_state=0).fit(X)
    assert str(flow.quality_report()).startswith("NOT PRIVATE")


def test_names_cannot_steer_a_page_or_a_terminal():
    name = "<script>alert(1)</script>\x1b[2J"
    X = pd.DataFrame({name: np.random.default_rng(0).uniform(size=300), "b": 0.5})
    flow = DPSlicedWassersteinFlow(domain=Domain({name: Interval(0, 1), "b": Interval(0, 1)})).fit(X)
    report = flow.quality_report(X)
    for page in (report.to_html(), flow.privacy_statement().to_html()):
        assert "<script" not in page
        assert "\x1b" not in page
        assert "http" not in page
        assert "src=" not in page
    assert "\x1b" not in str(report)


def test_wrong_requests_say_what_is_possible(fitted):
    report = fitted[0].quality_report(n_samples=500)
    with pytest.raises(ValueError, match="needs rows"):
        report.to_frame("row_pairs")
    with pytest.raises(ValueError, match="measured"):
        report.to_frame("pictures")
    with pytest.raises(ValueError, match="n_samples"):
        fitted[0].quality_report(n_samples=3)
