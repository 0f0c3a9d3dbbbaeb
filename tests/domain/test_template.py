"""Skeletons of domain files: from names and dtypes alone, to be filled in by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, Constant, Domain, DPSlicedWassersteinFlow, Interval, Key
from skdpflow._cli import main
from skdpflow.files import TableFile


def _frame(seed: int = 0, n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(0, 90, n),
            "bmi": rng.normal(25, 4, n),
            "smoker": rng.random(n) < 0.5,
            "rooms": rng.integers(0, 9, n).astype("int8"),
            "ward": rng.choice(["secret A", "secret B"], n),
            "kind": pd.Series(rng.choice(["secret C", "secret D"], n), dtype="category"),
            "day": np.datetime64("1987-06-05", "s") + rng.integers(0, 9, n).astype("timedelta64[D]"),
            "wait": rng.integers(0, 9, n).astype("timedelta64[s]"),
        }
    )


def _filled(text: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(text)
    for column in data["columns"]:
        if column["name"] == "wait":
            column |= {"kind": "constant", "value": 0}
        elif column["kind"] == "categories" and column["categories"] == "?":
            column["categories"] = ["secret A"]
    return data


def test_it_depends_on_names_and_dtypes_alone() -> None:
    frame = _frame()
    text = Domain.template(frame)
    assert text == Domain.template(_frame(1, 17)) == Domain.template(frame.iloc[:0])
    assert "secret" not in text
    assert "1987" not in text


def test_blanks_are_refused_by_name_until_filled_in() -> None:
    text = Domain.template(_frame())
    with pytest.raises(ValueError, match=r"'ward'.*still has blanks.*categories: fill them in"):
        Domain.from_json(text)
    data = _filled(text)
    domain = Domain.from_dict(data)
    assert domain["age"] == Interval(-(10**9), 10**9, integer=True)
    assert domain["bmi"] == Interval(-(10**9), 10**9, nullable=True)
    assert domain["smoker"] == Categories([False, True])
    assert domain["rooms"] == Interval(-128, 127, integer=True)
    assert domain["ward"] == Categories(["secret A"], nullable=True, other="other")
    assert domain["day"] == Interval("1900-01-01", "2100-12-31", unit="D", nullable=True)
    assert domain["wait"] == Constant(0)
    data["columns"][0] = {"name": "age", "kind": "?"}
    with pytest.raises(ValueError, match="'age' is still a blank"):
        Domain.from_dict(data)


def test_a_filled_in_template_serves_a_fit() -> None:
    frame = _frame(n=200).drop(columns="wait")
    domain = Domain.from_dict(_filled(Domain.template(frame)))
    rows = DPSlicedWassersteinFlow(20.0, domain=domain).fit(frame).sample(50)
    assert set(rows["ward"].dropna()) <= {"secret A", "other"}


def test_polars_and_parquet(tmp_path: Path) -> None:
    pl = pytest.importorskip("polars")
    frame = _frame().drop(columns="wait")
    names = [column["name"] for column in json.loads(Domain.template(pl.from_pandas(frame)))["columns"]]
    assert names == list(frame.columns)
    frame.to_parquet(tmp_path / "t.parquet")
    assert "secret" not in Domain.template(TableFile(tmp_path / "t.parquet"))


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, file = tmp_path / "t.csv", tmp_path / "d.json"
    _frame()[["age", "ward"]].to_csv(table, index=False)
    assert main(["domain", str(table)]) == 0
    text = capsys.readouterr().out
    assert "secret" not in text
    file.write_text(text)
    assert main(["check", str(table), "--domain", str(file)]) == 1
    assert "The 'kind' of the column 'age' is still a blank" in capsys.readouterr().err
    data = json.loads(text)
    data["columns"][0] |= {"kind": "interval", "lower": 0, "upper": 20, "integer": True}
    data["columns"][1] |= {"kind": "categories", "categories": ["secret A", "secret B"]}
    file.write_text(json.dumps(data))
    assert main(["check", str(table), "--domain", str(file)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith("A look at private rows, outside the guarantee; do not share.")
    assert "of 'age' lies above its declared bounds" in out
    assert file.read_text() == json.dumps(data)


def test_a_csv_gives_its_names_alone(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("age,ward\n1,secret\n")
    columns = json.loads(Domain.template(TableFile(tmp_path / "t.csv")))["columns"]
    assert [(column["name"], column["kind"]) for column in columns] == [("age", "?"), ("ward", "?")]


def test_its_examples_can_be_copied(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("age\n")
    text = Domain.template(TableFile(tmp_path / "t.csv"))
    assert '\n    {"name": "age", "kind": "?"}\n' in text  # one column a line
    data = json.loads(text)
    copied = {"kind": "domain", "columns": data["_examples"], "constraints": data["_example of constraints"]}
    domain = Domain.from_dict(copied)
    assert domain["age"] == Interval(0, 120, integer=True)
    assert domain["zip"] == Categories(other="other")
    assert domain.constraints == ("admission <= discharge",)


def test_files_written_by_hand_may_leave_out_what_has_a_default() -> None:
    text = """{"kind": "domain", "_comment": "of 2024", "columns": [
        {"name": "id", "kind": "key", "pattern": "P{}"},
        {"name": "age", "kind": "interval", "lower": 0, "upper": 120, "_note": "years"},
        {"name": "ward", "kind": "categories", "categories": ["A", "?"]}]}"""
    expected = Domain({"id": Key("P{}"), "age": Interval(0, 120), "ward": Categories(["A", "?"])})
    assert Domain.from_json(text) == expected
    wrong = {
        '"uper": 120': "'age' of the kind 'interval' has the unknown key 'uper'. Did you mean 'upper'",
        '"_upper": 120': "'age' of the kind 'interval' lacks 'upper'",
        '"upper": -1': "'age' of the kind 'interval': Interval needs lower < upper",
    }
    for typed, message in wrong.items():
        with pytest.raises(ValueError, match=re.escape(message)) as raised:
            Domain.from_json(text.replace('"upper": 120', typed))
        assert "edges" not in str(raised.value)


def test_what_has_no_names() -> None:
    with pytest.raises(TypeError, match="data frame or a TableFile"):
        Domain.template(np.zeros((2, 2)))
