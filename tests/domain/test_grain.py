"""Columns with a declared grain: decimals, or steps from the lower bound."""

from __future__ import annotations

import io
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skdpflow import Categories, Domain, DPSlicedWassersteinFlow, Interval, Release
from skdpflow.domain.codes import code_of
from skdpflow.mechanisms.marginals.locate import first_edges, refined

pytestmark = pytest.mark.filterwarnings("ignore::skdpflow.exceptions.PrivacyLeakWarning")

DOMAIN = Domain(
    {
        "price": Interval(0, 1e5, decimals=2, special=[9.99]),
        "grade": Interval(1, 6, step=0.25, nullable=True),
        "tax": Interval(0, 1e5, decimals=2),
    },
    constraints=["tax <= price"],
)


def _rows(n: int = 800) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    price = np.round(rng.lognormal(3, 1, n), 2)
    grade = np.clip(np.round(rng.normal(3, 1, n) * 4) / 4, 1, 6)
    return pd.DataFrame({"price": price, "grade": np.where(rng.random(n) < 0.1, np.nan, grade), "tax": price / 10})


@pytest.fixture(scope="module")
def flow() -> DPSlicedWassersteinFlow:
    with pytest.warns(UserWarning, match="noise"):
        return DPSlicedWassersteinFlow(3.0, domain=DOMAIN, random_state=0, noise_random_state=0).fit(_rows())


def _on_grid(rows: pd.DataFrame) -> bool:
    cents = all(float(Decimal(repr(x)).quantize(Decimal("0.01"))) == x for x in [*rows["price"], *rows["tax"]])
    return cents and bool((rows["grade"].dropna() % 0.25 == 0).all())


def test_rows_come_back_on_the_grid(flow: DPSlicedWassersteinFlow) -> None:
    rows = flow.sample(500, random_state=0)
    assert _on_grid(rows)
    assert rows["grade"].isna().any()
    assert (rows["tax"] <= rows["price"]).all()
    assert _on_grid(flow.sample(100, where={"price": (5, 20.005), "grade": [2.25, 3]}, random_state=0))


def test_they_do_after_saving(flow: DPSlicedWassersteinFlow) -> None:
    file = io.BytesIO()
    flow.release_.save(file)
    file.seek(0)
    again = DPSlicedWassersteinFlow.from_release(Release.load(file))
    assert again.domain_ == DOMAIN
    assert again.sample(50, random_state=1).equals(flow.sample(50, random_state=1))


def test_where_of_a_single_value_and_of_none_on_the_grid(flow: DPSlicedWassersteinFlow) -> None:
    assert (flow.sample(20, where={"grade": 2.5}, random_state=0)["grade"] == 2.5).all()
    with pytest.raises(ValueError, match="domain does not have"):
        flow.sample(1, where={"grade": 2.6})


def test_density_is_that_of_the_counts_and_nothing_beside_the_grid(flow: DPSlicedWassersteinFlow) -> None:
    rows = pd.DataFrame({"price": [20.0, 20.001], "grade": [3.0, 3.0], "tax": [2.0, 2.0]})
    on, beside = flow.score_samples(rows)
    assert np.isfinite(on)
    assert beside == -np.inf


def test_computed_columns_are_on_the_grid() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": np.round(rng.random(300), 1), "b": np.round(rng.random(300), 1)})
    X["both"] = X["a"] + X["b"]
    domain = Domain(
        {"a": Interval(0, 1, decimals=1), "b": Interval(0, 1, decimals=1), "both": Interval(0, 2, decimals=1)},
        constraints=["a + b == both"],
    )
    rows = DPSlicedWassersteinFlow(domain=domain).fit(X).sample(300)
    assert (rows.round(1) == rows).all(axis=None)
    assert np.isclose(rows["a"] + rows["b"], rows["both"]).all()


@given(st.integers(1, 9), st.integers(-(10**5), 10**5), st.integers(2, 10**5), st.data())
def test_every_value_is_the_nearest_float_of_its_decimal(
    decimals: int, start: int, n: int, data: st.DataObject
) -> None:
    unit = 10**decimals
    column = Interval(start / unit, (start + n) / unit, decimals=decimals)
    k = data.draw(st.integers(0, n))
    x = np.array([(start + k) / unit])
    assert column.nearest(x).tolist() == x.tolist()
    assert column.n_values == n + 1
    assert column.codes(x).tolist() == [k]
    assert column.numbers(column.codes(x) + 0.5).tolist() == x.tolist()


