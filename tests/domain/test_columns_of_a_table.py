"""A domain and the columns of a table: by name, before anything is spent, for frames and files alike."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow._cli import main
from skdpflow.compose import DPOversampler
from skdpflow.files import TableFile

AGE, DIED = Interval(0, 99, integer=True), Categories([0, 1])
DOMAIN = Domain({"died": DIED, "age": AGE})


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"age": rng.integers(20, 90, 300), "died": rng.integers(0, 2, 300)})


def written(frame, folder, kind):
    path = folder / f"table.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path, index=False)
    return path


def refused(flow, X, y=None, *, match):
    ledger = PrivacyLedger(epsilon=100.0, delta=1e-3)
    with pytest.raises(ValueError, match=match):
        flow.set_params(ledger=ledger).fit(X, y)
    assert not ledger.events


@pytest.mark.parametrize("container", ["pandas", "polars", "numpy"])
def test_a_domain_may_hold_the_target(frame, container, tmp_path):
    X, y = frame[["age"]], frame["died"]
    if container == "polars":
        X, y = pl.from_pandas(X), pl.from_pandas(y)
    flow = DPSlicedWassersteinFlow(5.0, domain=DOMAIN, target=DIED, random_state=0)
    flow.fit(X.to_numpy() if container == "numpy" else X, y)
    assert flow.domain_ == Domain({"age": AGE})
    X_new, y_new = flow.sample_labeled(5)
    assert X_new.shape == (5, 1)
    assert y_new.name == "died"
    flow.save(tmp_path / "flow.zip")
    assert DPSlicedWassersteinFlow.load(tmp_path / "flow.zip").domain == DOMAIN
    flow.continue_fit(X.to_numpy() if container == "numpy" else X, y, extra_epsilon=1.0)


def test_an_oversampler_and_a_plan_take_it_too(frame):
    flow = DPSlicedWassersteinFlow(5.0, domain=DOMAIN, target=DIED)
    assert DPOversampler(flow).fit_resample(frame[["age"]], frame["died"])[1].name == "died"
    bare = DPSlicedWassersteinFlow(5.0, domain={"age": AGE}, target=DIED)
    assert str(flow.plan(n_guess=300, n_features=1)) == str(bare.plan(n_guess=300))


def test_what_does_not_fit_is_named(frame):
    X, y = frame[["age"]], frame["died"]
    of = DPSlicedWassersteinFlow
    refused(of(domain=DOMAIN, target=Categories([0, 1, 2])), X, y, match="describe the target 'died' differently")
    refused(of(domain=DOMAIN), X, y, match=r"'died', which is y .* target=domain\['died'\]")
    refused(of(domain=DOMAIN), X, match=r"In the domain but not in X: 'died'\.$")
    refused(of(domain=DOMAIN, target=DIED), X, y.to_numpy(), match="not in X: 'died'. If that is y, pass y as a series")
    refused(of(domain=DOMAIN), frame.assign(id=7), match="Not in the domain: 'id'; drop it or declare it")
    refused(of(domain=DOMAIN), pl.from_pandas(frame.assign(id=7)), match="Not in the domain: 'id'; drop it")
    refused(of(domain={"age": AGE}), frame.set_axis([0, 1], axis=1), match="Not in the domain: '0', '1'; .* as text")


@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_of_files_must_be_declared_too(frame, kind, tmp_path):
    path = written(frame, tmp_path, kind)
    flow = DPSlicedWassersteinFlow(5.0, domain=DOMAIN, target=DIED)
    assert flow.fit(TableFile(path, "died")).domain_ == Domain({"age": AGE})
    assert flow.set_params(domain={"age": AGE}).fit(TableFile(path, "died")).domain_ == Domain({"age": AGE})
    flow = DPSlicedWassersteinFlow(5.0, domain=DOMAIN, target=Categories([0, 2]))
    refused(flow, TableFile(path, "died"), match="describe the target 'died' differently")
    undeclared = r"Not in the domain: the columns \['died'\] of the file; drop them or declare them"
    refused(DPSlicedWassersteinFlow(5.0, domain={"age": AGE}), TableFile(path), match=undeclared)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_command_line_refuses_columns_that_nobody_declared(frame, kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = written(frame.assign(id=7), tmp_path, kind)
    DOMAIN.to_json("domain.json")
    command = [
        "synthesize",
        str(path),
        "--domain",
        "domain.json",
        "--epsilon",
        "5",
        "--target",
        "died",
        "-o",
        "out.csv",
    ]
    assert main(command) == 1
    assert "Not in the domain: the columns ['id'] of the file" in capsys.readouterr().err
    written(frame, tmp_path, kind)
    assert main(command) == 0
    assert list(pd.read_csv("out.csv")) == ["age", "died"]


def test_names_in_a_file_are_what_stands_there(tmp_path):
    pd.DataFrame({"b": np.linspace(0, 1, 50)}).to_csv(tmp_path / "table.csv")  # with an index, whose name is empty
    flow = DPSlicedWassersteinFlow(5.0, domain={"": Interval(0, 49, integer=True), "b": Interval(0, 1)})
    assert list(flow.fit(TableFile(tmp_path / "table.csv")).sample(2)) == ["", "b"]
    twice = tmp_path / "twice.csv"
    twice.write_text("a,a\n1,2\n", encoding="utf-8")
    refused(DPSlicedWassersteinFlow(domain={"a": AGE}), TableFile(twice), match=r"one column of the names \['a'\]")
