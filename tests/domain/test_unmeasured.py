"""Constants and keys: declared columns that are not measured, not read, and come back as declared."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skdpflow import Categories, Constant, Domain, DPSlicedWassersteinFlow, Interval, Key, Release
from skdpflow._cli import main
from skdpflow.files import TableFile
from skdpflow.preprocessing import DPStandardScaler

pytestmark = pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")

DOMAIN = Domain(
    {
        "id": Key("P{:06d}"),
        "age": Interval(0, 100, integer=True),
        "country": Constant("NO"),
        "ward": Categories(["A", "B"], nullable=True),
        "year": Constant(2024),
        "number": Key(),
    },
    constraints=["age >= 18"],
)


def _rows(n: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": [f"X{k}" for k in rng.permutation(n)],
            "age": rng.integers(20, 90, n),
            "country": pd.Series(["NO"] * n, dtype="category"),
            "ward": rng.choice(["A", "B"], n),
            "year": np.full(n, 2024, dtype=np.int32),
            "number": rng.permutation(n),
        }
    )


def _flow(**params: Any) -> DPSlicedWassersteinFlow:
    return DPSlicedWassersteinFlow(5.0, random_state=0, noise_random_state=0, **params)


def _as_declared(rows: Any) -> None:
    n = len(rows)
    assert list(rows["id"]) == [f"P{k:06d}" for k in range(n)]
    assert list(rows["number"]) == list(range(n))
    assert set(rows["country"]) == {"NO"}
    assert set(rows["year"]) == {2024}


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_frames_come_back_as_declared(container: str) -> None:
    X: Any = _rows()
    X = X if container == "pandas" else pytest.importorskip("polars").from_pandas(X)
    flow = _flow(domain=DOMAIN).fit(X)
    rows = flow.sample(40, random_state=0)
    assert type(rows) is type(X)
    assert list(rows.columns) == list(X.columns)
    assert list(rows.dtypes)[1:] == list(X.dtypes)[1:] or container == "pandas"
    _as_declared(rows)
    assert min(rows["age"]) >= 18
    assert flow.n_features_in_ == 6
    assert flow.domain_ == DOMAIN
    _as_declared(flow.sample(10, where={"ward": "B"}, random_state=0))
    assert flow.score(X) <= 0
    assert np.isfinite(flow.score_samples(X[:3])).all()


def test_arrays_and_lists() -> None:
    rng = np.random.default_rng(0)
    domain = Domain({"key": Key("1{:04d}"), "x": Interval(0, 1), "one": Constant(1.5)})
    X = np.column_stack([rng.permutation(200), rng.random(200), np.full(200, 1.5)])
    rows = _flow(domain=domain).fit(X).sample(3)
    assert rows.dtype == np.float64
    assert rows[:, 0].tolist() == [10000, 10001, 10002]
    assert rows[:, 2].tolist() == [1.5] * 3
    mixed = Domain({"key": Key("k{}"), "x": Interval(0, 1)})
    assert _flow(domain=mixed).fit([["a", 0.5], ["b", 0.25]] * 20).sample(2)[:, 0].tolist() == ["k0", "k1"]


def test_they_cost_nothing_and_are_not_read() -> None:
    """Whatever the cells are, the Release is the same to the bit, and that of a table without them."""
    X, other = _rows(), _rows()
    other["id"], other["country"], other["year"], other["number"] = None, None, np.int32(-1), -5
    other = other.astype({"id": X["id"].dtype, "country": X["country"].dtype})
    kept = ["age", "ward"]
    releases = [
        _flow(domain=DOMAIN).fit(X).release_,
        _flow(domain=DOMAIN).fit(other).release_,
        _flow(domain=Domain({name: DOMAIN[name] for name in kept}, constraints=DOMAIN.constraints))
        .fit(X[kept])
        .release_,
    ]
    for release in releases[1:]:
        assert release.event == releases[0].event
        for m, first in zip(release.measurements, releases[0].measurements, strict=True):
            assert (m.values == first.values).all()


class Unreadable:
    """A cell that fails whoever touches it."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)


def test_no_cell_is_touched() -> None:
    X = pd.DataFrame({"id": np.full(50, None), "x": np.linspace(0, 1, 50)})
    X["id"] = pd.Series([Unreadable() for _ in range(50)], dtype=object)
    rows = _flow(domain=Domain({"id": Key(), "x": Interval(0, 1)})).fit(X).sample(2)
    assert rows["id"].tolist() == ["0", "1"]


def test_saved_loaded_continued_and_planned() -> None:
    flow = _flow(domain=DOMAIN).fit(_rows())
    file = io.BytesIO()
    flow.save(file)
    file.seek(0)
    again = DPSlicedWassersteinFlow.load(file)
    assert again.domain_ == DOMAIN
    assert again.sample(9, random_state=1).equals(flow.sample(9, random_state=1))
    file = io.BytesIO()
    flow.release_.save(file)
    file.seek(0)
    assert Release.load(file).domain == DOMAIN
    _as_declared(flow.continue_fit(_rows(), extra_epsilon=1.0).sample(5))
    assert "location" in str(_flow(domain=DOMAIN).plan(n_guess=500))


