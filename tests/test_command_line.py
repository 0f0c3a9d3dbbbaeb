"""The command line: files in, files out, and codes that a script can rely on."""

import argparse
import io
import json
import sqlite3
import subprocess
import sys
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

import skdpflow
from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, PrivacyLedger
from skdpflow._cli import main
from skdpflow._cli.commands import COMMANDS
from skdpflow.files import TableFile

DOMAIN = Domain(
    {
        "age": Interval(0, 99, integer=True, nullable=True),
        "bmi": Interval(10.0, 60.0),
        "ward": Categories(["A", "B"], nullable=True),
        "smoker": Categories([False, True]),
        "day": Interval("2024-01-01", "2024-12-31", unit="D"),
        "y": Categories([0, 1]),
    }
)


def rows(n=40_000):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    return pd.DataFrame(
        {
            "age": pd.Series(rng.integers(20, 80, n), dtype="Int64").mask(rng.uniform(size=n) < 0.3),
            "y": y,
            "bmi": rng.normal(25 + 4 * y, 3),
            "ward": pd.Series(rng.choice(["A", "B"], n)).mask(rng.uniform(size=n) < 0.2),
            "smoker": rng.uniform(size=n) < 0.3,
            "day": pd.Series(np.datetime64("2024-03-01") + rng.integers(0, 90, n)).dt.date,
        }
    )


def read(path):
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_goes_through(tmp_path, capsys, suffix):
    table, out, again, release = (tmp_path / f"{name}.{suffix}" for name in ("table", "out", "again", "release"))
    frame = rows()
    frame.to_csv(table, index=False) if suffix == "csv" else frame.to_parquet(table)
    DOMAIN.to_json(tmp_path / "domain.json")
    options = ["--domain", str(tmp_path / "domain.json"), "--epsilon", "5", "--target", "y", "--release", str(release)]
    assert main(["synthesize", str(table), *options, "-o", str(out)]) == 0
    assert "spent: epsilon=5" in capsys.readouterr().err
    synthetic = read(out)
    assert list(synthetic.columns) == ["age", "bmi", "ward", "smoker", "day", "y"]
    assert len(synthetic) == pytest.approx(len(frame), rel=0.01)
    for name in ("age", "ward"):
        assert synthetic[name].isna().mean() == pytest.approx(frame[name].isna().mean(), abs=0.03)
    means = synthetic.groupby("y")["bmi"].mean()
    assert means[1] - means[0] == pytest.approx(4, abs=0.5)
    assert synthetic["smoker"].dtype == bool
    assert pd.to_datetime(synthetic["day"]).between("2024-01-01", "2024-12-31").all()
    assert main(["sample", str(release), "-n", "70000", "--seed", "1", "-o", str(again)]) == 0
    assert len(read(again)) == 70_000
    assert main(["inspect", str(release)]) == 0
    assert "(5, 1e-06)" in capsys.readouterr().out
    assert main(["inspect", str(release), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["guarantee"]["epsilon"] == 5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Fit number:skdpflow.PrivacyLeakWarning")
def test_a_file_gives_what_its_frame_gives(tmp_path):
    """Blocks of a file are coded as the rows of a frame are."""
    frame = rows(30_000)[["bmi", "smoker", "y"]]
    frame.to_parquet(tmp_path / "t.parquet")
    domain = {name: DOMAIN[name] for name in ("bmi", "smoker")}
    flow = DPSlicedWassersteinFlow(epsilon=1e6, domain=domain, target=DOMAIN["y"], random_state=0)
    one = flow.fit(TableFile(tmp_path / "t.parquet", "y")).release_["histograms"].values
    two = flow.fit(frame[["bmi", "smoker"]], frame["y"]).release_["histograms"].values
    assert np.abs(one - two).max() <= 2


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (["inspect", "nothing.npz"], 1, "No such file"),
        (["sample", "nothing.npz", "-o", "x.txt"], 1, "end in .csv or .parquet"),
        (
            ["synthesize", "t.csv", "--domain", "d.json", "--epsilon", "-1", "--target", "y", "-o", "o.csv"],
            1,
            "epsilon",
        ),
        (["synthesize", "t.csv", "--domain", "d.json", "--epsilon", "1", "--target", "z", "-o", "o.csv"], 1, "'z'"),
        (
            ["synthesize", "few.csv", "--domain", "d.json", "--epsilon", "1", "--target", "y", "-o", "o.csv"],
            1,
            "'ward'",
        ),
    ],
)
def test_failures_have_their_exit_code_and_message(tmp_path, monkeypatch, capsys, line, code, message):
    monkeypatch.chdir(tmp_path)
    DOMAIN.to_json("d.json")
    rows(50).to_csv("t.csv", index=False)
    rows(50).drop(columns="ward").to_csv("few.csv", index=False)
    assert main(line) == code
    error = capsys.readouterr().err
    assert error.startswith("skdpflow: error: ")
    assert message in error


