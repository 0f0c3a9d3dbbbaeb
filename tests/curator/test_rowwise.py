"""Public steps: what a row becomes, and all that is public of the result, depends on no other row."""

import datetime as dt
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.preprocessing import FunctionTransformer

from skdpflow import Categories, DPSlicedWassersteinFlow, Interval
from skdpflow.compose import GenerativePipeline
from skdpflow.curator.rowwise import map_rows
from skdpflow.domain.schema import schema_of

LONG = 900000000000000001
#: Cells that take the place of one, by column.
SPECIAL = {"a": [5, 0, -3, 2**53 + 1, LONG], "b": [0.25, 0.0, -1.0, 1e300], "c": ["x", "y", "", "1"]}


def table(container, **change):
    """Eight rows, in the third of which some cells are changed."""
    columns = {"a": [5, 1, 2, 3, LONG, 5, 6, 7], "b": [0.5] * 8, "c": list("xyxyxyxy")}
    for name, cell in change.items():
        columns[name][2] = cell
    if container == "numpy":
        return np.array([columns["a"], columns["b"]], dtype=object).T
    return {"pandas": pd.DataFrame, "arrow": pd.DataFrame, "polars": pl.DataFrame}[container](columns)


def numbers(frame):
    return frame[["a", "b"]]


def then(otherwise):
    return pl.when(pl.col("a") > 0).then(pl.col("a")).otherwise(otherwise)


#: Maps whose dtypes, or more, differ from row to row.
MAPS = {
    "numpy": {
        "clip": lambda X: np.maximum(X.astype(float), 0.5),
        "whole": lambda X: X.astype(float).astype(int) if X[0, 0] > 0 and X[0, 1] < 9 else X,
        "single": lambda X: X.astype(np.float32),
    },
    "pandas": {
        "clip": lambda d: d.assign(a=d["a"].clip(lower=0.5)),
        "where": lambda d: d.assign(a=d["a"].where(d["a"] > 0.5, 0.5)),
        "types": lambda d: d.convert_dtypes(),
        "objects": lambda d: d.astype(object),
        "categories": lambda d: d.astype({"c": "category"}),
        "small": lambda d: d.assign(a=d["a"].astype("int8") if d["a"].iloc[0] < 100 else d["a"]),
        "gap": lambda d: d.assign(c=d["c"].where(d["c"] != "y", None)),
        "lookup": lambda d: d.assign(c=d["c"].map({"x": "first", "y": "second"})),
        "no text": lambda d: numbers(d).rename(columns={"b": "share"}),
        "dates": lambda d: d.assign(day=pd.Timestamp("2020-01-01") + pd.to_timedelta(d["a"].clip(0, 9), unit="D")),
        "first row": lambda d: d.assign(a=0.5 if d["a"].iloc[0] == 0 else d["a"]),
    },
    "polars": {
        "same": lambda d: d,
        "where": lambda d: d.with_columns(then(0.5)),
        "null": lambda d: d.with_columns(then(None)),
        "lookup": lambda d: d.with_columns(pl.col("c").replace_strict({"x": 1, "y": 2}, default=None)),
        "first row": lambda d: d if d["a"][0] > 0 else d.with_columns(pl.lit(0.5).alias("a")),
        "lists": lambda d: d.with_columns(pl.Series("e", [(1, 2)], dtype=pl.Object)),
    },
}
CASES = [(container, name) for container, maps in MAPS.items() for name in maps]


def cells(made):
    rows = made if isinstance(made, np.ndarray) else made.to_numpy() if isinstance(made, pd.DataFrame) else made.rows()
    return [[repr(cell) for cell in row] for row in rows]


@pytest.mark.parametrize(("container", "name"), CASES)
def test_no_row_has_a_part_in_another_or_in_the_schema(container, name):
    step = FunctionTransformer(MAPS[container][name])
    made = map_rows(step, table(container), "t")
    for column, special in SPECIAL.items():
        for cell in special if container != "numpy" or column != "c" else []:
            other = map_rows(step, table(container, **{column: cell}), "t")
            assert schema_of(other) == schema_of(made)
            one, two = cells(made), cells(other)
            assert one[:2] + one[3:] == two[:2] + two[3:]


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_numbers_are_floats_and_the_rest_are_objects(container):
    made = map_rows(FunctionTransformer(lambda d: d), table(container), "t")
    assert (
        schema_of(made).dtypes
        == {
            "pandas": ("float64", "float64", "object"),
            "polars": ("Float64", "Float64", "Object"),
        }[container]
    )
    assert list(made.columns) == ["a", "b", "c"]
    assert list(made["c"]) == list("xyxyxyxy")