def test_the_statement_says_so() -> None:
    text = " ".join(str(_flow(domain=DOMAIN).fit(_rows()).privacy_statement()).split())
    assert "Not measured, and not read: id (Key('P{:06d}')), country (Constant('NO'))" in text


def test_json_describe_dtypes_and_check() -> None:
    assert Domain.from_json(DOMAIN.to_json()) == DOMAIN
    assert "keys such as 'P000000'; not measured" in DOMAIN.describe()
    assert "always 'NO'; not measured" in DOMAIN.describe()
    X = _rows()
    given = {name: DOMAIN[name] for name in ("id", "country", "ward", "number", "age")}
    assert Domain.from_dtypes(X[[*given]], given)["id"] == Key("P{:06d}")
    check = DOMAIN.check(X)
    assert check.fits
    assert list(check.columns) == ["age", "ward"]


def test_where_and_constraints_refuse_them() -> None:
    flow = _flow(domain=DOMAIN).fit(_rows())
    with pytest.raises(ValueError, match=r"\['id'\].*not measured"):
        flow.sample(1, where={"id": "P000000"})
    with pytest.raises(ValueError, match="'year', which is not measured"):
        Domain(DOMAIN, constraints=["year == 2024"])


def test_private_transformers_refuse_them() -> None:
    with pytest.raises(ValueError, match="numeric"):
        DPStandardScaler(domain=Domain({"id": Key(), "x": Interval(0, 1)})).fit(np.zeros((20, 2)))


def test_targets_beside_them() -> None:
    X = _rows()
    y = np.where(X["age"] > 50, "old", "young")
    flow = _flow(domain=DOMAIN, target=Categories(["old", "young"])).fit(X, y)
    rows, labels = flow.sample_labeled(20, proportions={"old": 0.5, "young": 0.5})
    _as_declared(rows)
    assert set(labels) == {"old", "young"}
    _as_declared(_flow(domain=DOMAIN, target=Interval(0, 10)).fit(X, X["age"] / 10).sample_labeled(5)[0])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_and_the_command_line(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skdpflow._cli.outputs._BLOCK", 16)
    table, domain, out = tmp_path / f"t.{kind}", tmp_path / "d.json", tmp_path / "o.csv"
    X = _rows()
    X.to_csv(table, index=False) if kind == "csv" else X.to_parquet(table)
    DOMAIN.to_json(domain)
    assert _flow(domain=DOMAIN).fit(TableFile(table)).sample(2)["id"].tolist() == ["P000000", "P000001"]
    arguments = ["synthesize", str(table), "--domain", str(domain), "--epsilon", "5", "-n", "40", "-o", str(out)]
    assert main(arguments) == 0
    _as_declared(pd.read_csv(out))


@pytest.mark.parametrize("value", [None, float("nan"), [1], b"x"])
def test_what_is_no_constant(value: Any) -> None:
    with pytest.raises(ValueError, match="'value'"):
        Constant(value)


@pytest.mark.parametrize("pattern", ["P", "{}{}", "{name}", "{:s}", "{:.2f}", "{!r}", "{", "{:99999d}", 3, "{0.real}"])
def test_what_is_no_pattern(pattern: Any) -> None:
    with pytest.raises(ValueError, match="'pattern'"):
        Key(pattern)


def test_an_interval_of_one_value_points_to_a_constant() -> None:
    with pytest.raises(ValueError, match=r"Constant\(3\)"):
        Interval(3, 3)


def test_something_must_be_measured() -> None:
    with pytest.raises(ValueError, match="at least one column that is measured"):
        Domain({"id": Key()})


def test_a_dtype_that_cannot_hold_them_is_refused() -> None:
    X = pd.DataFrame({"id": np.arange(20), "x": np.linspace(0, 1, 20)})
    with pytest.raises(ValueError, match="Column 'id'"):
        _flow(domain=Domain({"id": Key("P{}"), "x": Interval(0, 1)})).fit(X)
    with pytest.raises(ValueError, match="Column 'id'"):
        _flow(domain=Domain({"id": Constant(1.5), "x": Interval(0, 1)})).fit(X)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_constant_date_comes_back_in_the_dtype_of_its_column(frame: Any) -> None:
    day = np.full(300, "2024-02-29", dtype="datetime64[us]")
    X = frame({"day": day, "age": np.random.default_rng(0).uniform(0, 100, 300)})
    flow = DPSlicedWassersteinFlow(domain={"day": Constant("2024-02-29"), "age": Interval(0, 100)}).fit(X)
    sample = flow.sample(3)
    assert sample["day"].dtype == X["day"].dtype
    assert [str(cell)[:10] for cell in sample["day"]] == ["2024-02-29"] * 3
