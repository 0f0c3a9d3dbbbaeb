"""Columns that are measured as differences: a row alone decides its codes, so sensitivities are what they were."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skdpflow import Categories, Domain, Interval
from skdpflow.curator.noise import NoiseSource
from skdpflow.curator.sketch import Sums
from skdpflow.curator.source import RowSource
from skdpflow.curator.statistics import Histograms, Location
from skdpflow.domain.codes import code_of, n_codes
from skdpflow.domain.measured import as_measured
from skdpflow.domain.schema import schema_of

FAR = 1000
NUMBERS = Domain(
    {"a": Interval(0, FAR), "b": Interval(-50, FAR + 50, nullable=True), "c": Interval(0, FAR)},
    constraints=["a <= b", "a < c"],
)
CENTS = Domain(
    {name: Interval(0, FAR, decimals=2) for name in "abc"},
    constraints=["a <= b <= c"],
)
WHOLE = Domain(
    {name: Interval(0, FAR, integer=True) for name in "abc"},
    constraints=["c >= b", "b > a"],
)
cell = st.floats(allow_nan=True, allow_infinity=True) | st.floats(-60, FAR + 60) | st.sampled_from([0.0, 1.0, 999.99])
row = st.tuples(cell, cell, cell)
tables = st.lists(row, min_size=1, max_size=6)


def source_of(rows, domain):
    X = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return RowSource(X, None, schema_of(X), domain)


def codes_of(rows, domain, **kwargs):
    source = source_of(rows, domain)
    return np.concatenate([codes for _, codes, _ in source.blocks(source.domain, **kwargs)])


@pytest.mark.parametrize("domain", [NUMBERS, CENTS, WHOLE])
@given(tables, st.integers(1, 7))
def test_codes_of_a_row_depend_on_that_row_alone(domain, rows, block_rows):
    together = codes_of(rows, domain, block_rows=block_rows)
    alone = np.concatenate([codes_of([own], domain) for own in rows])
    assert together.tolist() == alone.tolist()
    columns = source_of(rows, domain).domain.columns
    assert (together >= 0).all()
    assert (together < [n_codes(column) for column in columns]).all()


def statistics_of(domain):
    """Return statistics of all columns with the bins that their declared differences have."""
    columns = list(map(as_measured, source_of([], domain).domain.columns))
    edges = [np.unique([c.lower, c.lower + 3.0, (c.lower + c.upper) / 2, c.upper + 1.0]) for c in columns]
    location = {"columns": np.arange(3), "edges": np.concatenate(edges), "edge_sizes": np.array(list(map(len, edges)))}
    bins = [np.unique([0, 3, column.n_values // 2, column.n_values, n_codes(column)]) for column in columns]
    histograms = {
        "n_components": 1,
        "columns": np.arange(3),
        "edges": np.concatenate(bins),
        "edge_sizes": np.array(list(map(len, bins))),
    }
    return [(Location, location), (Histograms, histograms)]


@pytest.mark.parametrize("neighbours", ["add-remove", "replace-one"])
@pytest.mark.parametrize("domain", [NUMBERS, CENTS, WHOLE])
@settings(max_examples=30)
@given(tables, row, row, st.randoms(use_true_random=False))
@example([(0.0, 0.0, 0.0)], (0.0, 1000.0, 1000.0), (np.nan, 3.0, -np.inf), None)
def test_a_row_moves_statistics_by_no_more_than_their_sensitivity(domain, neighbours, rows, one, other, order):
    """Brute force: a row more, or another one in its place, among rows in any order."""
    asked = statistics_of(domain)
    statistics = [kind(params) for kind, params in asked]

    def sums(rows):
        if order is not None:
            rows = order.sample(rows, len(rows))
        source = source_of(rows, domain)
        return source.answer(Sums(asked, source.domain, None), NoiseSource(0).rank_key())

    changed = [*rows, other] if neighbours == "replace-one" else rows
    for statistic, total, without in zip(statistics, sums([*rows, one]), sums(changed), strict=True):
        assert np.linalg.norm(total - without) <= statistic.sensitivity(neighbours) * (1 + 1e-12)


def test_cells_are_brought_into_their_columns_before_they_are_subtracted():
    rows = [(3, 5, 9), (-7, 5, 9), (FAR + 9, FAR, 9), (5, 3, 9)]
    assert codes_of(rows, WHOLE)[:, 1].tolist() == [2, 5, 0, 0]
    assert codes_of(rows, WHOLE)[:, 2].tolist() == [4, 4, 0, 6]


def test_what_lies_outside_or_is_missing_is_counted_as_such():
    column = source_of([], NUMBERS).domain["b"]
    rows = [(1, -51, 1), (1, FAR + 51, 1), (1, np.nan, 1), (np.nan, 1, 1), (np.nan, np.nan, 1)]
    below, above, unreadable = (code_of(column, how) for how in ("below", "above", "unreadable"))
    gap = column.n_values
    assert codes_of(rows, NUMBERS)[:, 1].tolist() == [below, above, gap, unreadable, gap]


def test_dates_and_missing_dates():
    days = Interval("2024-01-01", "2024-12-31", unit="D")
    domain = Domain(
        {
            "in": days,
            "ward": Categories(["A", "B"]),
            "out": Interval("2024-01-01", "2025-12-31", unit="D", nullable=True),
        },
        constraints=["`in` <= out"],
    )
    frame = pd.DataFrame(
        {
            "in": pd.to_datetime(["2024-01-01", "2024-03-01", "2024-03-01"]),
            "ward": ["A", "B", "A"],
            "out": pd.to_datetime(["2024-01-08", None, "2024-02-28"]),
        }
    )
    source = RowSource(frame, None, schema_of(frame), domain)
    (_, codes, _), *_ = source.blocks(source.domain)
    assert codes[:, 2].tolist() == [7, source.domain["out"].n_values, 0]
    assert codes[:, 0].tolist() == [0, 60, 60]