@pytest.mark.parametrize("container", ["pandas", "polars"])
@pytest.mark.parametrize(
    "change",
    [
        lambda d: d[["b", "a", "c"]],
        lambda d: d[["a", "b"]],
        lambda d: np.ones((1, 3)),
        lambda d: d[:0],
        lambda d: d["a"],
    ],
)
def test_a_row_of_which_other_columns_become_is_one_of_missing_cells(container, change):
    def step(d):
        return change(d) if d["a"].to_numpy()[0] == 0 else d

    whole = map_rows(FunctionTransformer(lambda d: d), table(container), "t")
    rows = table(container, a=0)
    made = map_rows(FunctionTransformer(step), rows, "t")
    assert schema_of(made) == schema_of(whole)
    missing = [
        all(cell is None or cell != cell for cell in row)
        for row in zip(*map(made.__getitem__, made.columns), strict=True)
    ]
    assert missing == [cell == 0 for cell in rows["a"]]
    assert 0 < sum(missing) < len(missing)


@pytest.mark.parametrize("fails", [True, False])
def test_where_no_public_row_tells_the_columns_private_ones_must_agree(fails):
    def step(d):
        if (d["c"] == "").any() or (fails and (d["c"] == "x").any()):
            raise RuntimeError("SECRET")
        return d if (d["c"] == "y").any() or fails else d[["b", "a", "c"]]

    if fails:
        made = map_rows(FunctionTransformer(step), table("pandas"), "t")
        assert made["a"].isna().tolist() == [True, False] * 4
        return
    with pytest.raises(ValueError, match="The step 't' must give one row for one row") as caught:
        map_rows(FunctionTransformer(step), table("pandas"), "t")
    assert caught.value.__context__ is None


def test_text_where_numbers_are_expected_is_missing():
    step = FunctionTransformer(lambda d: d.assign(a=d["a"].map(lambda cell: "SECRET" if cell == 5 else cell)))
    made = map_rows(step, table("pandas", a=5), "t")
    assert made["a"].dtype == np.float64
    assert made["a"].isna().tolist() == [cell == 5 for cell in table("pandas", a=5)["a"]]


@pytest.mark.parametrize("cell", [np.nan, np.inf, 10**400, "SECRET", None, object(), [1]])
def test_no_cell_makes_a_public_step_of_a_pipeline_raise(cell):
    """A row that a step cannot do with is outside of the domain behind it; and all was paid for by then."""
    X = np.full((50, 2), 0.5, dtype=object)
    X[3, 0] = cell
    step = FunctionTransformer(np.log1p, inverse_func=np.expm1, validate=True)
    behind = DPSlicedWassersteinFlow(domain=(0, 1), n_particles=16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GenerativePipeline([("t", step), ("flow", behind)]).fit(X)
    with pytest.raises(ValueError, match="contains NaN"):  # without a domain, as scikit-learn demands
        GenerativePipeline([("t", step), ("flow", DPSlicedWassersteinFlow())]).fit(X)


def test_warnings_do_not_tell_of_a_row():
    def warn(X):
        if (X == 7).any():
            warnings.warn("SECRET", UserWarning, stacklevel=1)
        return np.log(X)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = map_rows(FunctionTransformer(warn), np.array([[1.0], [7.0], [0.0]]), "t")
    assert made[2, 0] == -np.inf


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_schemas_and_samples_do_not_tell_of_a_row(container):
    domain = {"a": Interval(0, 20), "b": Interval(0, 1), "c": Categories(["x", "y"])}
    step = FunctionTransformer(MAPS[container]["where"], inverse_func=lambda d: d)
    seen = []
    for cell in (5, 0):
        flow = DPSlicedWassersteinFlow(domain=domain, n_particles=16)
        model = GenerativePipeline([("t", step), ("flow", flow)]).fit(table(container, a=cell))
        sample = model.sample(3, random_state=0)
        seen.append((model.releases_["flow"].schema, list(sample.columns), list(map(str, sample.dtypes))))
    assert seen[0] == seen[1]


def test_dates_and_text_go_through_a_step():
    day = pd.to_datetime(["2020-01-01", "2020-02-01"] * 50)
    X = pd.DataFrame({"x": np.linspace(1, 2, 100), "c": ["p", "q"] * 50, "day": day, "flag": [True, False] * 50})
    domain = {"x": Interval(0, 1), "c": Categories(["p", "q"]), "flag": Categories([False, True])}
    domain["day"] = Interval("2019-12-01", "2020-03-01", unit="D")
    step = FunctionTransformer(lambda d: d.assign(x=np.log(d["x"])), inverse_func=lambda d: d.assign(x=np.exp(d["x"])))
    flow = DPSlicedWassersteinFlow(domain=domain, n_particles=64, epsilon=5.0)
    model = GenerativePipeline([("log", step), ("flow", flow)], epsilon=5.0).fit(X)
    sample = model.sample(200, random_state=0)
    assert sample["x"].between(1, np.e).all()
    assert set(sample["c"]) == {"p", "q"}
    assert set(sample["flag"]) == {True, False}
    assert all(dt.date(2019, 12, 1) <= value <= dt.date(2020, 3, 1) for value in sample["day"])
