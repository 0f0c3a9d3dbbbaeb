"""Cells of files: each read by itself, as its column is declared."""

import warnings

import pytest

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval
from skdpflow.curator.gate import admit
from skdpflow.domain.codes import n_codes
from skdpflow.files import TableFile


@pytest.mark.parametrize(
    ("column", "cells", "codes"),
    [
        (
            Categories([False, True]),
            ["TRUE", "False", "true", "1", "0", "1.0", "0.0", "yes", "2"],
            [1, 0, 1, 1, 0, 1, 0],
        ),
        (
            Categories([0, 1, 2**53 + 1]),
            ["1.0", "01", " 1", "9007199254740993.0", "9007199254740992", "x"],
            [1, 1, 1, 2],
        ),
        (Categories([0.1, 1.0, 2]), ["1", "0.10", "1e-1", "2.0", "2", "0.2"], [1, 0, 0, 2, 2]),
        (Categories(["1", 1.5, True]), ["1", "1.50", "1.0", "true", "TRUE", "no"], [0, 1, 2, 2, 2]),
        (Categories(["NA", "1.0", "true"]), ["NA", "1.0", "true", "1", "TRUE", "inf"], [0, 1, 2]),
        (Interval(0, 9, integer=True), ["7", "7.0", "7e0", "inf", "-inf", "1_0", "seven"], [7, 7, 7, 11, 10]),
        (Interval("2024-01-01", "2024-01-31", unit="D"), ["20240103", "2024-01-03T10:00Z", "3.1.2024", "3"], [2, 2]),
    ],
)
def test_cells_of_csv_files_are_read_as_meant(column, cells, codes, tmp_path):
    """Each by itself: what is left over is outside."""
    path, domain = tmp_path / "table.csv", Domain({"x": column, "y": Interval(0, 1)})
    for chosen in ([*cells, ""], *([cell, ""] for cell in cells)):
        path.write_text("x,y\n" + "".join(f"{cell},0\n" for cell in chosen))
        source = admit(DPSlicedWassersteinFlow(), TableFile(path), domain=domain)
        known = dict(zip(cells, codes, strict=False))
        found = [code for _, block, _ in source.blocks(domain) for code in block[:, 0].tolist()]
        assert found == [known.get(cell, n_codes(column) - 1) for cell in chosen]


def test_bytes_and_lines_that_are_no_table_are_outside_too(tmp_path):
    path, domain = tmp_path / "table.csv", Domain({"x": Interval(0, 9, integer=True), "w": Categories(["a"])})
    path.write_bytes(b"x,w\n1,a\n\xff,\xff\n2,a,3,4\n3\n4,a,\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = admit(DPSlicedWassersteinFlow(), TableFile(path), domain=domain)
        found = [code for _, block, _ in source.blocks(domain) for code in block.tolist()]
    assert found == [[1, 0], [12, 1], [2, 0], [3, 1], [4, 0]]
