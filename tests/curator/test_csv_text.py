"""CSV text in pieces: the rows and cells of the whole file, whoever parses and however it is cut."""

import gzip
import math
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skdpflow import Categories, Interval
from skdpflow.curator import csv_text
from skdpflow.curator.csv_cells import read_binary, read_series
from skdpflow.curator.files import FileTable
from skdpflow.domain import Domain
from skdpflow.files import TableFile

pa = pytest.importorskip("pyarrow")

COLUMNS = Domain({"a": Categories(), "b": Categories()})


def whole(path, separator=","):
    """All cells as pandas reads them, in one go."""
    frame = pd.read_csv(
        path, sep=separator, header=0, names=["a", "b"], usecols=["a", "b"], dtype=str, index_col=False,
        na_values=["", "NA"], keep_default_na=False, encoding_errors="replace",
    )  # fmt: skip
    return [[None if pd.isna(cell) else cell for cell in row] for row in frame.to_numpy(dtype=object)]


def in_parts(file, columns=COLUMNS):
    table = FileTable(file, columns)
    rows = []
    for part in table.parts:
        for block in table.blocks(part, 1000):
            cells = [block.cells(0, block.shape[0], j).values.tolist() for j in range(len(columns))]
            rows += map(list, zip(*cells, strict=True))
    assert len(rows) == table.shape[0]
    return rows


SPELLINGS = ['"', ",", "\n", "\r\n", "x", "y,z", '"q"', '"a,b"', '"l\nm"', '""', " ", "1", "\n\n", '"a""b"', "é", '\n"']


