"""The scripts of the folder benchmarks keep up with the package."""

import importlib
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


def table(script, name):
    return next(t for t in script("tables").shipped() if t.name == name)


def test_the_readme_compares_with_peers_as_recorded(script):
    compared = script("compared")
    readme = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
    table = compared.peers(compared.recorded(compared.FILE))
    assert compared.between_marks(readme, "peers", table) == readme


@pytest.mark.slow
@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_each_lever_can_be_switched_off(script, name):
    ablations = script("ablations")
    iris = table(script, name)
    X, _, y, _ = iris.split(0)
    for lever in (None, *ablations.LEVERS):
        X_new, y_new = ablations.without(lever, iris, X, y, 10.0, 0)
        assert X_new.shape == X.shape
        assert len(y_new) == len(y)


@pytest.mark.slow
def test_levers_change_the_rows(script):
    ablations = script("ablations")
    iris = table(script, "iris")
    X, _, y, _ = iris.split(0)
    usual = ablations.without(None, iris, X, y, 10.0, 0)[0]
    for lever in ("denoising", "the flow (Gaussian only)", "budget by the number of rows"):
        assert not np.array_equal(usual, ablations.without(lever, iris, X, y, 10.0, 0)[0]), lever
    assert np.array_equal(usual, ablations.without(None, iris, X, y, 10.0, 0)[0])


def test_codes_of_discrete_peers_lead_back(script):
    iris = table(script, "iris")
    bins = script("discrete").Bins(iris, 32)
    codes = bins.encode(iris.X, iris.y)
    X, y = bins.decode(codes, np.random.default_rng(0))
    assert all(codes[name].max() < size for name, size in zip(bins.names, bins.sizes, strict=True))
    width = np.array([(c.upper - c.lower) / 32 for c in iris.domain.columns])
    assert (np.abs(X - iris.X) <= width + 1e-9).all()
    assert np.array_equal(y, iris.y)


@pytest.mark.slow
def test_models_on_synthetic_rows_beside_real_ones(script, monkeypatch):
    benchmark, iris, quick = script("train_on_synthetic"), table(script, "iris"), "logistic regression"
    model = benchmark.models(iris)[quick]
    monkeypatch.setattr(benchmark, "models", lambda table: {quick: model})
    rows = list(benchmark.run([iris], [30.0], [0, 1]))
    assert len(rows) == 4
    assert all(row["auc"] > 0.9 for row in rows)
    text = benchmark.tabulate(rows, [30.0])
    assert text.count("±") == 2
    assert f"* - iris\n     - 90\n     - {quick}\n" in text


def test_scores_of_real_rows_are_good(script):
    tables, iris = script("tables"), table(script, "iris")
    X, X_test, y, y_test = iris.split(0)
    assert tables.usefulness(iris, X, y, X_test, y_test, 0) > 0.95
    assert tables.distance(iris, X, y, X, y) == 0.0