def test_a_cell_that_cannot_be_read_is_no_error(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    DOMAIN.to_json("d.json")
    rows(50).astype({"bmi": object}).replace({"bmi": {rows(50)["bmi"][3]: "SECRET"}}).to_csv("t.csv", index=False)
    line = ["synthesize", "t.csv", "--domain", "d.json", "--epsilon", "1", "--target", "y", "-n", "5", "-o", "o.csv"]
    assert main(line) == 0
    assert "SECRET" not in "".join(capsys.readouterr())


@pytest.mark.slow
def test_wrong_usage_exits_with_two():
    done = subprocess.run([sys.executable, "-m", "skdpflow", "synthesize"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-n", "0", "-o", "o.csv"], "-n, must be at least 1"),
        (["-o", "nowhere/o.csv"], "No such file or directory: nowhere"),
        (["-o", "o.csv", "--release", "nowhere/r"], "No such file or directory: nowhere"),
        (["-o", "t.csv"], "'t.csv' is an input"),
        (["-o", "o.csv", "--release", "./d.json"], "'d.json' is an input"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_spent(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(DPSlicedWassersteinFlow, "fit", lambda *_: pytest.fail("a budget was spent"))
    DOMAIN.to_json("d.json")
    rows(50).to_csv("t.csv", index=False)
    assert main(["synthesize", "t.csv", "--domain", "d.json", "--epsilon", "1", "--target", "y", *options]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", [["synthesize", "t.csv", "--domain", "d", "--epsilon", "1", "-o", "o.csv"], ["report", "r"]]
)
def test_a_seed_that_cannot_be_used_is_wrong_usage(capsys, command):
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--seed", "-3"])
    assert "argument --seed: a seed must be a whole number from 0" in capsys.readouterr().err


def test_samples_go_to_the_standard_output(tmp_path, capsys):
    flow = DPSlicedWassersteinFlow(domain={"a": Interval(0, 1)}).fit(pd.DataFrame({"a": np.linspace(0, 1, 500)}))
    flow.save(tmp_path / "r")
    assert main(["sample", str(tmp_path / "r"), "-n", "70000", "--seed", "0"]) == 0
    synthetic = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert synthetic.shape == (70_000, 1)
    assert synthetic["a"].between(0, 1).all()


@pytest.mark.slow
def test_a_reader_that_has_enough_is_no_error(tmp_path):
    flow = DPSlicedWassersteinFlow(domain={"a": Interval(0, 1)}).fit(pd.DataFrame({"a": np.linspace(0, 1, 500)}))
    flow.save(tmp_path / "r")
    command = [sys.executable, "-m", "skdpflow", "sample", str(tmp_path / "r"), "-n", "200000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "a\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1


SECRET = "SECRET"
GOOD = rows(50).to_csv(index=False).encode()
BROKEN = {
    "empty.csv": b"",
    "no header.csv": GOOD.split(b"\n", 1)[1].replace(b"A", SECRET.encode(), 1),
    "latin.csv": GOOD + b"1,33,1," + SECRET.encode() + b"\xe9\xff,A,True,2024-03-01\n",
    "quote.csv": GOOD + b'1,33,1,25,"' + SECRET.encode() + b"\n",
    "long line.csv": GOOD + b"1,33,1,25,A,True,2024-03-01,%s,%s\n" % (SECRET.encode(), SECRET.encode()) * 2,
    "text.parquet": GOOD,
}
#: Cells beyond the header's are left out, and others are outside of the domain.
READ = ("long line.csv", "latin.csv", "day.parquet")
NESTED = {
    "struct.parquet": [{"a": SECRET}] * 50,
    "list.parquet": [[SECRET]] * 50,
    "bytes.parquet": [SECRET.encode()] * 50,
    "day.parquet": [SECRET] * 50,
}


@pytest.mark.parametrize("name", [*BROKEN, *NESTED])
def test_broken_files_are_refused_without_a_cell_or_a_line_number(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    DOMAIN.to_json("d.json")
    if name in BROKEN:
        (tmp_path / name).write_bytes(BROKEN[name])
    else:
        column = "day" if name == "day.parquet" else "bmi"
        table = pa.Table.from_pandas(rows(50).drop(columns=column), preserve_index=False)
        parquet.write_table(table.append_column(column, pa.array(NESTED[name])), name)
    code = main(["synthesize", name, "--domain", "d.json", "--epsilon", "1", "--target", "y", "-n", "5", "-o", "o.csv"])
    error = capsys.readouterr().err
    if name not in READ:
        assert code == 1
        assert error.startswith("skdpflow: error: ")
        assert not (tmp_path / "o.csv").exists()
    assert SECRET not in error
    assert "51" not in error
    assert "0xe9" not in error


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_without_rows_is_refused_like_an_empty_frame(tmp_path, capsys, suffix):
    frame = rows(50).iloc[:0]
    table = tmp_path / f"table.{suffix}"
    frame.to_csv(table, index=False) if suffix == "csv" else frame.to_parquet(table)
    DOMAIN.to_json(tmp_path / "domain.json")
    options = ["--domain", str(tmp_path / "domain.json"), "--epsilon", "1", "--target", "y", "-n", "5"]
    assert main(["synthesize", str(table), *options, "-o", str(tmp_path / "o.csv")]) == 1
    assert not (tmp_path / "o.csv").exists()
    domain = {name: DOMAIN[name] for name in DOMAIN if name != "y"}
    with pytest.raises(ValueError, match="Found array with 0 sample") as error:
        DPSlicedWassersteinFlow(domain=domain, target=DOMAIN["y"]).fit(frame[list(domain)], frame["y"])
    assert capsys.readouterr().err == f"skdpflow: error: {error.value}\n"


def test_an_error_of_a_library_is_named_and_not_shown(monkeypatch, capsys):
    def broken(*_, **__):
        raise RuntimeError(SECRET)

    monkeypatch.setattr("skdpflow._cli.inspect.load_flow", broken)
    assert main(["inspect", "x"]) == 1
    assert capsys.readouterr().err == "skdpflow: error: RuntimeError\n"


def test_declared_categories_that_look_like_missing_cells_are_categories(tmp_path):
    frame = pd.DataFrame({"grade": ["None", "NA", "mild", None] * 500, "other": ["A", "A", "B", None] * 500})
    frame.to_csv(tmp_path / "t.csv", index=False)
    domain = {
        "grade": Categories(["None", "NA", "mild"], nullable=True),
        "other": Categories(["A", "B"], nullable=True),
    }
    flow = DPSlicedWassersteinFlow(epsilon=20.0, domain=domain, random_state=0).fit(TableFile(tmp_path / "t.csv"))
    synthetic = pd.DataFrame(flow.sample(2000, random_state=0))
    assert synthetic["grade"].value_counts(normalize=True, dropna=False).to_numpy() == pytest.approx(0.25, abs=0.05)
    assert synthetic["other"].isna().mean() == pytest.approx(0.25, abs=0.05)


def test_commas_at_the_end_of_lines_do_not_shift_columns(tmp_path):
    lines = ["a,b", *["1,5,"] * 1000]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    domain = {"a": Interval(0, 9, integer=True), "b": Interval(0, 9, integer=True)}
    flow = DPSlicedWassersteinFlow(epsilon=20.0, domain=domain).fit(TableFile(tmp_path / "t.csv"))
    assert pd.DataFrame(flow.sample(200, random_state=0)).median().tolist() == [1, 5]


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A folder with a table, its domain, and the release of a fit."""
    monkeypatch.chdir(tmp_path)
    frame = rows(2000)
    frame.to_csv("t.csv", index=False)
    DOMAIN.to_json("d.json")
    assert main([*FIT, "-o", "o.csv", "--release", "r"]) == 0
    return tmp_path


FIT = ["synthesize", "t.csv", "--domain", "d.json", "--epsilon", "1", "--target", "y"]


def test_version_and_exit_codes_are_told(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"skdpflow {skdpflow.__version__}\n"
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(f"  {code} " in text for code in (0, 1, 2, 3, 130))


def test_statement_and_report_of_a_release(kept, capsys):
    capsys.readouterr()
    assert main(["report", "r", "--seed", "0"]) == 0
    assert "spends nothing" in " ".join(capsys.readouterr().out.split())
    for name, begin in (("a.html", "<!DOCTYPE html>"), ("a.json", "{"), ("a.txt", "The synthetic rows are")):
        assert main(["report", "r", "-o", name]) == 0
        assert (kept / name).read_text().startswith(begin)
    assert main(["inspect", "r", "-o", "board.html"]) == 0
    assert "a guess is right" in (kept / "board.html").read_text()
    assert main(["inspect", "r", "-o", "board.pdf"]) == 1
    assert "ends in .txt, .json, .html. Got 'board.pdf'" in capsys.readouterr().err
    assert main(["inspect", "r", "-o", "r"]) == 1


def test_a_report_with_private_rows_is_marked_and_noted(kept, capsys):
    PrivacyLedger("l", epsilon=2, delta=1e-5)
    assert main(["report", "r", "--private-look", "t.csv", "--ledger", "l", "-o", "look.json"]) == 0
    assert "outside the guarantee" in json.loads((kept / "look.json").read_text())["notice"]
    history = PrivacyLedger.open("l").history()
    assert len(history) == 1
    assert history["epsilon"].iloc[-1] == 0
    assert main(["report", "r", "--ledger", "l"]) == 1
    assert "add --private-look TABLE" in capsys.readouterr().err


def test_check_is_a_look_at_private_rows(kept, capsys):
    capsys.readouterr()
    assert main(["check", "t.csv", "--domain", "d.json"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("A look at private rows, outside the guarantee")
    assert main(["domain", "t.csv", "--private-look", "d.json"]) == 0
    assert capsys.readouterr() == ("", text)  # so that no file of standard output holds it


def test_a_ledger_is_debited_and_refuses(kept, capsys):
    capsys.readouterr()
    assert main([*FIT, "-o", "1.csv", "--ledger", "l"]) == 1
    err = capsys.readouterr().err
    assert "No such file or directory: l" in err
    assert "add --ledger-budget EPSILON DELTA" in err
    assert not (kept / "l").exists()
    assert main([*FIT, "-o", "1.csv", "--ledger-budget", "1.1", "1e-5"]) == 1
    assert "add --ledger FILE" in capsys.readouterr().err
    assert main([*FIT, "-o", "1.csv", "--ledger", "l", "--ledger-budget", "1.1", "1e-5"]) == 0
    assert "ledger: spent epsilon=" in capsys.readouterr().err
    assert main([*FIT, "-o", "2.csv", "--ledger", "l"]) == 3
    assert "skdpflow: error: " in capsys.readouterr().err
    assert not (kept / "2.csv").exists()
    assert main([*FIT, "-o", "2.csv", "--ledger", "l", "--ledger-budget", "9", "1e-5"]) == 1
    assert "l: The ledger was made with" in capsys.readouterr().err
    assert main([*FIT, "-o", "l", "--ledger", "l"]) == 1
    assert len(PrivacyLedger.open("l").events) == 1


@pytest.mark.parametrize(
    ("epsilon", "delta", "warned"), [("1", "1e-6", False), ("20", "1e-6", True), ("1", "0.1", True)]
)
def test_a_budget_that_protects_hardly_anybody_is_named(kept, capsys, epsilon, delta, warned):
    capsys.readouterr()
    line = [
        *FIT,
        "-o",
        "1.csv",
        "--epsilon",
        epsilon,
        "--delta",
        delta,
        "--ledger",
        "l",
        "--ledger-budget",
        "0.01",
        "1e-9",
    ]
    assert main(line) == 3  # said before anything is spent
    assert ("protects hardly anybody" in capsys.readouterr().err) == warned


def test_what_is_no_ledger_is_named(kept, capsys):
    assert main([*FIT, "-o", "1.csv", "--ledger", "t.csv"]) == 1
    assert "skdpflow: error: t.csv: The ledger 't.csv' could not be used: it is no ledger" in capsys.readouterr().err
    with closing(sqlite3.connect("other")) as db:
        db.execute("CREATE TABLE chain (a)")
    assert main([*FIT, "-o", "1.csv", "--ledger", "other"]) == 1
    assert "is no ledger. Give the right path" in capsys.readouterr().err


def test_progress_is_shown_if_it_is_asked_for(kept, capsys):
    capsys.readouterr()
    assert main(["sample", "r", "-n", "10", "-o", "s.csv"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["sample", "r", "-n", "10", "-o", "s.csv", "-v"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "skdpflow: learning the model from r",
        "skdpflow: wrote 10 of 10 synthetic rows",
    ]
    assert main(["-v", "check", "t.csv", "--domain", "d.json"]) == 0
    assert capsys.readouterr().err == "skdpflow: reading t.csv\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["domain", "nothing.csv"], "No such file or directory: nothing.csv"),
        (["check", "t.csv", "--domain", "t.csv"], "t.csv: The description of a domain must be JSON"),
        (["inspect", "t.csv"], "t.csv: "),
        (["sample", "d.json"], "d.json: "),
        (["check", "few.csv", "--domain", "d.json"], "The file 'few.csv' has no columns ['bmi'], which the domain"),
        (["check", "more.csv", "--domain", "d.json"], "Not in the domain: the columns ['more'] of the file"),
        ([*FIT[:-1], "z", "-o", "x.csv"], "d.json: The domain does not describe the target 'z'. Its columns are"),
    ],
)
def test_errors_name_the_file(kept, capsys, command, message):
    rows(20).drop(columns="bmi").to_csv("few.csv", index=False)
    rows(20).assign(more=1).to_csv("more.csv", index=False)
    capsys.readouterr()
    assert main(command) == 1
    assert capsys.readouterr().err.startswith(f"skdpflow: error: {message}")


def test_warnings_are_one_line_without_code(kept, capsys):
    narrow = {**DOMAIN, "bmi": Interval(10.0, 20.0)}
    Domain(narrow).to_json("narrow.json")
    capsys.readouterr()
    line = [*FIT[:3], "narrow.json", *FIT[4:], "--epsilon", "20", "-o", "n.csv"]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(line) == 0
    err = capsys.readouterr().err
    assert "skdpflow: warning: " in err
    assert "'bmi'" in err
    assert ".py" not in err


@pytest.mark.parametrize("command", ["synthesize", "check", "domain", "site"])
def test_a_path_that_holds_a_key_is_not_repeated(tmp_path, monkeypatch, capsys, command):
    monkeypatch.chdir(tmp_path)
    DOMAIN.to_json("d.json")
    options = {
        "synthesize": ["--domain", "d.json", "--epsilon", "1", "--target", "y", "-o", "o.csv"],
        "check": ["--domain", "d.json"],
        "site": ["box", "--agreement", "a", "--digest", "0", "--keys", "k", "--ledger", "l", "--folder", "f"],
    }
    assert main([command, "s3://AKIA:SECRET@bucket/t.csv", *options.get(command, []), "-v"]) == 1
    shown = capsys.readouterr()
    assert "must hold no key" in shown.err
    assert "SECRET" not in shown.out + shown.err


def test_an_interrupt_has_its_code(kept, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(DPSlicedWassersteinFlow, "sample_labeled", interrupted)
    assert main([*FIT, "-o", "i.csv"]) == 130
    assert "The release that was paid for is in 'i.csv.release'" in capsys.readouterr().err
    assert (kept / "i.csv.release").exists()


@pytest.mark.slow
def test_the_module_and_the_script_are_one_program():
    done = [
        subprocess.run([sys.executable, "-m", "skdpflow", "--version"], capture_output=True, text=True, check=True),
        subprocess.run(
            [sys.executable, "-c", "from skdpflow._cli import main; main()", "--version"],
            capture_output=True,
            text=True,
            check=True,
        ),
    ]
    assert done[0].stdout == done[1].stdout


def test_the_reference_page_names_every_command_and_option():
    page = (Path(__file__).parents[1] / "doc" / "command_line.rst").read_text()
    for command in COMMANDS:
        own = argparse.ArgumentParser(add_help=False)
        command.add_arguments(own)
        assert f"\n{command.name}\n{'-' * len(command.name)}\n" in page
        assert f"skdpflow {command.name} " in page
        for option in own.format_help().split():
            if option.startswith("--"):
                assert option.strip(",") in page, (command.name, option)
    assert all(f"   * - {code}\n" in page for code in (0, 1, 2, 3, 130))
