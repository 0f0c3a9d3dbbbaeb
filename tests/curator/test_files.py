"""Tables in several files: one schema, parts that are read from anywhere, and files that must stay as they are."""

import os
import pickle

import numpy as np
import pandas as pd
import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow.curator import files
from skdpflow.curator.files import FileTable
from skdpflow.curator.stores import found
from skdpflow.files import TableFile

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")

N = 3000
DOMAIN = Domain(
    {"age": Interval(0, 99, integer=True), "bmi": Interval(10.0, 60.0), "ward": Categories(["A", "B", "é"])}
)
FIT = {"epsilon": 2.0, "domain": DOMAIN, "target": Categories([0, 1]), "n_particles": 50, "noise_random_state": 0}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame({
        "age": rng.integers(0, 110, N), "bmi": rng.normal(27, 5, N).round(3),
        "ward": rng.choice(["A", "B", "é", "x"], N), "died": rng.integers(0, 2, N),
    })  # fmt: skip


def digest(X, y=None, **params):
    return [m.values.tobytes() for m in fit(X, y, **params).measurements]


def fit(X, y=None, **params):
    return DPSlicedWassersteinFlow(**{**FIT, "random_state": 0, **params}).fit(X, y).release_


def parted(table, folder, kind):
    """Write a table as three files, in the order of their names."""
    folder.mkdir()
    for i, (start, stop) in enumerate([(0, 700), (700, 701), (701, N)]):
        piece, path = table.iloc[start:stop], folder / f"part-{i}.{kind}"
        if kind == "parquet":
            piece.to_parquet(path, index=False, row_group_size=400)
        else:
            piece.to_csv(path, index=False)
    return folder


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_a_table_in_files_gives_what_it_gives_in_memory(kind, table, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_GROUP_ROWS", 500)
    monkeypatch.setattr(files.csv_text, "_CHUNK", 5000)
    folder = parted(table, tmp_path / "t", kind)
    expected = digest(table[list(DOMAIN)], table["died"])
    assert digest(TableFile(folder, target="died")) == expected
    assert digest(TableFile(folder / "part-*", target="died"), n_jobs=2) == expected


def test_threads_make_no_more_passes(table, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_GROUP_ROWS", 500)
    folder, read = parted(table, tmp_path / "t", "parquet"), []
    blocks = FileTable.blocks

    def noted(self, part, block_rows):
        read.append(part.number)
        return blocks(self, part, block_rows)

    monkeypatch.setattr(FileTable, "blocks", noted)
    counts = []
    for n_jobs in (1, 2):
        read.clear()
        fit(TableFile(folder, target="died"), n_jobs=n_jobs)
        counts.append(np.bincount(read).tolist())
    assert counts[0] == counts[1]
    assert len(set(counts[0])) == 1


def test_parts_are_those_of_the_files(table, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_GROUP_ROWS", 500)
    folder = parted(table, tmp_path / "t", "parquet")
    parts = FileTable(TableFile(folder), Domain({**DOMAIN, "died": Categories([0, 1])})).parts
    assert [part.number for part in parts] == list(range(len(parts)))
    assert [(part.stop - part.start) for part in parts] == [700, 1, 800, 800, 699]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_files_with_other_columns_are_refused_before_the_debit(kind, table, tmp_path):
    folder = parted(table, tmp_path / "t", kind)
    changed = table.rename(columns={"age": "bmi", "bmi": "age"}) if kind == "csv" else table.astype({"bmi": "float32"})
    getattr(changed, f"to_{kind}")(folder / f"part-9.{kind}", index=False)
    ledger = PrivacyLedger(tmp_path / "l", epsilon=5.0, delta=1e-5)
    flow = DPSlicedWassersteinFlow(**{**FIT, "noise_random_state": None}, ledger=ledger)
    with pytest.raises(ValueError, match=r"same columns.*'part-9"):
        flow.fit(TableFile(folder, target="died"))
    assert ledger.spent() == 0.0


def test_what_is_no_table_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no files"):
        found(TableFile(tmp_path / "*.csv"))
    (tmp_path / "a.csv").touch()
    (tmp_path / "b.parquet").touch()
    (tmp_path / "_SUCCESS").touch()
    with pytest.raises(ValueError, match="all be CSV, or all be Parquet"):
        found(TableFile(tmp_path))
    (tmp_path / "b.parquet").unlink()
    assert found(TableFile(tmp_path))[1:] == ([tmp_path / "a.csv"], "csv")
    for separator in ("", ",,", "\n", '"', "é"):
        with pytest.raises(ValueError, match="separator"):
            TableFile("t.csv", separator=separator)
    with pytest.raises(ValueError, match="encoding"):
        TableFile("t.csv", encoding="utf-9")


@pytest.mark.parametrize(
    ("kind", "change"),
    [("csv", "touch"), ("csv", "append"), ("parquet", "touch"), ("parquet", "append"), ("parquet", "footer")],
)
def test_a_file_that_changes_stops_the_fit(kind, change, table, tmp_path):
    path = tmp_path / f"t.{kind}"
    getattr(table, f"to_{kind}")(path, index=False)
    source = FileTable(TableFile(path), Domain({**DOMAIN, "died": Categories([0, 1])}))
    blocks = source.blocks(source.parts[0], 1000)
    next(blocks)
    if change == "touch":
        os.utime(path, (1, 1))
    elif change == "append":
        with open(path, "ab") as file:
            file.write(b"\n")
    else:
        before, content = os.stat(path), path.read_bytes()
        path.write_bytes(content[:-2000] + content[-2000:].replace(b"pandas_version", b"pandas_Version"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(RuntimeError, match="has changed since the fit began"):
        list(blocks)


def test_a_table_of_files_holds_no_row(table, tmp_path):
    path = tmp_path / "t.csv"
    table.assign(ward="secret").to_csv(path, index=False)
    source = FileTable(TableFile(path), Domain({**DOMAIN, "died": Categories([0, 1])}))
    assert b"secret" not in pickle.dumps(source)