@settings(deadline=None, max_examples=200)
@given(text=st.lists(st.sampled_from(SPELLINGS), max_size=25).map("".join), size=st.sampled_from([1, 7, 40]))
@example(text='5" pipe,1\n6" pipe,2\n"7"" pipe",3\n', size=1)
@example(text='"a"b,c"d"\n"e" ,f\n', size=1)
@example(text="\ufeffa,b\n\ufeffc,d\n", size=1)
@example(text="a,b,c\nd\n,\n", size=1)
def test_pieces_have_the_cells_of_the_whole(text, size, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(b"a,b\n" + text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_text, "_CHUNK", size)
        try:
            expected = whole(path)
        except (pd.errors.ParserError, pd.errors.EmptyDataError):
            return  # an open quote at the end
        assert in_parts(TableFile(path)) == expected


ODD = [
    "1", "-1", "+1", "1.", ".5", "-.5", ".", "-", "", "1e5", "1E5", "1e+5", "1e-400", "1e400", "-1e400", "1e", "e1",
    "nan", "NaN", "NAN", "-nan", "nan(1)", "inf", "-inf", "INF", "Infinity", "infinity", "+inf", " 1", "1 ", "\t1",
    "1_0",
    "0x10", "1d5", "1f", "1,5", "1.2.3", "--1", "1-1", "00012", "-0", "0.1", "1e22", "9007199254740993", "٣", "½", "１",
    "4.9e-324", "2.4703282292062327e-324", "2.47032822920623272e-324", "1.7976931348623159e308", "NA", "null", "NULL",
    "true",
    "0.1000000000000000055511151231257827021181583404541015625", "8.5e-1", "1\x00", "1\n", "1'000",
]  # fmt: skip


def bits(values):
    return np.where(np.isnan(values), np.inf, values).tobytes(), np.isnan(values).tolist()


def test_arrow_reads_numbers_as_float_does():
    rng = random.Random(0)
    plain = [repr(rng.uniform(-1, 1) * 10.0 ** rng.randint(-320, 308)) for _ in range(20_000)]
    plain += ["".join(rng.choice("0123456789") for _ in range(rng.randint(1, 40))) + f"e{rng.randint(-330, 300)}"
              for _ in range(5000)]  # fmt: skip
    for cells in (plain, plain + ODD, ODD, *([cell] for cell in ODD), *([cell, "1.5"] for cell in ODD)):
        for column in (Interval(0, 1), Interval(0, 9, integer=True)):
            found = read_binary(pa.array([cell.encode() for cell in cells], pa.binary()), column)
            missing = {"", "NA", "NaN", "nan", "null", "NULL"}
            expected = read_series(
                pd.Series([None if cell in missing else cell for cell in cells], dtype=object), column
            )
            assert bits(found.values) == bits(expected.values)
            assert found.gaps.tolist() == expected.gaps.tolist()


def test_a_number_is_what_float_says():
    for cell in ODD:
        (found,) = read_binary(pa.array([cell.encode()], pa.binary()), Interval(0, 1)).values
        try:
            expected = math.nan if "_" in cell or cell == "" else float(cell)
        except ValueError:
            expected = math.nan
        assert found == expected or (math.isnan(found) and math.isnan(expected)), cell


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "shift_jis"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("zipped", [False, True])
def test_encodings_separators_and_compression(encoding, separator, zipped, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_text, "_CHUNK", 30)
    word = "é" if encoding != "shift_jis" else "表"  # whose second byte is that of a backslash
    lines = [separator.join(row) for row in [["a", "b"], *[[f'"{word}{separator}{i}"', str(i)] for i in range(50)]]]
    text = "\r\n".join(lines).encode(encoding)
    path = tmp_path / ("t.csv.gz" if zipped else "t.csv")
    path.write_bytes(gzip.compress(text) if zipped else text)
    rows = in_parts(TableFile(path, separator=separator, encoding=encoding))
    assert rows == [[f"{word}{separator}{i}", str(i)] for i in range(50)]


def test_cells_are_the_same_without_pyarrow(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_bytes(
        b"a,b\n" + "".join(f"{c},{d}\n" for c, d in zip(["x", "NA", "\u00e9"] * 5, range(15), strict=True)).encode()
    )
    columns = Domain({"a": Categories(["x", "é"]), "b": Interval(0, 20, integer=True)})
    expected = in_parts(TableFile(path), columns)
    monkeypatch.setattr(csv_text, "find_spec", lambda name: None)
    assert in_parts(TableFile(path), columns) == expected


@pytest.mark.parametrize("arrow", [True, False])
@pytest.mark.parametrize("other", ["x,1", "x", "x,1,2"])
def test_a_row_is_read_alike_whatever_other_rows_and_blank_lines_are_like(other, arrow, tmp_path, monkeypatch):
    """pandas reads pieces with ragged rows, and would lose the empty cell after a blank line that ends in \\r."""
    if not arrow:
        monkeypatch.setattr(csv_text, "find_spec", lambda name: None)
    path = tmp_path / "t.csv"
    path.write_bytes(f"a,b\r\r,7\n\r, 8\r{other}\n".encode())
    assert [row[1] for row in in_parts(TableFile(path))[:2]] == ["7", " 8"]


@pytest.mark.parametrize("arrow", [True, False])
def test_an_open_quote_is_refused_whoever_parses(arrow, tmp_path, monkeypatch):
    if not arrow:
        monkeypatch.setattr(csv_text, "find_spec", lambda name: None)
    path = tmp_path / "t.csv"
    path.write_bytes(b'a,b\nx,1\ny,"2\nz,3\n')
    with pytest.raises(ValueError, match="cannot be read"):
        in_parts(TableFile(path))


@pytest.mark.parametrize("column", [Categories([0, 1]), Categories([True, False]), Categories([0.0, 1.5])])
@pytest.mark.parametrize("cell", ["0e99999999999999999999", "1e-99999999999999999999", "1e99999999999999999999"])
def test_no_cell_raises_an_error(cell, column):
    for found in (
        read_binary(pa.array([cell.encode(), b"1"], pa.binary()), column),
        read_series(pd.Series([cell, "1"], dtype=object), column),
    ):
        assert found.values[0] in (cell, 0.0)
        assert found.gaps.tolist() == [False, False]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_blank_line_moves_no_cell_of_the_next_row(end, blank):
    rows = [",1,2", ",,", "3,,4"]
    text = end.join([blank, *rows, "short", ""]).encode()
    table = csv_text.parse(text, ["a", "b", "c"], {name: [""] for name in "abc"}, ",")
    cells = [tuple(None if cell != cell else cell for cell in own) for own in table.itertuples(index=False)]
    assert cells == [(None, "1", "2"), (None, None, None), ("3", None, "4"), ("short", None, None)]