@given(st.floats(-1e3, 1e3), st.integers(1, 10**4), st.data())
def test_steps_are_counted_from_the_lower_bound(lower: float, step: int, data: st.DataObject) -> None:
    lower, width = round(lower, 3), step / 1000
    column = Interval(lower, lower + 1000.5 * width, step=width)
    k = data.draw(st.integers(0, column.n_values - 1))
    exact = Decimal(repr(lower)) + k * Decimal(repr(width))
    assert column.numbers(np.array([k + 0.5])).tolist() == [float(exact)]


def test_cells_beside_the_grid_are_read_as_the_nearest_value_and_beyond_the_bounds_as_outside() -> None:
    from skdpflow.curator.cells import RawCells
    from skdpflow.curator.dtypes import FLOAT
    from skdpflow.curator.encode import encode_cells

    column = Interval(0.5, 2.5, step=0.5, nullable=True)
    x = np.array([0.5, 0.7, 0.8, 2.5, 0.49, 2.6, np.inf, np.nan])
    codes = encode_cells(RawCells(x, np.isnan(x)), FLOAT, column)
    outside = [code_of(column, "below"), code_of(column, "above"), code_of(column, "above")]
    assert codes.tolist() == [0, 0, 1, 4, *outside, column.n_values]


def test_a_value_of_the_grid_is_a_candidate_of_single_values() -> None:
    column = Interval(0, 100, decimals=2).measured
    edges = first_edges(column)
    counts = np.where(edges[:-1] == edges[edges <= 2999][-1], 1e5, 0.0)
    for _ in range(4):
        edges = refined(edges, counts, 1.0, column.integer)
        counts = np.where((edges[:-1] <= 2999) & (edges[1:] > 2999), 1e5, 0.0)
    assert {2999.0, 3000.0} <= set(edges.tolist())


def test_rows_of_other_dtypes() -> None:
    pl = pytest.importorskip("polars")
    cells = [Decimal("1.25"), Decimal("2.50")] * 50
    frame = pl.DataFrame(
        {"x": pl.Series(cells, dtype=pl.Decimal(10, 2)), "y": pl.Series([0.1] * 100, dtype=pl.Float32)}
    )
    domain = Domain({"x": Interval(0, 5, step=0.25), "y": Interval(0, 1, decimals=1)})
    rows = DPSlicedWassersteinFlow(domain=domain).fit(frame).sample(50)
    assert rows.dtypes == frame.dtypes
    assert all(cell % Decimal("0.25") == 0 for cell in rows["x"])
    assert set(rows["y"].to_list()) <= set(np.round(np.arange(11) / 10, 1).astype(np.float32).tolist())
    with pytest.raises(ValueError, match="holds no value of"):
        DPSlicedWassersteinFlow(domain={"x": Interval(0, 5, step=0.3)}).fit(pd.DataFrame({"x": [1, 2, 3]}))


def test_a_numeric_target_has_a_grain_too() -> None:
    rng = np.random.default_rng(0)
    X = rng.random((200, 1))
    flow = DPSlicedWassersteinFlow(domain=(0, 1), target=Interval(0, 10, decimals=1)).fit(X, np.round(10 * X[:, 0], 1))
    y = flow.sample_labeled(200)[1]
    assert (np.round(y, 1) == y).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"decimals": 2, "step": 0.1}, "not both"),
        ({"decimals": 2, "integer": True}, "numbers only"),
        ({"step": 0.0}, "'step'"),
        ({"step": -1}, "'step'"),
        ({"decimals": 0}, "'decimals'"),
        ({"decimals": 17}, "tell the values"),
        ({"step": 1 / 3}, "number of thirds"),
        ({"step": 1e-300}, "tell the values"),
        ({"step": 2.0}, "fewer than two"),
        ({"decimals": 1, "special": [0.25]}, "special"),
    ],
)
def test_what_is_no_grain(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Interval(0, 1, **given)  # type: ignore[arg-type]


def test_dates_have_units_instead() -> None:
    with pytest.raises(ValueError, match="numbers only"):
        Interval("2024-01-01", "2024-12-31", unit="D", step=7)


def test_json_and_text_say_the_grain() -> None:
    assert Domain.from_json(DOMAIN.to_json()) == DOMAIN
    assert "with 2 decimals" in DOMAIN.describe()
    assert "in steps of 0.25" in DOMAIN.describe()
    assert repr(Interval(0, 1, step=0.25)) == "Interval(0.0, 1.0, step=0.25)"
    assert Categories(["a"]) != Interval(0, 1, decimals=1) != Interval(0, 1)
